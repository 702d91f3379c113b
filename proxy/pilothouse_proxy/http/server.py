"""The listening side: one protocol object and, from its first request on, one task a connection.

A task a request would cost 1 µs more of each.
"""

import asyncio
import enum
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from ssl import SSLContext
from typing import TypeAlias, cast

from pilothouse_proxy.http import heads
from pilothouse_proxy.http.alarm import Alarm
from pilothouse_proxy.http.flow import WriteFlow
from pilothouse_proxy.http.limits import Limits
from pilothouse_proxy.http.messages import Headers, Lines, Request
from pilothouse_proxy.http.parser import Received, RequestParser, Stage
from pilothouse_proxy.http.responder import Responder

__all__ = ["Application", "Connection", "NoAnswer", "OnFailure", "OnRefusal", "Responder", "Server"]

_HANDSHAKE_S = 10.0
_SHUTDOWN_S = 5.0
# How long `drain` waits for applications that it has cancelled to leave their finally-blocks.
_UNWIND_S = 2.0
_BACKLOG = 2048
_HEAD_BYTES = 4096


class NoAnswer(Exception):
    """The application returned without answering, or without finishing its answer."""


Application: TypeAlias = Callable[[Request, Responder], Awaitable[None]]
"""Answers one request. Cancelled as soon as the client has gone."""

OnFailure: TypeAlias = Callable[[Request, BaseException], tuple[int, Headers, bytes]]
"""What to answer when the application has raised. Called also where an answer had begun, which is then cut off."""

OnRefusal: TypeAlias = Callable[[int, str], tuple[Headers, bytes]]
"""Headers and body for a request that the protocol layer refuses, by status and message."""


class _Wait(enum.Enum):
    """What a connection waits for, hence what its alarm means."""

    HEAD = enum.auto()
    BODY = enum.auto()
    ANSWER = enum.auto()
    """Of the application; the alarm is set only while the client takes nothing."""
    IDLE = enum.auto()
    LINGER = enum.auto()
    CLOSE = enum.auto()


