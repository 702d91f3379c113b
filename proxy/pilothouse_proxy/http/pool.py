"""The connections to one origin."""

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Callable
from typing import cast

from pilothouse_proxy.http.dial import Dialer
from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import ConnectError, Origin
from pilothouse_proxy.http.upstream import UpstreamConnection


class Pool:
    """At most `origin.pool_size` connections. Who finds none free waits in line, as long as a connect may take.

    A slot is taken before dialling and given back when the connection is lost, or handed to the next in line.
    """

    def __init__(
        self, origin: Origin, context: ssl.SSLContext | None, limits: ClientLimits, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.origin = origin
        self.limits = limits
        self._dialer = Dialer(origin, context, limits)
        self._loop = loop
        self._idle: list[UpstreamConnection] = []
        self._holders: set[UpstreamConnection] = set()
        self._line: OrderedDict[asyncio.Future[UpstreamConnection | None], None] = OrderedDict()
        self._closed = False
        self.open = 0
        self.stale_retries = 0

    @property
    def unused(self) -> int:
        """How many connections carry nothing just now."""
        return len(self._idle)

    def take(self) -> UpstreamConnection | None:
        """A connection that is free now: the one used last, so that the others may expire."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable():
                return connection
            connection.transport.abort()
        return None

    async def connect(self, within_s: float) -> UpstreamConnection:
        """A connection when none is free: a new one, or where there are enough the next that is freed.

        Each of the two takes as long as the origin allows at most, both together no longer than `within_s`.

        Raises:
            ConnectError: none could be made, or none was freed in time.
            TimedOut: the connect ran out of time.
        """
        longest_s = self.origin.connect_timeout_s
        if self.open < self.origin.pool_size:
            self.open += 1
        else:
            began = self._loop.time()
            freed = await self._stand_in_line(min(longest_s, within_s))
            if freed is not None:
                return freed
            within_s -= self._loop.time() - began
        return await self._dial(min(longest_s, within_s))

    async def _stand_in_line(self, patience_s: float) -> UpstreamConnection | None:
        """A freed connection, or None: a slot to dial with."""
        place: asyncio.Future[UpstreamConnection | None] = self._loop.create_future()
        self._line[place] = None
        try:
            async with asyncio.timeout(patience_s):
                return await place
        except (TimeoutError, asyncio.CancelledError) as error:
            self._line.pop(place, None)
            if place.done() and not place.cancelled():
                self._pass_on(place.result())
            if isinstance(error, TimeoutError):
                raise ConnectError(
                    f"all {self.origin.pool_size} connections to {self.origin.host} are in use, and none became free "
                    f"within {patience_s:g} s"
                ) from None
            raise

    async def _dial(self, patience_s: float) -> UpstreamConnection:
        """With a slot taken."""
        made: list[UpstreamConnection] = []
        try:
            make = cast("Callable[[], asyncio.Protocol]", lambda: self._make(made))
            await self._dialer.dial(make, within_s=patience_s)
            return made[0]
        except BaseException:
            if made:
                self._release(made[0])
            else:
                self._vacate()
            raise

    def _make(self, made: list[UpstreamConnection]) -> UpstreamConnection:
        connection = UpstreamConnection(self, self.limits, self._loop)
        made.append(connection)
        self._holders.add(connection)
        return connection

    def close(self) -> None:
        """Close what is unused; the rest as it comes free."""
        self._closed = True
        while self._idle:
            self._idle.pop().transport.close()

    # The connections' calls.

    def freed(self, connection: UpstreamConnection) -> None:
        # Who takes an unused connection looks at its age; who stands in line is handed one, and would have it for ever.
        if self._closed or (self._line and self._loop.time() - connection.born > self.limits.lifetime_s):
            connection.transport.close()
        else:
            self._pass_on(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        self._release(connection)

    # Slots.

    def _pass_on(self, connection: UpstreamConnection | None) -> None:
        while self._line:
            place, _ = self._line.popitem(last=False)
            if not place.done():
                place.set_result(connection)
                return
        if connection is None:
            self.open -= 1
        else:
            self._idle.append(connection)
            connection.rest()

    def _release(self, connection: UpstreamConnection) -> None:
        """Once: a dial cancelled behind the TLS handshake fails, and its connection tells of its loss as well."""
        if connection in self._holders:
            self._holders.remove(connection)
            self._vacate()

    def _vacate(self) -> None:
        self._pass_on(None)
