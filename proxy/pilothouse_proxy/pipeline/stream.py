"""A stream on its way from the upstream's connection to the client's. No task wakes up for an event."""

from collections.abc import Callable

from pilothouse_proxy import ports
from pilothouse_proxy.http import client, messages, server

TAIL_S = 5.0
"""How long a stream that is complete may take to end: the client has it all, the connection is worth keeping."""


class Stream:
    """Relays event by event. Until something shows content, events are held: the attempt can still fail unseen.

    `begin` starts the client's answer; the upstream may be silent for `idle_s`, and must be through at `deadline`.
    `events` counts what the client was sent.
    """

    __slots__ = ("_begin", "_deadline", "_held", "_idle_s", "_now", "_relay", "_responder", "events")

    def __init__(
        self,
        relay: ports.StreamRelay,
        responder: server.Responder,
        *,
        begin: Callable[[], None],
        now: Callable[[], float],
        idle_s: float,
        deadline: float,
    ) -> None:
        self._relay = relay
        self._responder = responder
        self._begin = begin
        self._now = now
        self._idle_s = idle_s
        self._deadline = deadline
        self._held = b""
        self.events = 0

    async def carry(self, response: client.UpstreamResponse) -> None:
        """To the end of the stream, or to the failure that it tells of.

        Raises:
            HTTPError: the upstream broke off before the stream was complete.
        """
        try:
            while not await response.deliver(self._receive, self._patience_s()):
                if self._relay.failure is not None:
                    return
                await self._responder.drain()
        except messages.HTTPError:
            if not self._relay.complete:
                raise
        self._end()

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
        left_s = self._deadline - self._now()
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
        if self._relay.content:
            self._release()

    def _release(self) -> None:
        self._begin()
        self._write(self._held)

    def _write(self, passed: bytes) -> None:
        self.events += passed.count(b"\n\n")
        self._responder.write(passed)
