"""What accounts have: one list for each provider that wants it, asked for again at its interval."""

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse_api.conditions import Reason
from pilothouse_api.names import ProviderKey
from pilothouse_operator.compile.discovered import Listed
from pilothouse_operator.compile.identities import Account
from pilothouse_operator.observe import Metrics
from pilothouse_operator.pacing import backoff, faults, targets
from pilothouse_operator.pacing.asking import asked
from pilothouse_operator.pacing.limiter import Answer
from pilothouse_operator.pacing.tally import Tally
from pilothouse_operator.pacing.targets import Target
from pilothouse_operator.pacing.turns import Turn, Turns
from pilothouse_operator.ports import Changed, Clock, Fault, Inquiry, Lister, Surveyed

_log = logging.getLogger(__name__)

_STATES = ("good", "stale", "none")

# The smaller, the sooner: who has no list before those who have one.
_FIRST = float("-inf")


@dataclass(slots=True, eq=False)
class _Entry:
    """One provider's account, and what came of it. `listed_at` in Unix seconds."""

    inquiry: Inquiry
    target: Target
    listed: Listed | None = None
    listed_at: float = 0.0
    failures: faults.Streak = field(default_factory=faults.Streak)


class AccountDiscovery:
    """The port `Discovery`. Calls to it, and its callbacks, are on one loop."""

    def __init__(
        self, *, listers: Mapping[type[Account], Lister], clock: Clock, rng: random.Random, metrics: Metrics
    ) -> None:
        self._listers = listers
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._states: Tally[ProviderKey] = Tally(metrics.accounts, _STATES)
        self._entries: dict[ProviderKey, _Entry] = {}
        self._turns: Turns[ProviderKey] = Turns(clock=clock, call=self._turn)
        self._changed: Changed | None = None
        self._moved: Changed | None = None

    def want(self, inquiries: Mapping[ProviderKey, Inquiry]) -> None:
        """From now on. The list of another account is forgotten; other values or another interval leave it."""
        for provider in self._entries.keys() - inquiries.keys():
            del self._entries[provider]
            self._turns.drop(provider)
            self._states.move(provider, None)
        for provider, inquiry in inquiries.items():
            entry = self._entries.get(provider)
            if entry is None or entry.inquiry.account != inquiry.account:
                entry = _Entry(inquiry, targets.of_account(inquiry.account, inquiry.values))
                self._entries[provider] = entry
                self._turns.restart(provider, target=entry.target, at=self._clock.monotonic(), urgency=_FIRST)
                self._states.move(provider, "none")
            elif entry.inquiry != inquiry:
                self._follow(provider, entry, inquiry)

    def read(self, provider: ProviderKey) -> Surveyed:
        """As last listed, without I/O."""
        entry = self._entries.get(provider)
        if entry is None:
            return Surveyed()
        listed = entry.listed
        fault = entry.failures.told(serves=listed is not None)
        return Surveyed(
            models=None if listed is None else listed.models,
            notes=() if listed is None else listed.notes,
            listed_at=entry.listed_at,
            fault=fault,
            since=entry.failures.since if fault is not None else 0.0,
        )

    async def run(self, changed: Changed, moved: Changed) -> None:
        """Until cancelled. What it has it keeps meanwhile."""
        self._changed, self._moved = changed, moved
        try:
            await self._turns.run()
        finally:
            self._changed = self._moved = None

    def _follow(self, provider: ProviderKey, entry: _Entry, inquiry: Inquiry) -> None:
        """Other values count at once: they may open what was refused. A shorter interval does at a point in it."""
        before, entry.inquiry = entry.inquiry, inquiry
        now = self._clock.monotonic()
        if inquiry.values != before.values:
            entry.target = targets.of_account(inquiry.account, inquiry.values)
            urgency = _FIRST if entry.listed is None else now
            self._turns.restart(provider, target=entry.target, at=now, urgency=urgency)
        elif inquiry.interval_s < before.interval_s and entry.failures.last is None:
            at = now + self._rng.uniform(0, inquiry.interval_s)
            self._turns.put(provider, target=entry.target, at=at, urgency=at)

    async def _turn(self, provider: ProviderKey) -> Turn:
        entry = self._entries[provider]
        inquiry = entry.inquiry
        asking = self._listers[type(inquiry.account)].models(inquiry.account, inquiry.values)
        given = await asked(asking, entry.target, unavailable=Reason.DISCOVERY_UNAVAILABLE)
        answer = faults.answer(given)
        self._metrics.account_listings.labels(entry.target.service, faults.OUTCOMES[answer]).inc()
        if answer is Answer.THROTTLED:
            self._metrics.throttles.labels(entry.target.service).inc()
        now = self._clock.monotonic()
        # One that was taken out, and would not be cancelled.
        if self._entries.get(provider) is not entry or entry.inquiry.values != inquiry.values:
            return Turn(answer=answer, again_at=now, urgency=_FIRST)
        before = self.read(provider)
        if isinstance(given, Fault):
            entry.failures.add(given, wall=self._clock.wall())
            pause_s = entry.failures.pause_s(left_s=None, point=self._rng.random())
        else:
            pause_s = self._interval_s(entry)
            entry.failures.end()
            entry.listed, entry.listed_at = given, self._clock.wall()
        self._tell(provider, before, self.read(provider))
        return Turn(
            answer=answer,
            again_at=now + pause_s,
            urgency=now + pause_s if entry.listed is not None else _FIRST,
            retry_after_s=given.retry_after_s if isinstance(given, Fault) else None,
        )

    def _interval_s(self, entry: _Entry) -> float:
        """Until the next list. After a start or an outage many are asked for at once, and would be again and again."""
        interval_s = entry.inquiry.interval_s
        if entry.listed is None or entry.failures.last is not None:
            return interval_s * (0.5 + self._rng.random() / 2)
        return backoff.jittered_s(interval_s, point=self._rng.random())

    def _tell(self, provider: ProviderKey, before: Surveyed, after: Surveyed) -> None:
        """Tells of the difference; of a list that is as before, only when it was made."""
        stale = after.models is not None and after.fault is not None
        self._states.move(provider, "stale" if stale else "none" if after.models is None else "good")
        lists = (before.models, before.notes) != (after.models, after.notes)
        differs = lists or _said(before.fault) != _said(after.fault)
        if after.fault is not None and not after.fault.passing and _said(before.fault) != _said(after.fault):
            _log.warning("%s: its models cannot be listed: %s", provider, after.fault.message)
        if differs and after.models is not None and before.models != after.models:
            _log.info("%s: its account lists %d models", provider, len(after.models))
        if differs and self._changed is not None:
            self._changed()
        elif before.listed_at != after.listed_at and self._moved is not None:
            self._moved()


def _said(fault: Fault | None) -> tuple[str, ...]:
    return () if fault is None else (fault.reason, fault.field, fault.message)
