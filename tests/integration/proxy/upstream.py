"""A provider that does what a test tells it, byte by byte."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Received:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Upstream:
    """Answers with the next of `script`, and when that is used up with `otherwise`."""

    otherwise: Answer
    script: list[Answer] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the gateway has gone before it was answered."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                fields = [line.split(": ", 1) for line in head[1:] if line]
                headers = {name.lower(): value for name, value in fields}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                request = Received(line=head[0], headers=headers, body=body)
                self.received.append(request)
                answer = self.script.pop(0) if self.script else self.otherwise
                answering = asyncio.create_task(_answer(answer, request, writer))
                gone = asyncio.create_task(reader.read(1))
                await asyncio.wait([answering, gone], return_when=asyncio.FIRST_COMPLETED)
                if not answering.done():
                    self.disconnected.set()
                    answering.cancel()
                    # Gone with a reset, perhaps.
                    gone.exception()
                    return
                gone.cancel()
                await asyncio.gather(gone, return_exceptions=True)
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _answer(answer: Answer, request: Received, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        await answer(request, writer)
        await writer.drain()


@contextlib.asynccontextmanager
async def upstream(otherwise: Answer | None = None, *script: Answer) -> AsyncIterator[Upstream]:
    """A running one."""
    running = Upstream(otherwise=otherwise or whole(completion()), script=list(script))
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        await asyncio.sleep(0)


def completion(text: str = "Ahoy", **more: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "upstream-reported",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        **more,
    }


def chunk(delta: dict[str, Any], *, finish: str | None = None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "upstream-reported",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


ROLE = chunk({"role": "assistant", "content": ""})
STOP = chunk({}, finish="stop")
USAGE = {**chunk({}), "choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}}


def words(*texts: str) -> list[dict[str, Any]]:
    """The chunks of a whole answer."""
    return [ROLE, *(chunk({"content": text}) for text in texts), STOP, USAGE]


def whole(body: Any, status: int = 200, **headers: str) -> Answer:
    """A complete answer."""

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = {"content-type": "application/json", "content-length": str(len(encoded))}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + encoded)

    return answer


def failure(status: int, code: str = "x", message: str = "no", **headers: str) -> Answer:
    """An OpenAI-shaped error."""
    return whole({"error": {"message": message, "type": "x", "code": code, "param": None}}, status, **headers)


def stream(events: list[Any], *, end: str = "done", pause_s: float = 0.0, before_s: float = 0.0) -> Answer:
    """Server-sent events, a JSON value each; `end`: done, cut (connection closed early), open (never ends)."""

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(before_s)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for event in events:
            _write_chunk(writer, b"data: " + json.dumps(event).encode() + b"\n\n")
            await writer.drain()
            await asyncio.sleep(pause_s)
        if end == "done":
            _write_chunk(writer, b"data: [DONE]\n\n")
            writer.write(b"0\r\n\r\n")
        elif end == "cut":
            writer.close()
        else:
            await asyncio.Event().wait()

    return answer


def hang(after: bytes = b"") -> Answer:
    """Some bytes, then silence."""

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(after)
        await asyncio.Event().wait()

    return answer


def close(after: bytes = b"") -> Answer:
    """Some bytes, then the end of the connection."""

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(after)
        await writer.drain()
        writer.close()

    return answer


def _write_chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))
