"""Credentials that end: one for each provider, renewed ahead of its end for as long as it is wanted."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pilothouse_api.conditions import Reason
from pilothouse_api.names import ProviderKey
from pilothouse_api.snapshot import canonical
from pilothouse_operator.compile.identities import AWSSession, Grant
from pilothouse_operator.observe import Metrics
from pilothouse_operator.pacing import backoff, faults, lifetimes, targets
from pilothouse_operator.pacing.agenda import Agenda
from pilothouse_operator.pacing.asking import asked
from pilothouse_operator.pacing.calendar import Calendar
from pilothouse_operator.pacing.limiter import Answer
from pilothouse_operator.pacing.tally import Tally
from pilothouse_operator.pacing.targets import Target
from pilothouse_operator.pacing.turns import Turn, Turns
from pilothouse_operator.ports import Application, Brokered, Changed, Clock, CredentialService, Fault, Issued

_log = logging.getLogger(__name__)

Renewed = Callable[[ProviderKey], None]

_STATES = ("good", "failing", "none")

_FIRST = 0.0
"""More urgent than any end."""

# How long a clock that was set, or a machine that slept, goes unnoticed.
_LOOK_S = 30.0
_SET_S = 2.0


@dataclass(slots=True, eq=False)
class _Entry:
    """One provider's application, and what came of it. Unix seconds, but for `reissued`."""

    application: Application
    target: Target
    issued: Issued | None = None
    fingerprint: str = ""
    issued_at: float = 0.0
    failures: faults.Streak = field(default_factory=faults.Streak)
    renew_at: float | None = None
    """As the calendar has it; None while it is asked for, or tried again."""
    refused: bool = False
    refusals: int = 0
    """How many in a row were issued because their predecessor was refused."""
    reissued: float = float("-inf")
    """When the last of them came, by the monotonic clock."""

    def inherit(self, former: "_Entry") -> None:
        """What was issued for an application that this one continues."""
        self.issued, self.fingerprint, self.issued_at = former.issued, former.fingerprint, former.issued_at
        self.refused, self.refusals, self.reissued = former.refused, former.refusals, former.reissued

    def good(self, wall: float) -> Issued | None:
        """What serves."""
        return self.issued if self.issued is not None and self.issued.expires_at > wall else None


