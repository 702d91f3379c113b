"""One connection to an upstream, and the answers that it carries."""

import asyncio
import math
import select
import socket
import struct
from typing import Final, Protocol, cast

from pilothouse_proxy.http import coding, plain
from pilothouse_proxy.http.alarm import Alarm
from pilothouse_proxy.http.bypass import Bypass
from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import Closed, Headers, HTTPError, Phase, TimedOut
from pilothouse_proxy.http.parser import ResponseParser

# A member of an enum is looked up anew at each use.
_FIRST_BYTE: Final = Phase.FIRST_BYTE
_IDLE: Final = Phase.IDLE
# struct tcp_info of linux/tcp.h, since 4.19: bytes_acked, which counts the SYN, then bytes_sent and bytes_retrans.
_TCP_INFO: Final = struct.Struct("=120xQ72xQQ")


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


class Receiver(Protocol):
    """Whom an answer is for. Called inside of the transport's own calls, so that no task wakes up for a piece.

    None of the calls may raise. After `ended` or `broke`, or once the receiver has given up, there are no more.
    """

    @property
    def beat_s(self) -> float:
        """How often `waited` is called while nothing comes; inf: never."""
        ...

    def answered(self, status: int, headers: Headers) -> None:
        """The head has arrived."""
        ...

    def arrived(self, piece: bytes) -> None:
        """More of the body, never empty. What came compressed is decoded."""
        ...

    def ended(self) -> None:
        """The body is whole."""
        ...

    def broke(self, error: HTTPError) -> None:
        """Nothing more will arrive: one of the five of `messages`. When it is Stale, see `Transfer.again`."""
        ...

    def waited(self) -> None:
        """Nothing has come for `beat_s`, or for as long again."""
        ...


