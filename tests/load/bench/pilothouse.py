"""Pilothouse as a gateway under measurement: everything on, configured over TLS, on the Python that was chosen."""

import json
import os
import pathlib
import subprocess
import sys

from tests.integration.proxy.control import ControlServer
from tests.load.bench.configuration import API_KEY
from tests.load.bench.processes import Pinned
from tests.load.bench.rig import GATEWAY_CORE, WORK, Gateway, Target
from tests.load.bench.works import Upstream

_ABOUT = """
import json, platform, sysconfig
from pilothouse_proxy.http import server
arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
print(json.dumps([platform.python_implementation(), platform.python_version(), arguments, server.__file__]))
"""


def gateway(control: ControlServer) -> Gateway:
    """One that gets its configuration from `control`. `BENCH_PYTHON` chooses its interpreter."""
    python = os.environ.get("BENCH_PYTHON") or sys.executable
    # What is installed there is measured, not what lies in this folder.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    authorization = (f"Authorization: Bearer {API_KEY}",)

    def start(port: int, folder: pathlib.Path) -> Pinned:
        command = [python, "-m", "pilothouse", "proxy"]
        flags = ["--role=gateway", f"--listen=127.0.0.1:{port}", "--access-log=off", f"--state-dir={folder}"]
        return Pinned(
            [*command, *flags, *control.flags], core=GATEWAY_CORE, log=WORK / "pilothouse.log", env=environment
        )

    return Gateway(
        name="pilothouse",
        about=_about(python, environment),
        start=start,
        targets={
            Upstream.OPENAI: Target(model="gpt", headers=authorization),
            Upstream.BEDROCK: Target(model="claude", headers=authorization),
        },
    )


def _about(python: str, environment: dict[str, str]) -> str:
    """Which interpreter, built how, and whether the modules of the request path are compiled."""
    try:
        said = subprocess.run(
            [python, "-c", _ABOUT], capture_output=True, text=True, check=True, env=environment, timeout=60
        )
    except (OSError, subprocess.CalledProcessError) as failed:
        told = getattr(failed, "stderr", None) or failed
        raise SystemExit(f"BENCH_PYTHON={python} cannot load the proxy: {told}") from None
    implementation, version, arguments, server = json.loads(said.stdout)
    if "--enable-optimizations" in arguments:
        build = "PGO"
    elif not arguments or "--prefix=/usr'" in arguments:
        # Distributions may run the profile by hand, which no variable tells.
        build = "PGO unknown"
    else:
        build = "no PGO"
    modules = "compiled" if server.endswith(".so") else "interpreted"
    return f"{implementation} {version} ({build}), modules {modules}"
