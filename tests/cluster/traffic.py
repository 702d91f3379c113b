"""Requests against gateways: one, or a steady stream that counts every answer that is not the one asked for."""

import asyncio
import itertools
import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httptools

from tests import planted
from tests.cluster.manifests import API_KEY


def chat(port: int, model: str, text: str = "hello") -> tuple[int, str]:
    """Status and body of one chat completion."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", body)
    request.add_header("authorization", f"Bearer {API_KEY}")
    request.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


@dataclass(slots=True)
class Tally:
    """What came back. `providers` counts good answers by who gave them, `failures` says what went wrong."""

    requests: int = 0
    failed: int = 0
    providers: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)


class _Answer:
    """Collects one answer as httptools reads it."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.provider = ""
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-pilothouse-provider":
            self.provider = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


def _request(model: str, text: str, key: str) -> bytes:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (key.encode(), len(body), body)
    )


class Traffic:
    """`rate` requests a second in all, over `ports` in turn, from a thread with a loop of its own, until it is left.

    At each port the `models` take turns; `text` is what is said to a model at a port.
    """

    def __init__(
        self,
        ports: list[int],
        *,
        rate: float,
        models: Sequence[str] = ("chat",),
        text: Callable[[str, int], str] = lambda model, port: "hello",
        key: str = API_KEY,
    ) -> None:
        self._ports = ports
        self._rate = rate
        self._requests = {
            port: itertools.cycle([(model, _request(model, text(model, port), key)) for model in models])
            for port in ports
        }
        self._idle: dict[int, list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {port: [] for port in ports}
        self._paused: set[int] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.tally = Tally()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join(60)

    def avoid(self, port: int) -> None:
        """Sends nothing more there, as a Service does with an endpoint that is going away."""
        self._paused.add(port)

    def resume(self, port: int) -> None:
        """Ends `avoid`."""
        self._paused.discard(port)

    def reset(self) -> Tally:
        """The tally so far; counting starts anew."""
        taken, self.tally = self.tally, Tally()
        return taken

    async def _run(self) -> None:
        due, turn = time.monotonic(), 0
        async with asyncio.TaskGroup() as tasks:
            while not self._ending.is_set():
                due += 1 / self._rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                open_ports = [port for port in self._ports if port not in self._paused]
                turn += 1
                tasks.create_task(self._one(open_ports[turn % len(open_ports)]))
        for connections in self._idle.values():
            for _, writer in connections:
                writer.close()

    async def _one(self, port: int) -> None:
        tally = self.tally
        tally.requests += 1
        model, request = next(self._requests[port])
        try:
            status, answer = await asyncio.wait_for(self._ask(port, request), 30)
        except (OSError, EOFError, TimeoutError) as broken:
            tally.failed += 1
            tally.failures[f"{model}: {type(broken).__name__}: {broken}"] += 1
            return
        if status != 200:
            planted.sweep([("an answer", bytes(answer.body))])
            tally.failed += 1
            tally.failures[f"{model}: {status}: {answer.body[:200].decode(errors='replace')}"] += 1
            return
        tally.providers[answer.provider] += 1

    async def _ask(self, port: int, request: bytes) -> tuple[int, _Answer]:
        idle = self._idle[port]
        reused = bool(idle)
        reader, writer = idle.pop() if reused else await asyncio.open_connection("127.0.0.1", port)
        answer = _Answer()
        parser = httptools.HttpResponseParser(answer)
        writer.write(request)
        received = False
        while not answer.complete:
            try:
                chunk = await reader.read(65536)
            except ConnectionError:
                chunk = b""
            if not chunk:
                writer.close()
                # As every HTTP client: an idle connection that was closed meanwhile is no answer to this request.
                if reused and not received:
                    return await self._ask(port, request)
                raise EOFError("the connection ended before the answer")
            received = True
            parser.feed_data(chunk)
        if parser.should_keep_alive():
            idle.append((reader, writer))
        else:
            writer.close()
        return parser.get_status_code(), answer
