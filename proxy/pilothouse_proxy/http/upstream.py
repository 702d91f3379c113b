"""One connection to an upstream, and the response that it carries."""

import asyncio
import select
import socket
import struct
from collections.abc import Callable
from typing import Protocol, TypeAlias, cast

from pilothouse_proxy.http.alarm import Alarm
from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import Closed, Headers, HTTPError, Phase, TimedOut, TooLarge
from pilothouse_proxy.http.parser import ResponseParser

# struct tcp_info of linux/tcp.h: the state, seven more bytes, then rto, ato, snd_mss, rcv_mss, unacked.
_TCP_INFO = struct.Struct("B7x16xI")
_TCP_CLOSE = 7


class Stale(Closed):
    """A reused connection turned out to be closed, and the request has not reached the program on the other side."""


class Keeper(Protocol):
    """What a connection tells: its pool listens."""

    def freed(self, connection: "UpstreamConnection") -> None:
        """The exchange is over and the connection can carry another."""
        ...

    def lost(self, connection: "UpstreamConnection") -> None:
        """The connection has ended. Called once."""
        ...


Receive: TypeAlias = Callable[[bytes], float | None]
"""Takes a piece of a body. Returns for how many seconds the next one may be waited for; None: enough for now."""


class UpstreamResponse:
    """The answer to one request; its head is there, its body may still be on the way.

    Call `abort` in a finally-block: it has no effect once the body has arrived, and else ends the exchange at once.
    """

    __slots__ = ("_connection", "_ended", "_error", "_parts", "headers", "receive", "status")

    def __init__(self, connection: "UpstreamConnection", parts: list[bytes]) -> None:
        self._connection = connection
        self._parts = parts
        self._ended = False
        self._error: HTTPError | None = None
        self.receive: Receive | None = None
        """Set while `deliver` waits: for the connection only."""
        self.status = 0
        self.headers: Headers = []

    @property
    def complete(self) -> bool:
        """Whether nothing more will arrive: what `chunk` returns next is the last of the body, or its error."""
        return self._ended

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header (name in lower case)."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    async def chunk(self, idle_timeout_s: float) -> bytes | None:
        """The next bytes of the body, all that have arrived; None at the end.

        Raises:
            TimedOut: nothing came for so long.
            Closed: the connection ended within the body.
            ProtocolError: the body's framing is broken.
        """
        if not self._parts and not self._ended:
            await self._connection.wait(Phase.IDLE, idle_timeout_s, idle_timeout_s)
        if self._parts:
            return self._take()
        if self._error is not None:
            raise self._error
        return None

    async def deliver(self, receive: Receive, idle_timeout_s: float) -> bool:
        """Hand the body on piece by piece, as it arrives: `receive` runs inside of the transport's call, and no task
        wakes up for a piece.

        Returns:
            True at the end of the body; False when `receive` had enough: what arrives then is kept for the next call.

        Raises:
            TimedOut, Closed, ProtocolError: as with `chunk`.
            Exception: whatever `receive` has raised.
        """
        wait_s: float | None = idle_timeout_s
        while wait_s is not None:
            if self._parts:
                wait_s = receive(self._take())
            elif self._error is not None:
                raise self._error
            elif self._ended:
                return True
            else:
                self.receive = receive
                try:
                    await self._connection.wait(Phase.IDLE, wait_s, wait_s)
                    if self.receive is None:
                        return False
                finally:
                    self.receive = None
        return False

    async def read(self, limit_bytes: int, timeout_s: float) -> bytes:
        """The whole body.

        Raises:
            TooLarge: it is over the limit; the exchange is aborted.
            TimedOut, Closed, ProtocolError: as with `chunk`; the time is that of the whole body.
        """
        connection = self._connection
        taken: list[bytes] = []
        size = 0
        deadline = connection.now() + timeout_s
        while True:
            if self._parts:
                part = self._take()
                size += len(part)
                if size > limit_bytes:
                    self.abort()
                    raise TooLarge(f"the upstream's answer is larger than {limit_bytes} bytes")
                taken.append(part)
            elif not self._ended:
                await connection.wait(Phase.TOTAL, deadline - connection.now(), timeout_s)
            elif self._error is not None:
                raise self._error
            else:
                return taken[0] if len(taken) == 1 else b"".join(taken)

    def abort(self) -> None:
        """Give up: the connection is closed at once, so that the upstream stops working for nobody."""
        if not self._ended:
            self.end(Closed("the exchange was given up"))
            self._connection.abandon()
        self._parts.clear()

    def end(self, error: HTTPError | None) -> None:
        """For the connection only: nothing more will arrive."""
        self._ended = True
        self._error = error

    def check_head(self) -> None:
        """For the connection only: raises what ended the exchange if no head came."""
        if self._error is not None and not self.status:
            raise self._error

    def _take(self) -> bytes:
        parts = self._parts
        taken = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        if not self._ended:
            self._connection.taken()
        return taken


