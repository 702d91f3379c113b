"""The listening side: one protocol object a connection; no task unless the application is a coroutine."""

import asyncio
import enum
import time
from collections.abc import Callable, Coroutine, Sequence
from email.utils import formatdate
from ssl import SSLContext
from typing import Any, Final, Protocol, TypeAlias, cast

from pilothouse_proxy.http import heads, unsent
from pilothouse_proxy.http.alarm import Alarm
from pilothouse_proxy.http.doors import LINGERING, Doors
from pilothouse_proxy.http.flow import WriteFlow
from pilothouse_proxy.http.ledger import COPIES, SMALL_BYTES, Ledger
from pilothouse_proxy.http.limits import Limits
from pilothouse_proxy.http.messages import Headers, Lines
from pilothouse_proxy.http.parser import Received, RequestParser, Stage
from pilothouse_proxy.http.request import Request
from pilothouse_proxy.http.responder import Responder
from pilothouse_proxy.http.secure import BACKLOG, SecureListener

__all__ = ["Application", "Connection", "NoAnswer", "OnFailure", "OnRefusal", "Responder", "Server", "Work"]

# How long `drain` waits for applications that it has cancelled to leave their finally-blocks.
_UNWIND_S: Final = 2.0
_HEAD_BYTES: Final = 4096

CROWDED: Final = "this server holds as much as its memory allows; try again in a moment"


class NoAnswer(Exception):
    """The application was done without answering, or without finishing its answer."""


class Work(Protocol):
    """What goes on for a request that is not answered yet."""

    def cancel(self) -> object:
        """The client has gone, or must: end at once, and say `done`."""
        ...


Application: TypeAlias = Callable[[Request, Responder], Coroutine[Any, Any, None] | Work | None]
"""Answers one request: as a coroutine; or at once, which gives None; or later, which gives what can be cancelled.

Cancelled as soon as the client has gone. What is no coroutine says `Responder.done` at its end, whatever happens."""

OnFailure: TypeAlias = Callable[[Request, BaseException], tuple[int, Headers, bytes]]
"""What to answer when the application has raised. Called also where an answer had begun, which is then cut off."""

OnRefusal: TypeAlias = Callable[[int, str, bytes], tuple[Headers, bytes]]
"""Headers and body for a request that the protocol layer refuses: by status, message, and path if it is known."""


class _Wait(enum.Enum):
    """What a connection waits for, hence what its alarm means."""

    HEAD = enum.auto()
    BODY = enum.auto()
    ANSWER = enum.auto()
    """Of the application; the alarm is set only while the client takes nothing."""
    IDLE = enum.auto()
    LINGER = enum.auto()
    CLOSE = enum.auto()


# A member of an enum is looked up anew at each use.
_HEAD: Final = _Wait.HEAD
_BODY: Final = _Wait.BODY
_ANSWER: Final = _Wait.ANSWER
_IDLE: Final = _Wait.IDLE
_LINGER: Final = _Wait.LINGER
_CLOSE: Final = _Wait.CLOSE
_BETWEEN: Final = Stage.BETWEEN
_IN_HEAD: Final = Stage.HEAD
_IN_BODY: Final = Stage.BODY


