"""A stream on its way from the upstream's connection to the client's. No task wakes up for an event."""

import asyncio
from collections.abc import Callable

from pilothouse_proxy import ports
from pilothouse_proxy.http import client, messages, server

TAIL_S = 5.0
"""How long a stream that is complete may take to end: the client has it all, the connection is worth keeping."""
MAX_HELD_BYTES = 64 << 10
"""A provider that has sent so much without a word is at work: what it sends is passed on."""


class ReaderTooSlow(Exception):
    """The deadline has come while the client was still owed a part of its answer."""


class Stream:
    """Relays event by event. Until something shows content, events are held: the attempt can still fail unseen.

    `begin` starts the client's answer; the upstream may be silent for `idle_s`. It must have begun to say something at
    `unseen_until`, which leaves time for another target, and all must be through at `deadline`. `events` counts what
    the client was sent.
    """

    __slots__ = ("_begin", "_deadline", "_held", "_idle_s", "_now", "_relay", "_responder", "_until", "events")

    def __init__(
        self,
        relay: ports.StreamRelay,
        responder: server.Responder,
        *,
        begin: Callable[[], None],
        now: Callable[[], float],
        idle_s: float,
        unseen_until: float,
        deadline: float,
    ) -> None:
        self._relay = relay
        self._responder = responder
        self._begin = begin
        self._now = now
        self._idle_s = idle_s
        self._deadline = deadline
        self._until = unseen_until
        self._held = b""
        self.events = 0

    async def carry(self, response: client.UpstreamResponse) -> None:
        """To the end of the stream, or to the failure that it tells of.

        Raises:
            HTTPError: the upstream broke off before the stream was complete.
            ReaderTooSlow: the client did not take it in time.
        """
        broken: messages.HTTPError | None = None
        try:
            while not await response.deliver(self._receive, self._patience_s()):
                if self._relay.failure is not None:
                    return
                await self._drain()
        except messages.HTTPError as error:
            broken = error
        # The dialect decides whether what has come is whole: behind its last word a break does no harm.
        self._end()
        if broken is not None and self._relay.failure is not None:
            raise broken

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(max(0.0, self._deadline - self._now())):
                await self._responder.drain()
        except TimeoutError:
            raise ReaderTooSlow("the client did not take the answer within the route's total time") from None

    def _receive(self, chunk: bytes) -> float | None:
        """Runs inside of the upstream connection's own call. None: it has failed, or the client must catch up first."""
        relay, responder = self._relay, self._responder
        passed = relay.feed(chunk)
        if not responder.started:
            self._hold(passed)
        elif passed:
            self.events += passed.count(b"\n\n")
            responder.write(passed)
        if relay.failure is not None or responder.paused:
            return None
        return TAIL_S if relay.complete else self._patience_s()

    def _patience_s(self) -> float:
        left_s = self._until - self._now()
        return self._idle_s if self._idle_s < left_s else max(0.0, left_s)

    def _end(self) -> None:
        """The last events, and all that was held of a stream without content."""
        passed = self._relay.end()
        if self._responder.started:
            self._write(passed)
            return
        self._hold(passed)
        if not self._responder.started and self._relay.failure is None:
            self._release()

    def _hold(self, passed: bytes) -> None:
        self._held += passed
        if self._relay.content or len(self._held) > MAX_HELD_BYTES:
            self._release()

    def _release(self) -> None:
        self._until = self._deadline
        self._begin()
        self._write(self._held)

    def _write(self, passed: bytes) -> None:
        self.events += passed.count(b"\n\n")
        self._responder.write(passed)