class UpstreamConnection(asyncio.Protocol):
    """Carries one exchange at a time; the pool keeps it in between."""

    __slots__ = (
        "_alarm",
        "_buffered",
        "_keeper",
        "_limits",
        "_loop",
        "_parser",
        "_paused",
        "_phase",
        "_received",
        "_response",
        "_told_s",
        "_unread",
        "_waiter",
        "born",
        "exchanges",
        "idle_s",
        "transport",
        "unused_since",
    )

    transport: asyncio.Transport

    def __init__(self, keeper: Keeper, limits: ClientLimits, loop: asyncio.AbstractEventLoop) -> None:
        self._keeper = keeper
        self._limits = limits
        self._loop = loop
        self._parser = ResponseParser(limits)
        self._alarm = Alarm(loop, self._expired)
        self._waiter: asyncio.Future[None] | None = None
        self._response: UpstreamResponse | None = None
        self._phase = Phase.IDLE
        self._told_s = 0.0
        self._buffered = 0
        self._received = self._paused = self._unread = False
        self.born = self.unused_since = loop.time()
        self.exchanges = 0
        self.idle_s = limits.idle_s

    # The pool's and the client's calls.

    def rest(self) -> None:
        """Unused from now on; closes itself when nobody has come for it."""
        self.unused_since = self._loop.time()
        self._alarm.set(self.idle_s)

    def usable(self) -> bool:
        """Whether another exchange may begin: neither side has closed it, and it is not too old."""
        now = self._loop.time()
        if self.transport.is_closing() or now - self.born > self._limits.lifetime_s:
            return False
        return now - self.unused_since < self._limits.peek_after_s or self._silent()

    async def exchange(self, wire: list[bytes], method: bytes, *, patience_s: float, told_s: float) -> UpstreamResponse:
        """Send one request, wait for the head of its response. `told_s` is what an error names.

        Raises:
            Stale: the request has reached nobody, and may be sent again on another connection.
            HTTPError: any other of the five.
        """
        transport = self.transport
        if transport.is_closing():
            raise Stale("the upstream closed the connection before the request was sent")
        self.exchanges += 1
        self._received = False
        parser = self._parser
        parser.expect(method)
        self._response = response = UpstreamResponse(self, parser.body)
        if len(wire) == 1:
            transport.write(wire[0])
        else:
            transport.writelines(wire)
        try:
            await self.wait(Phase.FIRST_BYTE, patience_s, told_s)
        except asyncio.CancelledError:
            response.abort()
            raise
        response.check_head()
        return response

    async def wait(self, phase: Phase, seconds: float, told_s: float) -> None:
        """Until something has arrived for the response, or nothing can any more. `told_s` is what an error names."""
        self._phase = phase
        self._told_s = told_s
        self._alarm.set(seconds)
        self._waiter = waiter = self._loop.create_future()
        await waiter

    def now(self) -> float:
        return self._loop.time()

    def taken(self) -> None:
        """What had arrived has been taken: read on."""
        self._buffered = 0
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    def abandon(self) -> None:
        """Its response has been given up."""
        self._response = None
        self._alarm.clear()
        self.transport.abort()

    # The transport's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:
            # An answer to nothing: whatever it is, it must not be taken for the next request's.
            self.transport.abort()
            return
        self._received = True
        parser = self._parser
        error: HTTPError | None = None
        try:
            parser.feed(data)
        except HTTPError as problem:
            error = problem
        if parser.head_complete and not response.status:
            response.status = parser.status
            response.headers = parser.headers
        if error is not None:
            self._fail(response, error)
            self.transport.abort()
        elif parser.complete:
            # In this order: a connection that rests has set its alarm.
            self._wake()
            self._complete(response)
        elif response.receive is not None and parser.body:
            self._hand_on(response, response.receive)
        elif parser.body:
            self._wake()
            self._buffered += len(data)
            # Even if somebody waits: the loop may read many times before that task's turn.
            if self._buffered > self._limits.buffer_bytes and not self._paused:
                self._paused = True
                self.transport.pause_reading()
        elif response.status and self._phase is Phase.FIRST_BYTE:
            self._wake()

    def eof_received(self) -> None:
        if not self._received:
            self._unread = self._was_unread()

    def connection_lost(self, exc: Exception | None) -> None:
        self._alarm.stop()
        response = self._response
        if response is not None:
            self._lose(response, exc)
        self._parser.close()
        self._keeper.lost(self)

    # Inside.

    def _hand_on(self, response: UpstreamResponse, receive: Receive) -> None:
        """To who has asked for it in `deliver`; wakes up the task only when that one has had enough."""
        parts = self._parser.body
        piece = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        try:
            wait_s = receive(piece)
        except Exception as error:
            # It belongs to the task that waits, not to the event loop; nothing more is handed on until then.
            response.receive = None
            waiter, self._waiter = self._waiter, None
            if waiter is not None and not waiter.done():
                waiter.set_exception(error)
            return
        if wait_s is None:
            response.receive = None
            self._wake()
        else:
            self._told_s = wait_s
            self._alarm.set(wait_s)

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            self._alarm.clear()
            if not waiter.done():
                waiter.set_result(None)

    def _complete(self, response: UpstreamResponse) -> None:
        response.end(None)
        self._response = None
        if self._paused:
            self.taken()
        self._buffered = 0
        transport = self.transport
        # An answer that came before the request was out leaves the rest of the request in the way.
        if self._parser.reusable and not transport.is_closing() and not transport.get_write_buffer_size():
            if self.exchanges == 1:
                self.idle_s = _keep_alive_s(response, self._limits.idle_s)
            self._keeper.freed(self)
        else:
            transport.abort()

    def _fail(self, response: UpstreamResponse, error: HTTPError) -> None:
        response.end(error)
        self._response = None
        self._wake()

    def _lose(self, response: UpstreamResponse, exc: Exception | None) -> None:
        reused = self.exchanges > 1
        if not self._received and reused and (self._unread or isinstance(exc, ConnectionError)):
            self._fail(response, Stale("the upstream had closed the connection before the request reached it"))
        elif exc is not None:
            self._fail(response, Closed("the connection to the upstream broke"))
        else:
            try:
                self._parser.finish()
            except Closed as error:
                self._fail(response, error)
            else:
                response.end(None)
                self._response = None
                self._wake()

    def _expired(self) -> None:
        if self._response is None:
            self.transport.close()
        else:
            self._fail(self._response, TimedOut(self._phase, self._told_s))
            self.transport.abort()

    def _silent(self) -> bool:
        """Nothing to read: no end of the stream that the loop has not seen yet, and no data out of turn."""
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def _was_unread(self) -> bool:
        """Whether the program on the other side cannot have read all that was sent; False where the system is mute.

        A socket that was closed before data came answers it with a reset and acknowledges nothing. The reset may be
        here already, or still under way; a program that has read and then ended leaves neither sign.
        """
        option = getattr(socket, "TCP_INFO", None)
        if option is None:
            return False
        try:
            told = self.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, option, _TCP_INFO.size)
            state, unacknowledged = _TCP_INFO.unpack(told)
        except (OSError, struct.error):
            return False
        return bool(state == _TCP_CLOSE or unacknowledged)


def _keep_alive_s(response: UpstreamResponse, longest_s: float) -> float:
    """Some servers say how long they keep an unused connection (`Keep-Alive: timeout=5`); one second less is safe."""
    told = response.header(b"keep-alive")
    if told is not None:
        for parameter in told.lower().split(b","):
            name, _, value = parameter.strip().partition(b"=")
            if name == b"timeout" and value.isdigit() and len(value) < 6:
                return max(0.0, min(longest_s, int(value) - 1.0))
    return longest_s