class Connection:
    """One client. Requests are answered one after the other; what arrives meanwhile waits, unparsed and bounded."""

    transport: asyncio.Transport
    _parser: RequestParser

    def __init__(self, server: "Server", loop: asyncio.AbstractEventLoop, *, entered: bool = False) -> None:
        """`entered`: the doors have let it in already."""
        self._server = server
        self._ledger = server.ledger
        self._loop = loop
        self._limits = server.limits
        self._pipeline_bytes = server.limits.pipeline_bytes
        self._alarm = Alarm(loop, self._expired)
        self._wait = _HEAD
        self._responder: Responder | None = None
        self._work: Work | None = None
        self._backlog: list[bytes | memoryview] = []
        self._backlog_bytes = self._owed = self._arriving_bytes = self._held_bytes = 0
        self._owed_bytes = self._answer_bytes = 0
        self._body_since = 0.0
        self._cancelled = self._paused = self._starting = False
        self.entered = entered
        self.made = False
        self.peer = ""
        self.lost = False
        self.flow = WriteFlow(loop)

    # The transport's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.made = True
        self.peer = peer[0] if peer else ""
        self._parser = RequestParser(self._limits, self.peer)
        self.transport.set_write_buffer_limits(self._limits.high_water_bytes, self._limits.low_water_bytes)
        reason = self._server.opened(self)
        if not reason:
            self._alarm.set(self._limits.header_timeout_s)
        elif self._server.doors.unheard <= LINGERING:
            self._refuse(503, reason)
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._count_arriving(0)
        self._count_owed(0)
        self._alarm.stop()
        self._parser.close()
        self._drop_backlog()
        if self._responder is None:
            self._server.closed(self)
        else:
            self._cancel()
        self.flow.resume()

    def data_received(self, data: bytes) -> None:
        wait = self._wait
        if wait is _ANSWER:
            self._keep(data)
            if self._backlog_bytes > self._pipeline_bytes:
                self._paused = True
                self.transport.pause_reading()
        elif wait is not _LINGER and wait is not _CLOSE:
            self._parse(data)
            self._advance()

    def eof_received(self) -> None:
        """A client that closes its sending half counts as gone, as with other proxies: nothing else would tell."""
        if self._wait is _ANSWER:
            self._cancel()

    def pause_writing(self) -> None:
        self.flow.pause()
        self._owed = self.transport.get_write_buffer_size()
        # Of an answer that is one write, all stays in memory until all is taken.
        self._count_owed(max(self._owed, self._answer_bytes))
        self._alarm.set(self._limits.write_timeout_s)

    def resume_writing(self) -> None:
        self._count_owed(0)
        if self._wait is _ANSWER:
            self._alarm.clear()
        self.flow.resume()

    # The server's calls.

    def leave(self) -> None:
        """Close if nothing of a request has arrived; else the answer says `Connection: close`."""
        if self._wait is not _ANSWER and self._parser.stage is _BETWEEN:
            self._close()

    def dismiss(self) -> None:
        """At the end of a drain: an answer that can be ended in words is, everything else is cut off."""
        responder = self._responder
        if responder is not None and responder.last_words is not None and not self.flow.paused:
            responder.last_words()
        if self._wait is not _CLOSE:
            self.abort()

    def abort(self) -> None:
        if self._wait is _ANSWER:
            self._cancel()
        self.transport.abort()

    # The responder's calls.

    def write(self, data: bytes) -> None:
        """Into nothing once the client has gone: uvloop's transports raise then."""
        self._answer_bytes = len(data)
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
        return b"".join((heads.status_line(status), server.date(), heads.header_lines(headers), framing, b"\r\n"))

    def answered(self, responder: Responder) -> None:
        """The application is done with the request."""
        if responder is self._responder and not self._starting and self._go_on(responder):
            self._advance()

    # Requests.

    def _parse(self, data: bytes | memoryview) -> None:
        self._parser.feed(data if len(data) <= self._pipeline_bytes else self._first_of(data))

    def _first_of(self, data: bytes | memoryview) -> memoryview:
        """The part of a large read that is parsed now: a head, or what belongs to a body, in one piece.

        A large body is so copied once only; and of many tiny requests none is parsed far ahead of its answer.
        """
        parser, view = self._parser, memoryview(data)
        count = self._pipeline_bytes
        if parser.stage is _IN_BODY:
            count = max(count, parser.body_left)
        elif (end := bytes(view[:_HEAD_BYTES]).find(b"\r\n\r\n")) >= 0:
            count = end + 4
        if count < len(view):
            self._keep(view[count:])
        return view[:count]

    def _keep(self, data: bytes | memoryview) -> None:
        self._backlog.append(data)
        self._backlog_bytes += len(data)
        self._ledger.ahead_bytes += len(data)

    def _drop_backlog(self) -> None:
        self._backlog.clear()
        self._ledger.ahead_bytes -= self._backlog_bytes
        self._backlog_bytes = 0

    def _take_backlog(self) -> bytes | memoryview:
        data = self._backlog[0] if len(self._backlog) == 1 else b"".join(self._backlog)
        self._drop_backlog()
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        return data

    def _advance(self) -> None:
        """As far as what has arrived allows. A loop, for a client can send thousands of requests that are answered at
        once.
        """
        parser = self._parser
        while True:
            if parser.completed:
                if not self._serve(parser.completed.popleft()):
                    return
            elif parser.refusal is not None:
                self._refuse(parser.refusal.status, parser.refusal.message)
                return
            elif self._backlog:
                self._parse(self._take_backlog())
            else:
                self._await_rest(parser)
                return

    def _await_rest(self, parser: RequestParser) -> None:
        stage = parser.stage
        if stage is _IN_BODY:
            limits = self._limits
            self._count_arriving(parser.body_bytes)
            if not self._ledger.lets_in(parser.body_bytes, parser.body_left):
                self._ledger.refusals += 1
                self._refuse(503, CROWDED)
                return
            now = self._loop.time()
            if self._wait is not _BODY:
                self._wait = _BODY
                self._body_since = now
            allowed_s = limits.body_timeout_s + parser.body_bytes / limits.body_rate_bytes_s
            self._alarm.set(self._body_since + allowed_s - now)
            if parser.awaits_continue:
                parser.awaits_continue = False
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif stage is _IN_HEAD and self._wait is _IDLE:
            self._wait = _HEAD
            self._alarm.set(self._limits.header_timeout_s)

    def _count_arriving(self, size: int) -> None:
        if size != self._arriving_bytes:
            self._ledger.arriving_bytes += size - self._arriving_bytes
            self._arriving_bytes = size

    def _count_owed(self, size: int) -> None:
        self._ledger.owed_bytes += size - self._owed_bytes
        self._owed_bytes = size

    def _serve(self, request: Received) -> bool:
        """Begin to answer. Whether that is done already, and the connection ready for the next."""
        server = self._server
        self._wait = _ANSWER
        self._alarm.clear()
        self._count_arriving(0)
        size = len(request.body)
        if size > SMALL_BYTES:
            size *= COPIES
            ledger = self._ledger
            if not ledger.has_room(size):
                ledger.refusals += 1
                self._refuse(503, CROWDED)
                return False
            self._held_bytes = size
            ledger.held_bytes += size
        server.requests += 1
        server.requests_in_flight += 1
        self._responder = responder = Responder(self, request)
        work: Coroutine[Any, Any, None] | Work | None = None
        self._starting = True
        try:
            work = server.application(request, responder)
        except Exception as failure:
            self._fail(responder, failure)
            responder.done()
        self._starting = False
        if responder.over:
            return self._go_on(responder)
        if hasattr(work, "send"):
            # A coroutine, whether of the interpreter's or of a compiled function's own type.
            work = self._loop.create_task(cast("Coroutine[Any, Any, None]", work))
            work.add_done_callback(self._task_ended)
        self._work = work
        return False

    def _task_ended(self, task: "asyncio.Task[None]") -> None:
        """Cancelled, before its first step even, or at its end."""
        responder = self._responder
        if responder is None:
            return
        if task.cancelled():
            if not self._cancelled:
                # Leaked from something inside of the application; this request itself was not cancelled.
                self._fail(responder, asyncio.CancelledError())
        elif (failure := task.exception()) is not None:
            self._fail(responder, failure)
        responder.done()

    def _go_on(self, responder: Responder) -> bool:
        """Behind the work on a request. Whether the connection is ready for the next."""
        if not responder.finished and not responder.failed and not self._cancelled:
            self._fail(responder, NoAnswer("the application was done before it had answered the request"))
        if self.flow.paused:
            # What the client is owed comes first; until then the request is in flight.
            self.flow.when_resumed(self._taken)
            return False
        self._responder = None
        self._work = None
        if self._held_bytes:
            self._ledger.held_bytes -= self._held_bytes
            self._held_bytes = 0
        self._server.requests_in_flight -= 1
        if self.lost:
            self._server.closed(self)
            return False
        if self._cancelled:
            self.transport.abort()
            return False
        if not responder.request.keep_alive or self._server.draining or self.transport.is_closing():
            self._close()
            return False
        self._wait = _IDLE
        if not self._parser.completed:
            self._alarm.set(self._limits.keep_alive_s)
        return True

    def _taken(self) -> None:
        """The client has taken its answer, or has gone."""
        if self._responder is not None and self._go_on(self._responder):
            self._advance()

    def _fail(self, responder: Responder, failure: BaseException) -> None:
        responder.failed = True
        request = responder.request
        try:
            status, headers, body = self._server.on_failure(request, failure)
            if not responder.started:
                responder.respond(status, headers, body)
        except Exception as error:
            self._loop.call_exception_handler({"message": "no answer to a failed request", "exception": error})
        if not responder.finished:
            # The missing end tells the client that its answer is not whole.
            request.keep_alive = False

    # The end.

    def _cancel(self) -> None:
        """Once only: a second cancellation would break into the application's finally-blocks."""
        if not self._cancelled:
            self._cancelled = True
            if self._work is not None:
                self._work.cancel()

    def _refuse(self, status: int, message: str) -> None:
        """Answer, then throw away what still comes: closing at once would reset the connection, and the answer with it
        (RFC 9112, section 9.6).
        """
        self._server.refusals += 1
        self._count_arriving(0)
        self._parser.forget_body()
        # Unparsed, it would keep the socket from being read.
        self._take_backlog()
        try:
            headers, body = self._server.on_refusal(status, message, self._parser.path)
            lines = heads.header_lines(headers)
        except Exception as error:
            self._loop.call_exception_handler({"message": "no answer to a refused request", "exception": error})
            self._close()
            return
        framing = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(heads.status_line(status) + self._server.date() + lines + framing + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._wait = _LINGER
        self._alarm.set(self._limits.linger_s)

    def _close(self) -> None:
        self._wait = _CLOSE
        if not self.lost:
            self._owed = self.transport.get_write_buffer_size()
            self._alarm.set(self._limits.write_timeout_s)
            self.transport.close()

    def _expired(self) -> None:
        wait = self._wait
        if wait is _ANSWER or wait is _CLOSE:
            owed = self.transport.get_write_buffer_size()
            if owed < self._owed:
                self._owed = owed
                self._alarm.set(self._limits.write_timeout_s)
            else:
                self.abort()
        elif wait is _BODY or (wait is _HEAD and self._parser.stage is _IN_HEAD):
            self._refuse(408, "the request did not arrive in time")
        else:
            self._close()


class Server:
    """Listens, and answers with `application`. The counters are plain numbers for whoever exports them."""

    def __init__(
        self,
        application: Application,
        limits: Limits,
        *,
        on_failure: OnFailure,
        on_refusal: OnRefusal,
        ledger: Ledger | None = None,
        doors: Doors | None = None,
    ) -> None:
        self.application = application
        self.limits = limits
        self.ledger = ledger if ledger is not None else Ledger()
        self.doors = doors if doors is not None else Doors()
        self.on_failure = on_failure
        self.on_refusal = on_refusal
        self.draining = False
        self.connections = 0
        self.connections_accepted = 0
        self.requests = 0
        self.requests_in_flight = 0
        self.refusals = 0
        self._listeners: list[asyncio.Server | SecureListener] = []
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
        listener: asyncio.Server | SecureListener
        if ssl is not None:
            listener = await SecureListener.open(host, port, ssl, self._secured, limits=self.limits, doors=self.doors)
            self._listeners.append(listener)
            return listener.port
        # Its transports' loop only calls what a protocol has; a base class would cost each of the calls.
        protocol = cast("Callable[[], asyncio.Protocol]", lambda: Connection(self, loop))
        listener = await loop.create_server(protocol, host, port, backlog=BACKLOG)
        sockets: Sequence[Any] = cast("Any", listener).sockets  # typed as a tuple, but a list in uvloop
        unsent.bound(sockets, self.limits.unsent_bytes)
        self._listeners.append(listener)
        return int(sockets[0].getsockname()[1])

    def _secured(self) -> Connection:
        return Connection(self, asyncio.get_running_loop(), entered=True)

    async def drain(self, timeout_s: float) -> None:
        """Stop accepting, close what is idle, let requests in flight finish, then close the rest."""
        self.draining = True
        for listener in self._listeners:
            listener.close()
        for connection in tuple(self._open):
            connection.leave()
        if not await self._emptied(timeout_s):
            for connection in tuple(self._open):
                connection.dismiss()
            if not await self._emptied(_UNWIND_S):
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

    def opened(self, connection: Connection) -> str:
        """For connections only. Why this one is one too many, if it is."""
        self._open.add(connection)
        self.connections += 1
        self.connections_accepted += 1
        if connection.entered:
            return ""
        reason = self.doors.enter(connection.peer)
        connection.entered = not reason
        if reason:
            self.doors.unheard += 1
        return reason

    def closed(self, connection: Connection) -> None:
        """For connections only; after the last task of one has ended."""
        self._open.discard(connection)
        self.connections -= 1
        if connection.entered:
            self.doors.leave(connection.peer)
        else:
            self.doors.unheard -= 1
        if not self._open:
            self._empty.set()

    def date(self) -> bytes:
        """The Date line, made once a second."""
        second = int(time.time())
        if second != self._date_second:
            self._date_second = second
            self._date = b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
        return self._date
