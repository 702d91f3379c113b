"""LiteLLM as its production page wants it: one worker a core, a master key, no debug output, its bundled price list."""

import os
import pathlib
import subprocess

import yaml

from tests.load.bench.processes import Pinned
from tests.load.bench.rig import GATEWAY_CORE, ROOT, WORK, Gateway, Target
from tests.load.bench.works import Upstream

BIN = ROOT / ".cache" / "peers" / "litellm" / "bin"
MASTER_KEY = "sk-bench-master"
SETTINGS = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "NO_DOCS": "True",
    "DISABLE_ADMIN_UI": "True",
}
_VERSIONS = (
    "import importlib.metadata as m, platform; print(m.version('litellm'), 'CPython', platform.python_version())"
)


def gateway(upstream_port: int) -> Gateway:
    """As installed by `make peers`."""
    upstream = f"http://127.0.0.1:{upstream_port}"
    settings = {
        "model_list": [
            {
                "model_name": "gpt",
                "litellm_params": {
                    "model": "openai/gpt-4o-mini",
                    "api_base": f"{upstream}/v1",
                    "api_key": "sk-upstream",
                },
            },
            {
                "model_name": "claude",
                "litellm_params": {
                    "model": "bedrock/converse/anthropic.claude-3-haiku-20240307-v1:0",
                    "aws_access_key_id": "AKIABENCH",
                    "aws_secret_access_key": "bench-secret",
                    "aws_region_name": "us-east-1",
                    "aws_bedrock_runtime_endpoint": upstream,
                },
            },
        ],
        "general_settings": {"master_key": MASTER_KEY},
        "litellm_settings": {"request_timeout": 600, "set_verbose": False, "json_logs": True},
    }

    def start(port: int, folder: pathlib.Path) -> Pinned:
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(settings))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        where = ["--host", "127.0.0.1", "--port", str(port)]
        return Pinned(
            [str(BIN / "litellm"), "--config", str(config), *where, "--num_workers", "1", "--telemetry", "False"],
            core=GATEWAY_CORE,
            log=WORK / "litellm.log",
            env=environment | SETTINGS,
            folder=folder,
        )

    said = subprocess.run([str(BIN / "python"), "-c", _VERSIONS], capture_output=True, text=True, check=True)
    authorization = (f"Authorization: Bearer {MASTER_KEY}",)
    return Gateway(
        name="litellm",
        about=said.stdout.strip(),
        start=start,
        targets={
            Upstream.OPENAI: Target(model="gpt", headers=authorization),
            Upstream.BEDROCK: Target(model="claude", headers=authorization),
        },
        patience_s=120,
    )