class UpstreamConnection:
    """Carries one exchange at a time; the pool keeps it in between."""

    transport: asyncio.Transport

    def __init__(self, keeper: Keeper, limits: ClientLimits, loop: asyncio.AbstractEventLoop) -> None:
        self._keeper = keeper
        self._lifetime_s = limits.lifetime_s
        self._peek_after_s = limits.peek_after_s
        self._idle_limit_s = limits.idle_s
        self._loop = loop
        self._parser = ResponseParser(limits)
        self._alarm = Alarm(loop, self._expired)
        self._receiver: Receiver | None = None
        self._bypass: Bypass | None = None
        self._decoder: coding.Decoder | None = None
        self._phase = _IDLE
        self._told_s = self._left_s = 0.0
        self._beat_s = math.inf
        self._received = self._answered = self._paused = self._unread = False
        self._watching = self._heard = False
        self._silent_s = self._step_s = self._ends = 0.0
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
        if self.transport.is_closing() or now - self.born > self._lifetime_s:
            return False
        return now - self.unused_since < self._peek_after_s or self._silent()

    def begin(
        self, wire: list[bytes | memoryview], method: bytes, receiver: Receiver, *, patience_s: float, told_s: float
    ) -> None:
        """Send one request; the rest is told to `receiver`. `told_s` is what an error names.

        Raises:
            Stale: the request has reached nobody, and may be sent again on another connection.
        """
        transport = self.transport
        if transport.is_closing():
            raise Stale("the upstream closed the connection before the request was sent")
        self.exchanges += 1
        self._received = self._answered = False
        self._parser.expect(method)
        self._receiver = receiver
        self._beat_s = receiver.beat_s
        self.allow(_FIRST_BYTE, patience_s, told_s)
        if len(wire) == 1:
            transport.write(wire[0])
        else:
            transport.writelines(wire)

    def carries(self, receiver: Receiver) -> bool:
        """Whether the exchange at hand is that of `receiver`."""
        return self._receiver is receiver

    def allow(self, phase: Phase, seconds: float, told_s: float) -> None:
        """How long what comes next may take. `told_s` is what an error names."""
        self._phase = phase
        self._told_s = told_s
        self._watching = False
        beat_s = self._beat_s
        if seconds > beat_s:
            self._left_s = seconds - beat_s
            seconds = beat_s
        else:
            self._left_s = 0.0
        self._alarm.set(seconds)

    def watch(self, idle_s: float, within_s: float) -> None:
        """From now on pieces may come at most so far apart, and all must have come within so long.

        Nothing is done for a piece but to note that there was one: the time between them is known to a quarter.
        """
        self._phase = _IDLE
        self._told_s = idle_s
        self._watching = True
        self._heard = True
        self._silent_s = 0.0
        self._ends = self._loop.time() + within_s
        self._step_s = min(idle_s, self._beat_s) / 4
        self._alarm.set(min(self._step_s, within_s))

    def pass_by(self, bypass: Bypass) -> None:
        """From now on it is asked before the receiver, which has had all up to here."""
        self._bypass = bypass

    def quiet(self) -> None:
        """It may take as long as it likes: nobody waits for it now."""
        self._alarm.clear()

    def hold(self) -> None:
        """Read no further: who receives has enough."""
        if not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    def abandon(self) -> None:
        """The exchange has been given up: close at once, so that the upstream stops working for nobody."""
        self._receiver = self._bypass = None
        self._alarm.clear()
        self.transport.abort()

    # The transport's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        receiver = self._receiver
        if receiver is None:
            # An answer to nothing: whatever it is, it must not be taken for the next request's.
            self.transport.abort()
            return
        self._received = self._heard = True
        if self._passes(data):
            return
        parser = self._parser
        error: HTTPError | None = None
        try:
            parser.feed(data)
        except HTTPError as problem:
            error = problem
        if not self._answered and parser.head_complete:
            self._answered = True
            self._decoder = coding.decoder(parser.headers)
            receiver.answered(parser.status, parser.headers)
            if self._receiver is not receiver:
                return
        parts = parser.body
        if parts:
            piece = parts[0] if len(parts) == 1 else b"".join(parts)
            parts.clear()
            if self._decoder is not None:
                piece, error = _decoded(self._decoder, piece, error)
            if piece:
                receiver.arrived(piece)
                if self._receiver is not receiver:
                    return
        if parser.complete or error is not None:
            self._end(receiver, error)

    def eof_received(self) -> None:
        if not self._received:
            self._unread = self._was_unread()

    def pause_writing(self) -> None:
        """A request is one write, of a body that is in memory anyway."""

    def resume_writing(self) -> None: ...

    def connection_lost(self, exc: Exception | None) -> None:
        self._alarm.stop()
        # Before the receiver hears of it: it may want the slot at once.
        self._keeper.lost(self)
        if self._receiver is not None:
            self._lose(self._receiver, exc)
        self._parser.close()

    # Inside.

    def _passes(self, data: bytes) -> bool:
        """Whether the data is one whole chunk that has gone another way. Then nothing else has changed."""
        bypass = self._bypass
        if bypass is None or self._decoder is not None or not self._parser.between_chunks:
            return False
        start, end = plain.chunk(data, 0)
        return start < end and end + 2 == len(data) and bypass.take(data, start, end)

    def _end(self, receiver: Receiver, error: HTTPError | None) -> None:
        """The answer is whole, or nothing more can come of it."""
        if error is None and self._decoder is not None:
            error = _shortage(self._decoder)
            self._decoder = None
        if error is None:
            self._complete(receiver)
        else:
            self.transport.abort()
            self._fail(error)

    def _complete(self, receiver: Receiver) -> None:
        self._receiver = self._bypass = None
        self._alarm.clear()
        self.resume()
        transport = self.transport
        parser = self._parser
        # An answer that came before the request was out leaves the rest of the request in the way.
        if parser.reusable and not transport.is_closing() and not transport.get_write_buffer_size():
            if self.exchanges == 1:
                self.idle_s = _keep_alive_s(parser.headers, self._idle_limit_s)
            self._keeper.freed(self)
        else:
            transport.abort()
        receiver.ended()

    def _fail(self, error: HTTPError) -> None:
        receiver = self._receiver
        self._receiver = self._bypass = None
        self._alarm.clear()
        if receiver is not None:
            receiver.broke(error)

    def _lose(self, receiver: Receiver, exc: Exception | None) -> None:
        reused = self.exchanges > 1
        # A reset alone tells nothing: a program that has read the request and then fails sends the same.
        if not self._received and reused and (self._unread or isinstance(exc, BrokenPipeError)):
            self._fail(Stale("the upstream had closed the connection before the request reached it"))
        elif exc is not None:
            self._fail(Closed("the connection to the upstream broke"))
        else:
            try:
                self._parser.finish()
                if self._decoder is not None:
                    self._decoder.finish()
            except HTTPError as error:
                self._fail(error)
            else:
                self._receiver = self._bypass = None
                receiver.ended()

    def _expired(self) -> None:
        receiver = self._receiver
        if receiver is None:
            self.transport.close()
            return
        if self._watching:
            self._look(receiver)
            return
        left_s = self._left_s
        if left_s > 0:
            # First, for `waited` may set another time.
            step_s = min(left_s, self._beat_s)
            self._left_s = left_s - step_s
            self._alarm.set(step_s)
            receiver.waited()
        else:
            self.transport.abort()
            self._fail(TimedOut(self._phase, self._told_s))

    def _look(self, receiver: Receiver) -> None:
        """What has become of the pieces that are watched for."""
        step_s = self._step_s
        left_s = self._ends - self._loop.time()
        silent_s = 0.0 if self._heard else self._silent_s + step_s
        self._heard = False
        self._silent_s = silent_s
        # The loop's clock has a resolution of 1 ms.
        if silent_s >= self._told_s or left_s <= 0.001:
            self.transport.abort()
            self._fail(TimedOut(Phase.IDLE, self._told_s))
            return
        self._alarm.set(min(step_s, left_s))
        if silent_s and silent_s % self._beat_s < step_s / 2:
            receiver.waited()

    def _silent(self) -> bool:
        """Nothing to read: no end of the stream that the loop has not seen yet, and no data out of turn."""
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def _was_unread(self) -> bool:
        """Whether the program on the other side cannot have read all that was sent; False where the system is mute.

        A socket that was closed before data came does not acknowledge it. Where a program has read and then ended, all
        is acknowledged with the end of the stream, whatever follows that.
        """
        option = getattr(socket, "TCP_INFO", None)
        if option is None:
            return False
        try:
            told = self.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, option, _TCP_INFO.size)
            acknowledged, sent, again = _TCP_INFO.unpack(told)
        except (OSError, struct.error):
            return False
        return bool(acknowledged) and sent - again > acknowledged - 1


def _decoded(decoder: coding.Decoder, piece: bytes, error: HTTPError | None) -> tuple[bytes, HTTPError | None]:
    """And what is wrong with it, where nothing else is."""
    try:
        return decoder.feed(piece), error
    except HTTPError as problem:
        return b"", error or problem


def _shortage(decoder: coding.Decoder) -> HTTPError | None:
    """What the coding of a body lacks whose message is whole."""
    try:
        decoder.finish()
    except HTTPError as error:
        return error
    return None


def _keep_alive_s(headers: Headers, longest_s: float) -> float:
    """Some servers say how long they keep an unused connection (`Keep-Alive: timeout=5`); one second less is safe."""
    for name, told in headers:
        if name != b"keep-alive":
            continue
        for parameter in told.lower().split(b","):
            word, _, value = parameter.strip().partition(b"=")
            if word == b"timeout" and value.isdigit() and len(value) < 6:
                return max(0.0, min(longest_s, int(value) - 1.0))
        break
    return longest_s
