"""A provider for very many at a time: each request says itself how it is answered, in its member `play`.

`python -m tests.integration.proxy.faults.crowd` writes its port and ends with its standard input; or `crowd()` within a
test, in a thread of its own.
"""

import asyncio
import contextlib
import json
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any, cast

import uvloop

EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BACKLOG = 4_096


def play(name: str, *, events: int = 5, pause_s: float = 0.0, size: int = 0) -> dict[str, Any]:
    """How to answer: so many events, each with its number and the name, so long apart, with so many further bytes."""
    return {"name": name, "events": events, "pause_s": pause_s, "size": size}


def said(name: str, number: int) -> str:
    """What the event of that number says."""
    return f"<{name}.{number}>"


class Crowd:
    """What all connections share."""

    def __init__(self) -> None:
        self.port = 0
        self.names: list[str] = []
        """Of the requests that have come, whole."""
        self.answered = 0
        self.lines: set[_Line] = set()


class _Line(asyncio.Protocol):
    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._received = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._crowd.lines.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.lines.discard(self)
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) >= size:
            self._received = body[size:]
            self._task = asyncio.get_running_loop().create_task(self._answer(json.loads(bytes(body[:size]))))

    async def _answer(self, request: dict[str, Any]) -> None:
        played = request.get("play") or play("")
        self._crowd.names.append(played["name"])
        if request.get("stream"):
            await self._stream(**played)
        else:
            await asyncio.sleep(played["pause_s"] * played["events"])
            self._whole(**played)
        self._crowd.answered += 1

    def _whole(self, *, name: str, events: int, pause_s: float, size: int) -> None:
        text = "".join(said(name, number) for number in range(events)) + "x" * size
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        body = json.dumps({"choices": [choice]}).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(head % len(body) + body)

    async def _stream(self, *, name: str, events: int, pause_s: float, size: int) -> None:
        self.transport.write(EVENTS)
        more = "x" * size
        for number in range(events):
            await asyncio.sleep(pause_s)
            await self._writable.wait()
            self._event({"content": said(name, number) + more}, None)
        self._event({}, "stop")
        self.transport.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    def _event(self, delta: dict[str, str], finish: str | None) -> None:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        event = b"data: " + json.dumps({"choices": choices}, separators=(",", ":")).encode() + b"\n\n"
        self.transport.write(b"%x\r\n%b\r\n" % (len(event), event))


async def _serve(crowd: Crowd, listener: socket.socket, done: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Line(crowd), sock=listener, backlog=BACKLOG)
    await done.wait()
    server.close()
    for line in tuple(crowd.lines):
        line.transport.abort()
    # Their loss is told in the loop's next rounds.
    for _ in range(3):
        await asyncio.sleep(0)


@contextlib.contextmanager
def crowd() -> Iterator[Crowd]:
    """A running one."""
    running, done = Crowd(), asyncio.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    running.port = listener.getsockname()[1]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        thread = threading.Thread(target=runner.run, args=(_serve(running, listener, done),))
        loop = runner.get_loop()
        thread.start()
        try:
            yield running
        finally:
            loop.call_soon_threadsafe(done.set)
            thread.join()


if __name__ == "__main__":
    with crowd() as alone:
        print(alone.port, flush=True)
        sys.stdin.read()
