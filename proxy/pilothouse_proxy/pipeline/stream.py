"""A stream on its way from the upstream's connection to the client's. No task wakes up for an event."""

from collections.abc import Callable
from typing import Final

from pilothouse_proxy import ports
from pilothouse_proxy.errors import Failure
from pilothouse_proxy.http.client import Transfer
from pilothouse_proxy.http.messages import Phase
from pilothouse_proxy.http.responder import Responder
from pilothouse_proxy.pipeline.shortcut import Shortcut

_IDLE: Final = Phase.IDLE
"""A member of an enum is looked up anew at each use."""
TAIL_S: Final = 5.0
"""How long a stream that is complete may take to end: the client has it all, the connection is worth keeping."""
MAX_HELD_BYTES: Final = 64 << 10
"""A provider that has sent so much without a word is at work: what it sends is passed on."""


class Stream:
    """Relays event by event. Until something shows content, events are held: the attempt can still fail unseen.

    `begin` starts the client's answer; the upstream may be silent for `idle_s`. It must have begun to say something at
    `unseen_until`, which leaves time for another target, and all must be through at `deadline`. `shown` tells whether
    the client was sent anything.
    """

    def __init__(
        self,
        relay: ports.StreamRelay,
        responder: Responder,
        *,
        begin: Callable[[], None],
        now: Callable[[], float],
        idle_s: float,
        unseen_until: float,
        deadline: float,
    ) -> None:
        self.relay = relay
        self._responder = responder
        self._begin = begin
        self._now = now
        self._idle_s = idle_s
        self._deadline = deadline
        self._until = unseen_until
        self._held = b""
        self.shown = False
        self._shortcut: Shortcut | None = None
        self.watched = False
        """Whether the upstream's connection keeps an eye on the time between pieces."""

    def receive(self, chunk: bytes) -> bool:
        """What has arrived. False: it has failed, or the client must catch up first."""
        relay = self.relay
        passed = relay.feed(chunk)
        if not self.shown:
            self._hold(passed)
        elif passed:
            self._responder.write(passed)
        return relay.failure is None and not self._responder.paused

    def wait(self, transfer: Transfer) -> None:
        """Let `transfer` know how long the next pieces may take, where that is not known yet."""
        if self.relay.complete:
            transfer.allow(_IDLE, TAIL_S, TAIL_S)
        elif not self.watched:
            left_s = max(0.0, self._until - self._now())
            if self.shown:
                self.watched = True
                transfer.watch(self._idle_s, left_s)
                mould = self.relay.mould
                if mould is not None and self._responder.streams:
                    self._shortcut = self._shortcut or Shortcut(mould, self._responder)
                    transfer.pass_by(self._shortcut)
            else:
                patience_s = min(self._idle_s, left_s)
                transfer.allow(_IDLE, patience_s, patience_s)

    def end(self) -> Failure | None:
        """The upstream has ended: the last events, and all that was held of a stream without content."""
        passed = self.relay.end()
        if self.shown:
            self._responder.write(passed)
        else:
            self._hold(passed)
            if not self.shown and self.relay.failure is None:
                self._release()
        return self.relay.failure

    def _hold(self, passed: bytes) -> None:
        self._held += passed
        if self.relay.content or len(self._held) > MAX_HELD_BYTES:
            self._release()

    def _release(self) -> None:
        self.shown = True
        self._until = self._deadline
        self._begin()
        self._responder.write(self._held)
        self._held = b""

    @property
    def events(self) -> int:
        """How many the client was sent."""
        passed_by = 0 if self._shortcut is None else self._shortcut.events
        return self.relay.events + passed_by if self.shown else 0
