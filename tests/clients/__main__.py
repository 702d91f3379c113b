"""`python -m tests.clients`: simulators, `pilothouse up` with the quickstart's manifests, then the clients' tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.simulators import credentials

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "clients"
PYTHON = ROOT / ".cache" / "venv-clients" / "bin" / "python"
_READY_S = 30


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _said(log: Path, pattern: str) -> str:
    """The first match of the pattern in a log, as soon as it is there."""
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        found = re.search(pattern, log.read_text())
        if found is not None:
            return found.group()
        time.sleep(0.05)
    raise SystemExit(f"{log.name} does not say {pattern} within {_READY_S} s:\n{log.read_text()}")


def _manifests(directory: Path, addresses: dict[str, str]) -> None:
    """The quickstart's manifests, with the ports that the simulators took."""
    for source in (ROOT / "examples" / "quickstart").glob("*.yaml"):
        text = source.read_text()
        text = text.replace("http://127.0.0.1:9101", addresses["bedrock"])
        text = text.replace("http://127.0.0.1:9102", addresses["azure"])
        (directory / source.name).write_text(text)


def _wait_until_ready(base_url: str) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{base_url.removesuffix('/v1')}/readyz", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit(f"the proxy at {base_url} is not ready after {_READY_S} s")


def main() -> int:
    if not PYTHON.exists():
        raise SystemExit("there is no environment for the clients yet: run `make clients`")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        manifests, simulators_log, proxy_log = directory / "manifests", directory / "simulators", directory / "proxy"
        manifests.mkdir()
        with _running([sys.executable, "-m", "tests.simulators", "--port", "0"], simulators_log):
            addresses = json.loads(_said(simulators_log, r"\{.*\}\n"))
            _manifests(manifests, addresses)
            up = [sys.executable, "-m", "pilothouse", "up", str(manifests), "--listen", "127.0.0.1:0"]
            with _running(up, proxy_log):
                base_url = _said(proxy_log, r"http://127\.0\.0\.1:\d+/v1")
                _wait_until_ready(base_url)
                status = _clients(base_url, addresses)
            if status != 0:
                print(proxy_log.read_text(), file=sys.stderr)
            return status


def _clients(base_url: str, addresses: dict[str, str]) -> int:
    """Run the clients' tests in their own environment; pytest's exit status."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": "none",
        "DIRECT_BASE_URL": f"{addresses['azure']}/openai/v1",
        "DIRECT_API_KEY": credentials.AZURE_API_KEY,
    }
    scripts = sorted(str(path) for path in HERE.glob("*_client.py"))
    command = [str(PYTHON), "-m", "pytest", "-c", str(HERE / "pytest.ini"), *sys.argv[1:], *scripts]
    return subprocess.run(command, cwd=HERE, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
