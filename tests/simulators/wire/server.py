"""The server: httptools on asyncio.Protocol.

Pipelined requests are answered in order, one at a time; reading pauses while more than a few wait. Writing pauses with
the transport, so a client that does not read holds its own stream up and nothing else.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

import httptools

from tests.simulators.wire import replies
from tests.simulators.wire.replies import Ending, Reply

_MAX_WAITING: Final = 8
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST
_FLUSH_S: Final = 0.02
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(slots=True)
class Request:
    """One request as it came. Header names are lower case; `target` is exactly what stood on the request line."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    received_at: float
    keep_alive: bool = True
    _by_name: dict[bytes, bytes] | None = field(default=None, repr=False)

    def header(self, name: bytes) -> bytes | None:
        """The last value of a header, or None."""
        if self._by_name is None:
            self._by_name = dict(self.headers)
        return self._by_name.get(name)

    @property
    def path(self) -> bytes:
        return self.target.partition(b"?")[0]

    @property
    def query(self) -> bytes:
        return self.target.partition(b"?")[2]


Service = Callable[[Request], Reply]


class Connection(asyncio.Protocol):
    def __init__(self, *, service: Service, connections: set[Connection]) -> None:
        self._service = service
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._waiting: deque[Request] = deque()
        self._reply: Reply | None = None
        self._next_step = 0
        self._keep_alive = True
        self._timer: asyncio.TimerHandle | None = None
        self._writable = True

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from asyncio's
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._reply is not None and self._reply.record is not None:
            self._reply.record.ended("client-gone", steps=self._next_step)
        self._reply = None
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse()
        except httptools.HttpParserError:
            self._refuse()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._reply is not None and self._timer is None and self._next_step < len(self._reply.steps):
            self._play()

    # httptools callbacks

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers = []
        self._body = []

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        for name, value in self._headers:
            if name == b"expect" and value.lower() == b"100-continue":
                self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        request = Request(
            method=self._parser.get_method(),
            target=self._target,
            headers=self._headers,
            body=self._body[0] if len(self._body) == 1 else b"".join(self._body),
            received_at=time.time(),
            keep_alive=self._parser.should_keep_alive(),
        )
        if self._reply is not None or self._waiting:
            self._waiting.append(request)
            if len(self._waiting) > _MAX_WAITING:
                self._transport.pause_reading()
            return
        self._answer(request)

    # answering

    def _refuse(self) -> None:
        if not self._transport.is_closing():
            body = b"malformed HTTP request"
            self._transport.write(replies.whole(400, [("connection", "close")], body))
            self._transport.close()

    def _answer(self, request: Request) -> None:
        try:
            reply = self._service(request)
        except Exception:
            # A bug of the simulator, never a simulated fault: be loud about it on both sides.
            traceback.print_exc(file=sys.stderr)
            body = ("the simulator failed:\n" + traceback.format_exc()).encode()
            reply = Reply([(0.0, replies.whole(500, [("content-type", "text/plain")], body))])
        self._keep_alive = request.keep_alive
        self._reply = reply
        self._next_step = 0
        self._play()

    def _wake(self) -> None:
        self._timer = None
        reply = self._reply
        assert reply is not None
        self._transport.write(reply.steps[self._next_step][1])
        self._next_step += 1
        self._play()

    def _play(self) -> None:
        reply = self._reply
        assert reply is not None
        steps = reply.steps
        ready: list[bytes] = []
        while self._writable and self._next_step < len(steps):
            delay, payload = steps[self._next_step]
            if delay > 0:
                break
            ready.append(payload)
            self._next_step += 1
        if ready:
            self._transport.write(ready[0] if len(ready) == 1 else b"".join(ready))
        if self._next_step == len(steps):
            self._end(reply)
        elif self._writable:
            self._timer = self._loop.call_later(steps[self._next_step][0], self._wake)

    def _end(self, reply: Reply) -> None:
        if reply.ending is Ending.HANG:
            return  # connection_lost records how this ended
        self._reply = None
        if reply.record is not None:
            reply.record.ended("answered" if reply.ending is Ending.KEEP else "cut", steps=self._next_step)
        if reply.ending is Ending.RESET:
            # What was written is still in the transport's buffer, which abort() would throw away.
            self._timer = self._loop.call_later(_FLUSH_S, self._reset)
        elif reply.ending is Ending.CLOSE or not self._keep_alive:
            self._transport.close()
        elif self._waiting:
            if len(self._waiting) == _MAX_WAITING:
                self._transport.resume_reading()
            # Not a direct call: a long pipeline must not become a deep stack.
            self._loop.call_soon(self._answer_next)

    def _answer_next(self) -> None:
        if self._waiting and self._reply is None:
            self._answer(self._waiting.popleft())

    def _reset(self) -> None:
        if not self._transport.is_closing():
            wrapped: Any = self._transport.get_extra_info("socket")
            wrapped.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            self._transport.abort()

    def drop(self) -> None:
        self._transport.abort()


class Server:
    """One listening socket. `port` 0 takes a free one; `reuse_port` lets several processes share it.

    With `tls` it speaks HTTPS.
    """

    def __init__(
        self, *, service: Service, host: str, port: int, reuse_port: bool = False, tls: ssl.SSLContext | None = None
    ) -> None:
        self._service = service
        self._host = host
        self._port = port
        self._reuse_port = reuse_port
        self._tls = tls
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; the port that was taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(service=self._service, connections=self._connections),
            self._host,
            self._port,
            backlog=4096,
            reuse_port=self._reuse_port or None,
            ssl=self._tls,
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stop at once: listening ends, open connections are dropped."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.drop()
        await self._server.wait_closed()
        self._server = None
