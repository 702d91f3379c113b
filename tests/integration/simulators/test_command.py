"""`python -m tests.simulators`, as it is started by hand and by `make`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.integration.simulators.raw import call
from tests.simulators import credentials

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.simulators", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def addresses(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    found: dict[str, str] = json.loads(process.stdout.readline())
    return found


def hello(base_url: str) -> Any:
    with openai.OpenAI(base_url=base_url, api_key=credentials.OPENAI_API_KEY, max_retries=0, timeout=5) as client:
        return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}])


def test_it_says_where_it_serves(simulator_process: dict[str, str]) -> None:
    assert set(simulator_process) == {"bedrock", "azure", "openai", "anthropic", "admin"}
    assert hello(simulator_process["openai"]).choices
    assert call("GET", simulator_process["admin"], "/healthz", {}, None).json() == {"ok": True}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_at_once_with_requests_open(number: signal.Signals) -> None:
    with started("--port", "0") as process:
        where = addresses(process)
        call("POST", where["admin"], "/faults", {}, b'{"kind": "silence"}')
        host, _, port = where["azure"].removeprefix("http://").partition(":")
        body = b'{"model":"gpt-4o","messages":[{"role":"user","content":"a"}]}'
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {credentials.OPENAI_API_KEY}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((host, int(port))) as open_request:
            open_request.sendall(head.encode() + body)
            process.send_signal(number)
            assert process.wait(timeout=5) == 0


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started("--bedrock-port", str(port)) as process:
            _, complaint = process.communicate(timeout=10)
    assert process.returncode == 1
    assert complaint.startswith("the simulators cannot listen:") and str(port) in complaint
    assert "Traceback" not in complaint


def test_workers_share_the_ports_and_one_admin_api() -> None:
    with started("--port", "0", "--workers", "2") as process:
        where = addresses(process)
        call("POST", where["admin"], "/models", {}, json.dumps({"openai": [ROW]}).encode())
        for _ in range(20):
            assert hello(where["openai"]).model == "gpt-z"
        counts = call("GET", where["admin"], "/counts", {}, None).json()
        records = call("GET", where["admin"], "/requests?limit=100", {}, None).json()["requests"]
        assert call("POST", where["admin"], "/faults", {}, b'{"kind": "explode"}').status == 400
        process.terminate()
        assert process.wait(timeout=10) == 0
    assert counts["openai"]["gpt-4o"]["total"] == 20
    assert len(records) == 20


ROW = {"id": "gpt-4o", "reported": "gpt-z", "contextWindow": 1000, "maxOutputTokens": 100}
