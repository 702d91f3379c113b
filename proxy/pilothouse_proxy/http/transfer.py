"""One request on its way, whatever connection carries it."""

import asyncio

from pilothouse_proxy.http.bypass import Bypass
from pilothouse_proxy.http.messages import HTTPError, Phase, UpstreamRequest
from pilothouse_proxy.http.pool import Pool
from pilothouse_proxy.http.upstream import Receiver, Stale, UpstreamConnection


class Transfer:
    """What its receiver holds of it: to wait longer, to be sent no more, to give up.

    A reused connection that turns out to be closed before the request got through is replaced by a new one, once.
    """

    def __init__(
        self,
        pool: Pool,
        wire: list[bytes | memoryview],
        request: UpstreamRequest,
        receiver: Receiver,
        first_byte_timeout_s: float,
    ) -> None:
        self._pool = pool
        self._wire = wire
        self._request = request
        self._receiver = receiver
        self._told_s = self._left_s = first_byte_timeout_s
        self._dialling: asyncio.Task[None] | None = None
        self._connection: UpstreamConnection | None = None
        self.resent = False

    def start(self) -> None:
        """On a connection that is free now, else on the next that can be had."""
        connection = self._pool.take()
        if connection is not None:
            try:
                self._send_on(connection)
            except Stale:
                connection.transport.abort()
            else:
                return
        self._dial()

    def again(self) -> bool:
        """The request has reached nobody: send it on a new connection. False: that has been tried already."""
        if self.resent:
            return False
        self.resent = True
        self._request.sent = False
        self._connection = None
        self._pool.stale_retries += 1
        self._dial()
        return True

    def abort(self) -> None:
        """Give up. Without effect once the answer has ended."""
        if self._dialling is not None:
            self._dialling.cancel()
            self._dialling = None
        connection = self._connection
        self._connection = None
        if connection is not None and connection.carries(self._receiver):
            connection.abandon()

    def allow(self, phase: Phase, seconds: float, told_s: float) -> None:
        """How long what comes next may take. `told_s` is what an error names."""
        if self._connection is not None:
            self._connection.allow(phase, seconds, told_s)

    def watch(self, idle_s: float, within_s: float) -> None:
        """Pieces may come at most so far apart, and all must have come within so long."""
        if self._connection is not None:
            self._connection.watch(idle_s, within_s)

    def pass_by(self, bypass: Bypass) -> None:
        """What is asked for each chunk from now on, before the receiver."""
        if self._connection is not None:
            self._connection.pass_by(bypass)

    def quiet(self) -> None:
        """Nobody waits for what comes next."""
        if self._connection is not None:
            self._connection.quiet()

    def hold(self) -> None:
        """Read no further."""
        if self._connection is not None:
            self._connection.hold()

    def resume(self) -> None:
        """Read on."""
        if self._connection is not None:
            self._connection.resume()

    def _send_on(self, connection: UpstreamConnection) -> None:
        connection.begin(self._wire, self._request.method, self._receiver, patience_s=self._left_s, told_s=self._told_s)
        self._connection = connection
        self._request.sent = True

    def _dial(self) -> None:
        self._dialling = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        """Where a connection must be made or waited for, that is part of the time to the first byte."""
        now = asyncio.get_running_loop().time
        began = now()
        try:
            connection = await self._pool.connect(self._left_s)
            self._left_s -= now() - began
            self._send_on(connection)
        except HTTPError as error:
            self._dialling = None
            self._receiver.broke(error)
        else:
            self._dialling = None
