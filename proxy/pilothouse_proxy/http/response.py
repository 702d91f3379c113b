"""The answer of an upstream for who awaits it: a coroutine's view of what a connection tells."""

import asyncio
import math

from pilothouse_proxy.http.messages import Closed, Headers, HTTPError, Phase, TooLarge
from pilothouse_proxy.http.transfer import Transfer
from pilothouse_proxy.http.upstream import Stale


class UpstreamResponse:
    """The answer to one request; its head is there, its body may still be on the way.

    Call `abort` in a finally-block: it has no effect once the body has arrived, and else ends the exchange at once.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, buffer_bytes: int) -> None:
        self._loop = loop
        self._buffer_bytes = buffer_bytes
        self._waiter: asyncio.Future[None] | None = None
        self._parts: list[bytes] = []
        self._buffered = 0
        self._error: HTTPError | None = None
        self.transfer: Transfer | None = None
        """What has brought it here, until it has ended: beyond that the two would keep each other, and a connection."""
        self.status = 0
        self.headers: Headers = []
        self.beat_s = math.inf

    @property
    def complete(self) -> bool:
        """Whether nothing more will arrive: what `chunk` returns next is the last of the body, or its error."""
        return self.transfer is None

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header (name in lower case)."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    async def head(self) -> None:
        """Until it is there.

        Raises:
            HTTPError: there will be none.
        """
        if not self.status and self.transfer is not None:
            await self._arrival()
        if self._error is not None and not self.status:
            raise self._error

    async def chunk(self, idle_timeout_s: float) -> bytes | None:
        """The next bytes of the body, all that have arrived; None at the end.

        Raises:
            TimedOut: nothing came for so long.
            Closed: the connection ended within the body.
            ProtocolError: the body's framing is broken.
        """
        if not self._parts and self.transfer is not None:
            self.transfer.allow(Phase.IDLE, idle_timeout_s, idle_timeout_s)
            await self._arrival()
        if self._parts:
            return self._take()
        if self._error is not None:
            raise self._error
        return None

    async def read(self, limit_bytes: int, timeout_s: float) -> bytes:
        """The whole body.

        Raises:
            TooLarge: it is over the limit; the exchange is aborted.
            TimedOut, Closed, ProtocolError: as with `chunk`; the time is that of the whole body.
        """
        taken: list[bytes] = []
        size = 0
        deadline = self._loop.time() + timeout_s
        while True:
            if self._parts:
                part = self._take()
                size += len(part)
                if size > limit_bytes:
                    self.abort()
                    raise TooLarge(f"the upstream's answer is larger than {limit_bytes} bytes")
                taken.append(part)
            elif self.transfer is not None:
                self.transfer.allow(Phase.TOTAL, deadline - self._loop.time(), timeout_s)
                await self._arrival()
            elif self._error is not None:
                raise self._error
            else:
                return taken[0] if len(taken) == 1 else b"".join(taken)

    def abort(self) -> None:
        """Give up: the connection is closed at once, so that the upstream stops working for nobody."""
        transfer = self.transfer
        if transfer is not None:
            self._end(Closed("the exchange was given up"))
            transfer.abort()
        self._parts.clear()

    # The connection's calls.

    def answered(self, status: int, headers: Headers) -> None:
        self.status = status
        self.headers = headers
        self._wake()

    def arrived(self, piece: bytes) -> None:
        self._parts.append(piece)
        self._buffered += len(piece)
        # Even if somebody waits: the loop may read many times before that task's turn.
        if self._buffered > self._buffer_bytes and self.transfer is not None:
            self.transfer.hold()
        self._wake()

    def ended(self) -> None:
        self._end(None)

    def waited(self) -> None:
        """Never called, without a beat."""

    def broke(self, error: HTTPError) -> None:
        if not (isinstance(error, Stale) and self.transfer is not None and self.transfer.again()):
            self._end(error)

    # Inside.

    def _end(self, error: HTTPError | None) -> None:
        self._error = error
        self.transfer = None
        self._wake()

    async def _arrival(self) -> None:
        """Until something has come, or nothing can any more."""
        self._waiter = waiter = self._loop.create_future()
        await waiter

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if self.transfer is not None:
                self.transfer.quiet()
            if not waiter.done():
                waiter.set_result(None)

    def _take(self) -> bytes:
        parts = self._parts
        taken = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._buffered = 0
        if self.transfer is not None:
            self.transfer.resume()
        return taken
