"""The listening side's limits, as flags of a process: what each caller hears, in OpenAI's form."""

import asyncio
import contextlib
import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse_api.snapshot.routes import Timeouts
from pilothouse_proxy.http.limits import KIB, MIB
from tests.integration.proxy.configurations import KEY, provider, route, snapshot, target
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.process import Process, process
from tests.integration.proxy.upstream import Received, Upstream, completion, whole

HOST = b"Host: h\r\n"
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %b\r\n" % KEY.encode()


@contextlib.contextmanager
def proxy_of(cloud: Upstream, *flags: str, ulimit: str = "") -> Iterator[Process]:
    patient = Timeouts(first_token_ms=60_000, idle_ms=60_000, total_ms=60_000)
    configured = snapshot({"a": provider(cloud.url)}, {"r": route(target("a"), timeouts=patient)})
    with ControlServer(configured) as control, process(*control.flags, *flags, ulimit=ulimit) as running:
        running.event("configuration applied")
        yield running


class Caller:
    """A socket, and one answer after the other from it."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(address, 0))

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> tuple[int, dict[str, str], Any]:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._some()
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        while len(body) < int(headers["content-length"]):
            body += self._some()
        return int(lines[0][9:12]), headers, json.loads(body)

    def _some(self) -> bytes:
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError("the connection has ended")
        return data


@pytest.mark.parametrize(
    ("flag", "request_", "status", "code", "told"),
    [
        ("--max-body-size=2Ki", CHAT + b"Content-Length: 2049\r\n\r\n", 413, "request_too_large", "2048 bytes"),
        ("--max-request-line-size=256", b"GET /" + b"a" * 300 + b" HTTP/1.1\r\n" + HOST, 414, None, "256 bytes"),
        ("--max-header-size=1Ki", CHAT + b"X: " + b"a" * 1_100 + b"\r\n\r\n", 431, None, "1024 bytes"),
        ("--max-headers=10", CHAT + b"X: y\r\n" * 9 + b"\r\n", 431, None, "10 headers"),
        ("--header-timeout=200ms", b"GET / HTTP/1.1\r\n", 408, None, "in time"),
        ("--body-timeout=200ms", CHAT + b"Content-Length: 9\r\n\r\n", 408, None, "in time"),
    ],
)
def test_what_is_over_a_limit_is_told_in_openai_s_form(
    flag: str, request_: bytes, status: int, code: str | None, told: str, cloud: Upstream
) -> None:
    with proxy_of(cloud, flag) as proxy, Caller(proxy.port) as caller:
        caller.send(request_)
        seen, headers, body = caller.answer()
        assert (seen, headers["connection"], body["error"]["code"]) == (status, "close", code)
        assert body["error"]["type"] == "invalid_request_error"
        assert told in body["error"]["message"]
        assert proxy.chat().status == 200
        assert proxy.request(headers["x-request-id"])["status"] == status


def test_a_connection_without_a_request_ends_after_its_time(cloud: Upstream) -> None:
    with proxy_of(cloud, "--keep-alive-timeout=200ms") as proxy, Caller(proxy.port) as caller:
        caller.send(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        assert caller.socket.recv(1_000)
        assert caller.socket.recv(1_000) == b""


def test_one_connection_too_many_from_an_address_hears_503_and_when_to_come_back(cloud: Upstream) -> None:
    with proxy_of(cloud, "--max-connections-per-peer=1") as proxy, Caller(proxy.port, "127.0.0.2"):
        with Caller(proxy.port, "127.0.0.2") as second:
            status, headers, body = second.answer()
        assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
        assert (body["error"]["type"], body["error"]["code"]) == ("server_error", "overloaded")
        assert "127.0.0.2 has 1 connections" in body["error"]["message"]
        assert proxy.chat().status == 200
        metrics = proxy.ask("GET", "/metrics").body.decode()
        assert 'pilothouse_connections_refused_total{limit="peer"} 1.0' in metrics


def test_a_proxy_takes_no_more_connections_than_its_open_files_allow(cloud: Upstream) -> None:
    with proxy_of(cloud, ulimit="-n 200") as proxy:
        assert proxy.event("listening")["max_connections"] == 36
        assert proxy.err.read_text() == ""
        callers = [Caller(proxy.port) for _ in range(150)]
        for caller in callers[:36]:
            caller.send(chat(b"Ahoy"))
        assert [caller.answer()[0] for caller in callers[:36]] == [200] * 36
        for caller in callers:
            caller.socket.close()
        proxy.until(lambda: proxy.chat().status == 200, "it serves no more")


BODY_BYTES = 10 * MIB
REPLY_BYTES = 6 * MIB
BUDGET_BYTES = 96 * MIB


def test_a_proxy_under_more_than_it_can_hold_refuses_the_rest_and_stays_within_its_budget(cloud: Upstream) -> None:
    """200 callers with 10 MiB each, and slow readers of large answers, against 96 MiB."""
    large = whole(completion("x" * REPLY_BYTES))

    async def answer(received: Received, writer: asyncio.StreamWriter) -> None:
        cloud.received.clear()
        if len(received.body) > MIB:
            await asyncio.sleep(0.1)
            await whole(completion())(received, writer)
        else:
            await large(received, writer)

    cloud.otherwise = answer
    with proxy_of(cloud, f"--memory-budget={BUDGET_BYTES}", "--max-connections=1000") as proxy:
        assert proxy.event("listening")["memory_budget_bytes"] == BUDGET_BYTES
        before = resident(proxy, "VmRSS")
        slow = [slow_reader(proxy.port) for _ in range(20)]
        request = chat(b"x" * BODY_BYTES)
        answers: list[tuple[int, dict[str, str], Any]] = []
        callers = [threading.Thread(target=lambda: answers.append(pushed(proxy.port, request))) for _ in range(200)]
        for caller in callers:
            caller.start()
        seen: list[float] = []
        while any(caller.is_alive() for caller in callers):
            seen.append(buffered(proxy))
            time.sleep(0.05)
        peak = resident(proxy, "VmHWM") - before
        for each in slow:
            each.close()

        assert len(answers) == 200
        # 0: whoever goes on sending although it is refused is cut off after a while.
        assert {status for status, _, _ in answers} | {0} == {0, 200, 503}
        for status, headers, body in answers:
            if status == 503:
                assert (headers["retry-after"], body["error"]["code"]) == ("1", "overloaded")
        # One read a connection may be on its way when the budget is reached.
        assert max(seen) <= BUDGET_BYTES + 200 * 256 * KIB
        assert peak <= 2 * BUDGET_BYTES
        proxy.until(lambda: buffered(proxy) == 0, "something is held for ever")
        assert [pushed(proxy.port, request)[0] for _ in range(5)] == [200] * 5
        assert proxy.chat().status == 200
        refused = proxy.ask("GET", "/metrics").body.decode().partition("\npilothouse_buffer_refusals_total ")[2]
        assert float(refused.partition("\n")[0]) > 0


def chat(content: bytes) -> bytes:
    body = b'{"model": "chat", "messages": [{"role": "user", "content": "' + content + b'"}]}'
    return CHAT + b"Content-Length: %d\r\n\r\n" % len(body) + body


def pushed(port: int, request: bytes) -> tuple[int, dict[str, str], Any]:
    """The answer to a large request, whose rest is not sent once it is there; 0 if it was cut off before that."""
    with Caller(port) as caller, contextlib.suppress(ConnectionError):
        view = memoryview(request)
        while view and not select.select([caller.socket], [], [], 0)[0]:
            view = view[caller.socket.send(view[: 256 * KIB]) :]
        return caller.answer()
    return 0, {}, None


def slow_reader(port: int) -> socket.socket:
    """Who has asked for a large answer and takes none of it."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", port))
    reader.sendall(chat(b"Ahoy"))
    return reader


def resident(proxy: Process, name: str) -> int:
    told = Path(f"/proc/{proxy.popen.pid}/status").read_text().partition(f"{name}:")[2].split()
    assert told[1] == "kB"
    return int(told[0]) * KIB


def buffered(proxy: Process) -> float:
    metrics = proxy.ask("GET", "/metrics").body.decode()
    return sum(
        float(line.rpartition(" ")[2]) for line in metrics.splitlines() if line.startswith("pilothouse_buffered_bytes{")
    )
