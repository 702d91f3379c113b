"""Secrets of stores outside the cluster: one poll for each, however many refer to it; the last good value stays."""

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.compile.identities import Address
from pilothouse_operator.observe import Metrics
from pilothouse_operator.pacing import backoff, faults, targets
from pilothouse_operator.pacing.agenda import Agenda
from pilothouse_operator.pacing.asking import asked
from pilothouse_operator.pacing.limiter import Answer
from pilothouse_operator.pacing.tally import Tally
from pilothouse_operator.pacing.targets import Target
from pilothouse_operator.pacing.turns import Turn, Turns
from pilothouse_operator.ports import Changed, Clock, Fault, Fetched, Store, Stored, Wish

_log = logging.getLogger(__name__)

_STATES = ("good", "stale", "none")

# The smaller, the sooner: who has nothing before those who have something, who waited longest before the others.
_FIRST = float("-inf")
_SHORTEST_S = 1.0


@dataclass(frozen=True, slots=True)
class _Key:
    """What is one secret: where it is, and who asks for it."""

    address: Address
    sign_in: tuple[tuple[str, Secret], ...]


@dataclass(slots=True, eq=False)
class _Entry:
    """One secret, and what came of it."""

    target: Target
    refresh_s: int
    fetched: Fetched | None = None
    failures: faults.Streak = field(default_factory=faults.Streak)


class PolledSecrets:
    """The port `StoredSecrets`. Calls to it, and its callback, are on one loop."""

    def __init__(
        self, *, stores: Mapping[type[Address], Store], clock: Clock, rng: random.Random, metrics: Metrics
    ) -> None:
        self._stores = stores
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._states: Tally[_Key] = Tally(metrics.stored_secrets, _STATES)
        self._stale: Agenda[_Key] = Agenda()
        self._entries: dict[_Key, _Entry] = {}
        self._turns: Turns[_Key] = Turns(clock=clock, call=self._turn)
        self._changed: Changed | None = None

    def want(self, wishes: frozenset[Wish]) -> None:
        """What to hold from now on. Of wishes that differ in `refresh_s` alone the shortest counts."""
        wanted: dict[_Key, int] = {}
        for wish in wishes:
            key = _Key(wish.address, wish.sign_in)
            wanted[key] = min(wish.refresh_s, wanted.get(key, wish.refresh_s))
        for key in self._entries.keys() - wanted.keys():
            del self._entries[key]
            self._turns.drop(key)
            self._stale.discard(key)
            self._states.move(key, None)
        for key, refresh_s in wanted.items():
            entry = self._entries.get(key)
            if entry is None:
                entry = _Entry(targets.of_address(key.address, dict(key.sign_in)), refresh_s)
                self._entries[key] = entry
                self._turns.restart(key, target=entry.target, at=self._clock.monotonic(), urgency=_FIRST)
                self._states.move(key, "none")
            elif refresh_s != entry.refresh_s:
                self._hasten(key, entry, refresh_s)
        self._metrics.stored_stale_since.set(self._stale.first() or 0)

    def read(self, address: Address, sign_in: tuple[tuple[str, Secret], ...]) -> Stored:
        """As last fetched, without I/O."""
        entry = self._entries.get(_Key(address, sign_in))
        if entry is None:
            return Stored()
        fault = entry.failures.told(serves=entry.fetched is not None)
        return Stored(
            value=entry.fetched.value if entry.fetched is not None else None,
            fault=fault,
            since=entry.failures.since if fault is not None else 0.0,
        )

    async def run(self, changed: Changed) -> None:
        """Until cancelled. What it has it keeps meanwhile."""
        self._changed = changed
        try:
            await self._turns.run()
        finally:
            self._changed = None

    def _hasten(self, key: _Key, entry: _Entry, refresh_s: int) -> None:
        """Another interval counts at once, unless a failure has its own."""
        sooner, entry.refresh_s = refresh_s < entry.refresh_s, refresh_s
        if sooner and entry.failures.last is None and not self._turns.under_way(key):
            now = self._clock.monotonic()
            self._turns.put(key, target=entry.target, at=now + self._rng.uniform(0, refresh_s), urgency=now)

    async def _turn(self, key: _Key) -> Turn:
        entry = self._entries[key]
        known = entry.fetched.version if entry.fetched is not None else None
        fetch = self._stores[type(key.address)].fetch(key.address, dict(key.sign_in), known=known)
        given = await asked(fetch, entry.target, unavailable=Reason.STORE_UNAVAILABLE)
        if given is None and entry.fetched is None:
            given = Fault(
                f"{entry.target} has sent no value, though none was known; it is asked again",
                reason=Reason.STORE_UNAVAILABLE,
                passing=True,
            )
        self._note(entry.target, given)
        now = self._clock.monotonic()
        # One that was taken out, and would not be cancelled.
        if self._entries.get(key) is not entry:
            return Turn(answer=faults.answer(given), again_at=now, urgency=_FIRST)
        before = self.read(key.address, key.sign_in)
        if isinstance(given, Fault):
            entry.failures.add(given, wall=self._clock.wall())
            pause_s = entry.failures.pause_s(left_s=None, point=self._rng.random())
        else:
            pause_s = self._interval_s(entry)
            entry.failures.end()
            entry.fetched = given or entry.fetched
        self._tell(key, entry, before)
        return Turn(
            answer=faults.answer(given),
            again_at=now + pause_s,
            urgency=now + pause_s if entry.fetched is not None else _FIRST,
            retry_after_s=given.retry_after_s if isinstance(given, Fault) else None,
        )

    def _interval_s(self, entry: _Entry) -> float:
        """Until the next read. After a start or an outage many are read at once, and would be again and again."""
        if entry.fetched is None or entry.failures.last is not None:
            return max(self._rng.random() * entry.refresh_s, _SHORTEST_S)
        return backoff.jittered_s(entry.refresh_s, point=self._rng.random())

    def _tell(self, key: _Key, entry: _Entry, before: Stored) -> None:
        """Tells of the difference, if there is one."""
        after = self.read(key.address, key.sign_in)
        stale = after.value is not None and after.fault is not None
        if not stale:
            self._stale.discard(key)
        elif key not in self._stale:
            self._stale.put(key, after.since)
        self._metrics.stored_stale_since.set(self._stale.first() or 0)
        self._states.move(key, "stale" if stale else "good" if after.value is not None else "none")
        if after.fault is not None and not after.fault.passing and _said(before.fault) != _said(after.fault):
            _log.warning("a secret of %s cannot be read: %s", entry.target, after.fault.message)
        if self._changed is not None and (before.value != after.value or _said(before.fault) != _said(after.fault)):
            self._changed()

    def _note(self, target: Target, given: Fetched | Fault | None) -> None:
        answer = faults.answer(given)
        outcome = "unchanged" if given is None else faults.OUTCOMES[answer]
        self._metrics.store_reads.labels(target.service, outcome).inc()
        if answer is Answer.THROTTLED:
            self._metrics.throttles.labels(target.service).inc()


def _said(fault: Fault | None) -> tuple[str, ...]:
    return () if fault is None else (fault.reason, fault.field, fault.message)
