"""Both ends of real sockets: a server with an application, a client that writes bytes, an upstream that does."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from pilothouse_proxy.http.doors import Doors
from pilothouse_proxy.http.ledger import Ledger
from pilothouse_proxy.http.limits import Limits
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.http.request import Request
from pilothouse_proxy.http.server import Application, Responder, Server

WAIT_S = 8.0


@dataclass
class Rig:
    server: Server
    port: int
    failures: list[BaseException] = field(default_factory=list)


@contextlib.asynccontextmanager
async def serving(
    application: Application,
    limits: Limits | None = None,
    context: ssl.SSLContext | None = None,
    *,
    ledger: Ledger | None = None,
    doors: Doors | None = None,
) -> AsyncIterator[Rig]:
    failures: list[BaseException] = []

    def on_failure(request: Request, failure: BaseException) -> tuple[int, Headers, bytes]:
        failures.append(failure)
        return 500, [(b"content-type", b"text/plain")], f"failed: {request.path.decode()}".encode()

    server = Server(
        application,
        limits or Limits(),
        on_failure=on_failure,
        on_refusal=lambda status, message, path: ([(b"content-type", b"text/plain")], message.encode()),
        ledger=ledger,
        doors=doors,
    )
    port = await server.start("127.0.0.1", 0, context)
    try:
        yield Rig(server, port, failures)
    finally:
        await server.drain(0)
        assert (server.connections, server.requests_in_flight) == (0, 0)
        assert server.ledger.total_bytes == 0
        await until(lambda: server.doors.connections == 0)


class Peer:
    """A client that is nothing but a socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> tuple[int, dict[str, str]]:
        async with asyncio.timeout(WAIT_S):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        assert lines[0].startswith("HTTP/1.1 ")
        return int(lines[0][9:12]), dict(line.split(": ", 1) for line in lines[1:] if line)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """A whole answer with a length or chunks."""
        status, headers = await self.head()
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, b"".join([chunk async for chunk in self.chunks()])
        return status, headers, await self.exactly(int(headers.get("content-length", "0")))

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            async with asyncio.timeout(WAIT_S):
                size = int(await self.reader.readline(), 16)
            chunk = await self.exactly(size + 2)
            assert chunk.endswith(b"\r\n")
            if size == 0:
                return
            yield chunk[:-2]

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(WAIT_S):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        async with asyncio.timeout(WAIT_S):
            return await self.reader.read()

    def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def peer(port: int, context: ssl.SSLContext | None = None, limit: int = 2**16) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost" if context else None, limit=limit
    )
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def echo(request: Request, responder: Responder) -> None:
    responder.respond(
        200, [(b"content-type", b"text/plain")], b"%b %b " % (request.method, request.path) + request.body
    )


Script = Callable[[Peer], Awaitable[None]]


@contextlib.asynccontextmanager
async def upstream(*scripts: Script, context: ssl.SSLContext | None = None) -> AsyncIterator["Upstream"]:
    """A server whose n-th connection runs the n-th script (the last one for all further connections)."""
    running = Upstream(scripts)
    listener = await asyncio.start_server(running.accept, "127.0.0.1", 0, ssl=context)
    running.port = listener.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        listener.close()
        for task in running.tasks:
            task.cancel()
        await asyncio.gather(*running.tasks, return_exceptions=True)
    for task in running.tasks:
        if not task.cancelled() and task.exception() is not None:
            raise AssertionError("the upstream's script failed") from task.exception()


class Upstream:
    def __init__(self, scripts: tuple[Script, ...]) -> None:
        self.scripts = scripts
        self.tasks: list[asyncio.Task[None]] = []
        self.connections = 0
        self.port = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.append(task)
        try:
            await script(Peer(reader, writer))
        except asyncio.CancelledError:
            return
        finally:
            writer.close()


async def request_of(client: Peer) -> tuple[bytes, bytes]:
    """Head and body (by its length) of the next request at an upstream."""
    head = await client.reader.readuntil(b"\r\n\r\n")
    length = [line for line in head.split(b"\r\n") if line.startswith(b"content-length: ")]
    return head, await client.exactly(int(length[0][16:])) if length else b""


def until(condition: Callable[[], bool]) -> Awaitable[None]:
    """Wait for a state that some other task brings about."""

    async def wait() -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():  # noqa: ASYNC110 -- any state, not one that could set an event
                await asyncio.sleep(0.001)

    return wait()