class Connection(asyncio.Protocol):
    """One client. Requests are answered one after the other; what arrives meanwhile waits, unparsed and bounded."""

    __slots__ = (
        "_alarm",
        "_arriving_bytes",
        "_backlog",
        "_backlog_bytes",
        "_body_since",
        "_cancelled",
        "_limits",
        "_loop",
        "_owed",
        "_parser",
        "_paused",
        "_server",
        "_task",
        "_wait",
        "_waiter",
        "flow",
        "lost",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, server: "Server", loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._limits = server.limits
        self._alarm = Alarm(loop, self._expired)
        self._wait = _Wait.HEAD
        self._task: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._backlog: list[bytes | memoryview] = []
        self._backlog_bytes = self._owed = self._arriving_bytes = 0
        self._body_since = 0.0
        self._cancelled = self._paused = False
        self.lost = False
        self.flow = WriteFlow(loop)

    # The transport's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._parser = RequestParser(self._limits, peer[0] if peer else "")
        self.transport.set_write_buffer_limits(self._limits.high_water_bytes, self._limits.low_water_bytes)
        self._server.opened(self)
        self._alarm.set(self._limits.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._count_arriving(0)
        self._alarm.stop()
        self._parser.close()
        self._backlog.clear()
        self.flow.resume()
        if self._task is None:
            self._server.closed(self)
        else:
            self._cancel()

    def data_received(self, data: bytes) -> None:
        if self._wait is not _Wait.ANSWER:
            if self._wait is not _Wait.LINGER and self._wait is not _Wait.CLOSE:
                self._feed(data)
            return
        self._backlog.append(data)
        self._backlog_bytes += len(data)
        if self._backlog_bytes > self._limits.pipeline_bytes:
            self._paused = True
            self.transport.pause_reading()

    def eof_received(self) -> None:
        """A client that closes its sending half counts as gone, as with other proxies: nothing else would tell."""
        if self._wait is _Wait.ANSWER:
            self._cancel()

    def pause_writing(self) -> None:
        self.flow.pause()
        self._owed = self.transport.get_write_buffer_size()
        self._alarm.set(self._limits.write_timeout_s)

    def resume_writing(self) -> None:
        self.flow.resume()
        if self._wait is _Wait.ANSWER:
            self._alarm.clear()

    # The server's calls.

    def leave(self) -> None:
        """Close if nothing of a request has arrived; else the answer says `Connection: close`."""
        if self._wait is not _Wait.ANSWER and self._parser.stage is Stage.BETWEEN:
            self._close()

    def abort(self) -> None:
        if self._wait is _Wait.ANSWER:
            self._cancel()
        self.transport.abort()

    # The responder's calls.

    def write(self, data: bytes) -> None:
        """Into nothing once the client has gone: uvloop's transports raise then."""
        if not self.lost:
            self.transport.write(data)

    def head(self, request: Received, status: int, headers: Headers | Lines, framing: bytes) -> bytes:
        server = self._server
        if server.draining:
            request.keep_alive = False
        if not request.keep_alive:
            framing += b"connection: close\r\n"
        elif request.version != "1.1":
            framing += b"connection: keep-alive\r\n"
        return heads.status_line(status) + server.date() + heads.header_lines(headers) + framing + b"\r\n"

    # Requests.

    def _feed(self, data: bytes | memoryview) -> None:
        parser = self._parser
        parser.feed(data if len(data) <= self._limits.pipeline_bytes else self._first_of(data))
        if parser.completed:
            self._serve()
        elif parser.refusal is not None:
            self._refuse(parser.refusal.status, parser.refusal.message)
        elif self._backlog:
            self._feed(self._take_backlog())
        else:
            self._await_rest(parser)

    def _first_of(self, data: bytes | memoryview) -> memoryview:
        """The part of a large read that is parsed now: a head, or what belongs to a body, in one piece.

        A large body is so copied once only; and of many tiny requests none is parsed far ahead of its answer.
        """
        parser, view = self._parser, memoryview(data)
        count = self._limits.pipeline_bytes
        if parser.stage is Stage.BODY:
            count = max(count, parser.body_left)
        elif (end := bytes(view[:_HEAD_BYTES]).find(b"\r\n\r\n")) >= 0:
            count = end + 4
        if count < len(view):
            self._keep(view[count:])
        return view[:count]

    def _keep(self, data: bytes | memoryview) -> None:
        self._backlog.append(data)
        self._backlog_bytes += len(data)

    def _take_backlog(self) -> bytes | memoryview:
        data = self._backlog[0] if len(self._backlog) == 1 else b"".join(self._backlog)
        self._backlog.clear()
        self._backlog_bytes = 0
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        return data

    def _await_rest(self, parser: RequestParser) -> None:
        limits = self._limits
        if parser.stage is Stage.BODY:
            self._count_arriving(parser.body_bytes)
            if self._server.arriving_bytes > limits.arriving_bytes:
                self._refuse(503, "too much is being sent to this server at once; try again in a moment")
                return
            now = self._loop.time()
            if self._wait is not _Wait.BODY:
                self._wait = _Wait.BODY
                self._body_since = now
            allowed_s = limits.body_timeout_s + parser.body_bytes / limits.body_rate_bytes_s
            self._alarm.set(self._body_since + allowed_s - now)
            if parser.awaits_continue:
                parser.awaits_continue = False
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif self._wait is _Wait.IDLE:
            self._wait = _Wait.HEAD
            self._alarm.set(limits.header_timeout_s)

    def _count_arriving(self, size: int) -> None:
        if size != self._arriving_bytes:
            self._server.arriving_bytes += size - self._arriving_bytes
            self._arriving_bytes = size

    def _serve(self) -> None:
        self._count_arriving(0)
        self._alarm.clear()
        self._wait = _Wait.ANSWER
        if self._task is None:
            self._task = self._loop.create_task(self._run())
            self._task.add_done_callback(self._ended)
        elif self._waiter is not None:
            self._waiter.set_result(None)
            self._waiter = None

    async def _run(self) -> None:
        server = self._server
        while True:
            request = self._parser.completed.popleft()
            server.requests += 1
            server.requests_in_flight += 1
            await self._answer(request, Responder(self, request))
            server.requests_in_flight -= 1
            self._next(request)
            del request  # an unused connection holds no body
            if self._wait is _Wait.IDLE or self._wait is _Wait.HEAD or self._wait is _Wait.BODY:
                self._waiter = self._loop.create_future()
                await self._waiter
            elif self._wait is not _Wait.ANSWER:
                return

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Cancelled, before its first step even, or at its end."""
        self._task = None
        if self.lost:
            self._server.closed(self)

    async def _answer(self, request: Received, responder: Responder) -> None:
        try:
            await self._server.application(request, responder)
            if not responder.finished:
                raise NoAnswer("the application returned before it had answered the request")
            if self.flow.paused:
                await self.flow.drain()
        except asyncio.CancelledError as cancelled:
            if self._cancelled:
                self.transport.abort()
            else:
                # Leaked from something inside of the application; this request itself was not cancelled.
                self._fail(request, responder, cancelled)
        except Exception as failure:
            self._fail(request, responder, failure)

    def _fail(self, request: Received, responder: Responder, failure: BaseException) -> None:
        try:
            status, headers, body = self._server.on_failure(request, failure)
            if not responder.started:
                responder.respond(status, headers, body)
        except Exception as error:
            self._loop.call_exception_handler({"message": "no answer to a failed request", "exception": error})
        if not responder.finished:
            # The missing end tells the client that its answer is not whole.
            request.keep_alive = False

    def _next(self, request: Received) -> None:
        parser = self._parser
        if self.lost or not request.keep_alive or self._server.draining or self.transport.is_closing():
            self._close()
        elif parser.completed:
            self._serve()
        elif parser.refusal is not None:
            self._refuse(parser.refusal.status, parser.refusal.message)
        else:
            self._wait = _Wait.IDLE
            self._alarm.set(self._limits.keep_alive_s)
            if self._backlog:
                self._feed(self._take_backlog())
            elif parser.stage is not Stage.BETWEEN:
                self._await_rest(parser)

    # The end.

    def _cancel(self) -> None:
        """Once only: a second cancellation would break into the application's finally-blocks."""
        if self._task is not None and not self._cancelled:
            self._cancelled = True
            self._task.cancel()

    def _refuse(self, status: int, message: str) -> None:
        """Answer, then throw away what still comes: closing at once would reset the connection, and the answer with it
        (RFC 9112, section 9.6).
        """
        self._server.refusals += 1
        self._count_arriving(0)
        self._parser.forget_body()
        try:
            headers, body = self._server.on_refusal(status, message)
            lines = heads.header_lines(headers)
        except Exception as error:
            self._loop.call_exception_handler({"message": "no answer to a refused request", "exception": error})
            self._close()
            return
        framing = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(heads.status_line(status) + self._server.date() + lines + framing + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._wait = _Wait.LINGER
        self._alarm.set(self._limits.linger_s)

    def _close(self) -> None:
        self._wait = _Wait.CLOSE
        if not self.lost:
            self._owed = self.transport.get_write_buffer_size()
            self._alarm.set(self._limits.write_timeout_s)
            self.transport.close()

    def _expired(self) -> None:
        wait = self._wait
        if wait is _Wait.ANSWER or wait is _Wait.CLOSE:
            owed = self.transport.get_write_buffer_size()
            if owed < self._owed:
                self._owed = owed
                self._alarm.set(self._limits.write_timeout_s)
            else:
                self.abort()
        elif wait is _Wait.BODY or (wait is _Wait.HEAD and self._parser.stage is Stage.HEAD):
            self._refuse(408, "the request did not arrive in time")
        else:
            self._close()


class Server:
    """Listens, and answers with `application`. The counters are plain numbers for whoever exports them."""

    def __init__(
        self, application: Application, limits: Limits, *, on_failure: OnFailure, on_refusal: OnRefusal
    ) -> None:
        self.application = application
        self.limits = limits
        self.on_failure = on_failure
        self.on_refusal = on_refusal
        self.draining = False
        self.connections = 0
        self.connections_accepted = 0
        self.requests = 0
        self.requests_in_flight = 0
        self.refusals = 0
        self.arriving_bytes = 0
        """Of bodies that are not whole yet."""
        self._listeners: list[asyncio.Server] = []
        self._open: set[Connection] = set()
        self._empty = asyncio.Event()
        self._date = b""
        self._date_second = 0

    async def start(self, host: str, port: int, ssl: SSLContext | None = None) -> int:
        """Listen, with TLS where a context is given; may be called for several addresses.

        Returns:
            The port, which the system has chosen where 0 was asked.

        Raises:
            OSError: the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(
            lambda: Connection(self, loop),
            host,
            port,
            ssl=ssl,
            backlog=_BACKLOG,
            ssl_handshake_timeout=_HANDSHAKE_S if ssl else None,
            ssl_shutdown_timeout=_SHUTDOWN_S if ssl else None,
        )
        self._listeners.append(listener)
        return int(listener.sockets[0].getsockname()[1])

    async def drain(self, timeout_s: float) -> None:
        """Stop accepting, close what is idle, let requests in flight finish, then close the rest."""
        self.draining = True
        for listener in self._listeners:
            listener.close()
        for connection in tuple(self._open):
            connection.leave()
        if not await self._emptied(timeout_s):
            for connection in tuple(self._open):
                connection.abort()
            await self._emptied(_UNWIND_S)

    async def _emptied(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                while self._open:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def opened(self, connection: Connection) -> None:
        """For connections only."""
        self._open.add(connection)
        self.connections += 1
        self.connections_accepted += 1

    def closed(self, connection: Connection) -> None:
        """For connections only; after the last task of one has ended."""
        self._open.discard(connection)
        self.connections -= 1
        if not self._open:
            self._empty.set()

    def date(self) -> bytes:
        """The Date line, made once a second."""
        second = int(time.time())
        if second != self._date_second:
            self._date_second = second
            self._date = b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
        return self._date
