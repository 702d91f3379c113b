"""agentgateway, from a binary that somebody has built or downloaded: no registry that we install from has it."""

import os
import pathlib
import subprocess

import yaml

from tests.cluster.controlplane.plane import free_port
from tests.load.bench.processes import Pinned
from tests.load.bench.rig import GATEWAY_CORE, WORK, Gateway, Target
from tests.load.bench.works import Upstream


def gateway(binary: str, upstream_port: int) -> Gateway:
    """Its log off, as with the others; its metrics on, as by default."""

    def start(port: int, folder: pathlib.Path) -> Pinned:
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(_settings(port, upstream_port)))
        return Pinned(
            [binary, "-f", str(config)],
            core=GATEWAY_CORE,
            log=WORK / "agentgateway.log",
            env=os.environ,
            folder=folder,
        )

    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
    authorization = ("Authorization: Bearer sk-client",)
    return Gateway(
        name="agentgateway",
        about=" ".join(said.stdout.split())[:80],
        start=start,
        targets={
            Upstream.OPENAI: Target(model="gpt-4o-mini", headers=authorization),
            Upstream.BEDROCK: Target(model="claude", headers=authorization),
        },
    )


def _settings(port: int, upstream_port: int) -> dict[str, object]:
    return {
        "config": {
            "adminAddr": f"127.0.0.1:{free_port()}",
            "readinessAddr": f"127.0.0.1:{free_port()}",
            "statsAddr": f"127.0.0.1:{free_port()}",
            "logging": {"level": "error", "filter": "false"},
        },
        "llm": {
            "port": port,
            "models": [
                {
                    "name": "gpt-4o-mini",
                    "provider": "openAI",
                    "params": {"apiKey": "sk-upstream", "baseUrl": f"http://127.0.0.1:{upstream_port}/v1"},
                },
                {
                    "name": "claude",
                    "provider": "bedrock",
                    "params": {
                        "model": "anthropic.claude-3-haiku-20240307-v1:0",
                        "awsRegion": "us-east-1",
                        "hostOverride": f"127.0.0.1:{upstream_port}",
                        "pathPrefix": "/",
                    },
                    "auth": {
                        "aws": {
                            "accessKeyId": "AKIABENCH",
                            "secretAccessKey": "bench-secret",
                            "region": "us-east-1",
                        }
                    },
                },
            ],
        },
    }