class SessionBroker:
    """The port `Broker`. Calls to it, and its callbacks, are on one loop."""

    def __init__(
        self,
        *,
        services: Mapping[type[Grant], CredentialService],
        clock: Clock,
        rng: random.Random,
        metrics: Metrics,
    ) -> None:
        self._services = services
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._states: Tally[ProviderKey] = Tally(metrics.credentials, _STATES)
        self._entries: dict[ProviderKey, _Entry] = {}
        self._turns: Turns[ProviderKey] = Turns(clock=clock, call=self._turn)
        self._calendar = Calendar(rng)
        self._ends: Agenda[ProviderKey] = Agenda()
        self._alarm: asyncio.TimerHandle | None = None
        self._offset = self._offset_now()
        self._changed: Changed | None = None
        self._renewed: Renewed | None = None

    def want(self, applications: Mapping[ProviderKey, Application]) -> None:
        """From now on. An equal application keeps what is there, one that continues another until its own comes."""
        for provider in self._entries.keys() - applications.keys():
            self._forget(provider)
            self._turns.drop(provider)
        for provider, application in applications.items():
            before = self._entries.get(provider)
            if before is not None and before.application == application:
                continue
            target = targets.of_grant(application.grant, application.values)
            entry = _Entry(application, target)
            if before is not None and _continues(application, before.application):
                self._unplan(before)
                entry.inherit(before)
            elif before is not None:
                self._forget(provider)
            self._entries[provider] = entry
            self._turns.restart(provider, target=target, at=self._clock.monotonic(), urgency=_FIRST)
            self._count(provider)

    def read(self, provider: ProviderKey) -> Brokered:
        """As it stands, without I/O. A credential past its end is none."""
        entry = self._entries.get(provider)
        if entry is None:
            return Brokered()
        issued = entry.good(self._clock.wall())
        fault = entry.failures.told(serves=issued is not None)
        return Brokered(
            issued=issued,
            issued_at=entry.issued_at if issued is not None else 0.0,
            fault=fault,
            since=entry.failures.since if fault is not None else 0.0,
        )

    def refused(self, provider: ProviderKey, fingerprint: str) -> None:
        """A provider refuses this credential: another is issued at once, unless it has been replaced already.

        Of any number of refusals one counts; and where new ones are refused too, they come 10 s apart, then 20, and so
        on up to 5 minutes, until one lives to be renewed.
        """
        entry = self._entries.get(provider)
        if entry is None or entry.issued is None or entry.fingerprint != fingerprint or entry.refused:
            return
        entry.refused = True
        if not self._turns.under_way(provider):
            self._unplan(entry)
            now = self._clock.monotonic()
            at = max(now, entry.reissued + backoff.refused_s(entry.refusals))
            self._turns.put(provider, target=entry.target, at=at, urgency=_FIRST)

    async def run(self, changed: Changed, renewed: Renewed) -> None:
        """Until cancelled. What it has it keeps meanwhile."""
        self._changed, self._renewed = changed, renewed
        try:
            self._look()
            await self._turns.run()
        finally:
            self._changed = self._renewed = None
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None

    async def _turn(self, provider: ProviderKey) -> Turn:
        entry = self._entries[provider]
        self._unplan(entry)
        service = self._services[type(entry.application.grant)]
        given = await asked(service.issue(entry.application), entry.target, unavailable=Reason.SIGN_IN_UNAVAILABLE)
        if isinstance(given, Issued) and given.expires_at <= self._clock.wall():
            given = Fault(
                f"what {entry.target} has issued had ended already when it came: is the clock of this node right?",
                reason=Reason.SIGN_IN_UNAVAILABLE,
                passing=True,
            )
        self._note(entry.target, faults.answer(given))
        # One that was taken out, and would not be cancelled.
        if self._entries.get(provider) is not entry:
            return Turn(answer=faults.answer(given), again_at=self._clock.monotonic(), urgency=_FIRST)
        before = self.read(provider)
        turn = self._failed(entry, given) if isinstance(given, Fault) else self._given(provider, entry, given)
        self._tell(provider, before, self.read(provider))
        return turn

    def _given(self, provider: ProviderKey, entry: _Entry, issued: Issued) -> Turn:
        wall = self._clock.wall()
        ahead = entry.good(wall) is not None and not entry.refused
        if entry.refused:
            entry.reissued = self._clock.monotonic()
        entry.refusals = entry.refusals + 1 if entry.refused else 0
        entry.refused = False
        entry.failures.end()
        fingerprint = canonical.fingerprint(issued.credential)
        if fingerprint != entry.fingerprint:
            entry.issued_at = wall
        entry.issued, entry.fingerprint = issued, fingerprint
        window = lifetimes.renewal_window if ahead else lifetimes.first_renewal_window
        earliest, latest = window(now=wall, ends=issued.expires_at)
        entry.renew_at = self._calendar.plan(earliest=earliest, latest=latest)
        self._ends.put(provider, issued.expires_at)
        self._arm()
        return Turn(answer=Answer.GOOD, again_at=self._at(entry.renew_at), urgency=issued.expires_at)

    def _failed(self, entry: _Entry, fault: Fault) -> Turn:
        wall = self._clock.wall()
        entry.failures.add(fault, wall=wall)
        issued = entry.good(wall)
        left_s = issued.expires_at - wall if issued is not None and not entry.refused else None
        pause_s = entry.failures.pause_s(left_s=left_s, point=self._rng.random())
        return Turn(
            answer=faults.answer(fault),
            again_at=self._clock.monotonic() + pause_s,
            urgency=_urgency(None if entry.refused else issued),
            retry_after_s=fault.retry_after_s,
        )

    def _tell(self, provider: ProviderKey, before: Brokered, after: Brokered) -> None:
        """Tells of the difference, if there is one."""
        self._count(provider)
        if after.fault is not None and not after.fault.passing and _shown(before) != _shown(after):
            _log.warning("%s: no credential is issued: %s", provider, after.fault.message)
        if self._changed is None or self._renewed is None:
            return
        old, new = before.issued, after.issued
        if old is not None and new is not None and old.credential != new.credential:
            self._renewed(provider)
        if _shown(before) != _shown(after):
            self._changed()

    def _look(self) -> None:
        """Ends what has ended, and follows a wall clock that was set."""
        self._alarm = None
        wall = self._clock.wall()
        while (provider := self._ends.take(until=wall)) is not None:
            entry = self._entries[provider]
            entry.issued, entry.fingerprint = None, ""
            self._count(provider)
            _log.warning("%s: the credential has ended, and there is no other", provider)
            if self._changed is not None:
                self._changed()
        if abs(self._offset_now() - self._offset) > _SET_S:
            self._offset = self._offset_now()
            for provider, entry in self._entries.items():
                if entry.renew_at is not None:
                    at, urgency = self._at(entry.renew_at), _urgency(entry.issued)
                    self._turns.put(provider, target=entry.target, at=at, urgency=urgency)
        self._arm()

    def _arm(self) -> None:
        """The next look."""
        first = self._ends.first()
        self._metrics.credential_first_end.set(first or 0)
        if self._changed is None:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        pause = _LOOK_S if first is None else min(max(first - self._clock.wall(), 0.001), _LOOK_S)
        self._alarm = asyncio.get_running_loop().call_later(pause, self._look)

    def _forget(self, provider: ProviderKey) -> None:
        entry = self._entries.pop(provider)
        self._unplan(entry)
        self._ends.discard(provider)
        self._states.move(provider, None)
        self._metrics.credential_first_end.set(self._ends.first() or 0)

    def _unplan(self, entry: _Entry) -> None:
        if entry.renew_at is not None:
            self._calendar.give_back(entry.renew_at)
            entry.renew_at = None

    def _count(self, provider: ProviderKey) -> None:
        now = self.read(provider)
        self._states.move(provider, "none" if now.issued is None else "good" if now.fault is None else "failing")

    def _note(self, target: Target, answer: Answer) -> None:
        self._metrics.credential_issues.labels(target.service, faults.OUTCOMES[answer]).inc()
        if answer is Answer.THROTTLED:
            self._metrics.throttles.labels(target.service).inc()

    def _offset_now(self) -> float:
        return self._clock.wall() - self._clock.monotonic()

    def _at(self, wall: float) -> float:
        return wall - self._offset_now()


def _continues(application: Application, before: Application) -> bool:
    """Whether what the one before was issued may serve until there is another.

    Other values may sign in, and a session may be narrowed to other models: a rotation, or an edit, leaves no gap. The
    identity, its place and the form have to be the same, or an edit could show somebody what was not meant for them. A
    grant does not tell the operator's own identity from values of the provider.
    """
    return bool(application.values) == bool(before.values) and _unnarrowed(application.grant) == _unnarrowed(
        before.grant
    )


def _unnarrowed(grant: Grant) -> Grant:
    return replace(grant, models=None, duration_s=0) if isinstance(grant, AWSSession) else grant


def _urgency(issued: Issued | None) -> float:
    return _FIRST if issued is None else issued.expires_at


def _shown(brokered: Brokered) -> tuple[object, ...]:
    """What a reader sees of it: whether there is one, and what is said of it."""
    issued, fault = brokered.issued, brokered.fault
    said = (fault.reason, fault.field, fault.message) if fault is not None else ()
    return (issued is not None, issued.note if issued is not None else "", said)
