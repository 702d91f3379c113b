"""Portkey: where a request goes, and with which key, stands in its headers."""

import json
import os
import pathlib
import subprocess

from tests.load.bench.processes import Pinned
from tests.load.bench.rig import GATEWAY_CORE, ROOT, WORK, Gateway, Target
from tests.load.bench.works import Upstream

PACKAGE = ROOT / ".cache" / "peers" / "portkey" / "node_modules" / "@portkey-ai" / "gateway"


def gateway(upstream_port: int) -> Gateway:
    """As installed by `make peers`."""
    upstream = f"http://127.0.0.1:{upstream_port}"

    def start(port: int, folder: pathlib.Path) -> Pinned:
        server = str(PACKAGE / "build" / "start-server.js")
        return Pinned(
            ["node", server, "--headless", f"--port={port}"],
            core=GATEWAY_CORE,
            log=WORK / "portkey.log",
            env=os.environ | {"NODE_ENV": "production"},
            folder=folder,
        )

    version = json.loads((PACKAGE / "package.json").read_text())["version"]
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return Gateway(
        name="portkey",
        about=f"{version} Node.js {node}",
        start=start,
        targets={
            Upstream.OPENAI: Target(
                model="gpt-4o-mini",
                headers=(
                    "Authorization: Bearer sk-upstream",
                    "x-portkey-provider: openai",
                    f"x-portkey-custom-host: {upstream}/v1",
                ),
            ),
            Upstream.BEDROCK: Target(
                model="anthropic.claude-3-haiku-20240307-v1:0",
                headers=(
                    "x-portkey-provider: bedrock",
                    f"x-portkey-custom-host: {upstream}",
                    "x-portkey-aws-access-key-id: AKIABENCH",
                    "x-portkey-aws-secret-access-key: bench-secret",
                    "x-portkey-aws-region: us-east-1",
                ),
            ),
        },
    )
