"""The loop: something changed → debounce → gather → compile → publish → report. Level-triggered; nothing ends it.

Whatever goes wrong in one pass is logged and tried again; what was published before stays.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, Scope
from pilothouse_api.snapshot.credentials import Credential
from pilothouse_api.snapshot.stream import Unknown
from pilothouse_operator.compile import accounts, compiler, sign_ins
from pilothouse_operator.compile.world import (
    Compiled,
    CredentialState,
    IdentityAccess,
    Inputs,
    Kind,
    ResourceKey,
    SignIn,
    SignInKind,
    Verdict,
    World,
)
from pilothouse_operator.credentials.api_key import APIKeyIssuer, NoSignIn
from pilothouse_operator.credentials.aws import AccessKeyIssuer
from pilothouse_operator.credentials.gather import Credentials
from pilothouse_operator.credentials.reading import Values
from pilothouse_operator.discovery import catalogue, gather
from pilothouse_operator.distribution import fleet, hub, usage
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import (
    Broker,
    CallerDirectory,
    Clock,
    Discovery,
    Issuer,
    Observation,
    SecretStore,
    Source,
    StatusSink,
    StoredSecrets,
)
from pilothouse_operator.timestamps import timestamp

_log = logging.getLogger(__name__)

_DEBOUNCE_S = 0.025
_AWAITING_S = 0.1
"""Until the next look while the world is not complete yet."""
_REPORT_DEBOUNCE_S = 0.1
_BARRIER_S = 10.0
"""How long the first snapshot waits for Secrets that nobody has read yet; then their providers are left out."""
_REMIND_S = 60.0
_CALLERS_UNKNOWN = "who may call gateways is not known: API keys or the keys that sign tokens were not read yet"
_NOT_MADE = "no configuration could be made: the log says why"
_SECRETS_UNREAD = "Secrets that providers refer to were not read yet, or accounts not listed"
_FULL_PASS_S = 60.0
"""A pass without a cause: forgets idle scopes, and would heal a lost wake-up."""
_BACKOFF_S = (1.0, 30.0)

ISSUERS: Mapping[SignInKind, Issuer] = {
    SignInKind.ACCESS_KEY: AccessKeyIssuer(),
    SignInKind.API_KEY: APIKeyIssuer(),
    SignInKind.NONE: NoSignIn(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """All that a pass is made of, as last seen.

    `stored`: Secrets in other stores; `broker`: what clouds have issued; `accounts`: which models they have. `access`:
    who may make use of the operator's own identity.
    """

    resources: Source
    secrets: SecretStore
    stored: StoredSecrets
    broker: Broker
    accounts: Discovery
    callers: CallerDirectory
    access: IdentityAccess


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """What other replicas say of their proxies. `unreachable` names those that do not answer."""

    fleets: tuple[fleet.FleetView, ...] = ()
    reports: tuple[fleet.ReportsView, ...] = ()
    unreachable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Outcome:
    world: World
    verdicts: Mapping[ResourceKey, Verdict]


class Reconciler:
    """One replica's loop. `elsewhere` is asked whenever status is made up; `reporting` says whether to make it up."""

    def __init__(
        self,
        *,
        sources: Sources,
        distribution: hub.Hub,
        status: StatusSink,
        clock: Clock,
        metrics: Metrics,
        elsewhere: Callable[[], Elsewhere] = Elsewhere,
        reporting: Callable[[], bool] = lambda: True,
    ) -> None:
        self._source = sources.resources
        self._callers = sources.callers
        self._hub = distribution
        self._status = status
        self._clock = clock
        self._metrics = metrics
        self._elsewhere = elsewhere
        self._reporting = reporting
        self._broker = sources.broker
        self._accounts = sources.accounts
        self._access = sources.access
        self._credentials = Credentials(
            values=Values(secrets=sources.secrets, stored=sources.stored), broker=sources.broker, issuers=ISSUERS
        )
        self._changed = asyncio.Event()
        self._moved = asyncio.Event()
        self._barrier_ends: float | None = None
        self._awaited: tuple[str, ...] = ()
        self._remind_at = 0.0
        self._outcome: _Outcome | None = None
        distribution.notify(wanted=self.changed, moved=self._moved.set, refused=sources.broker.refused)

    @property
    def synced(self) -> bool:
        """Whether a whole pass has been published: from then on every scope is served."""
        return self._outcome is not None and self._hub.open

    @property
    def missing(self) -> tuple[str, ...]:
        """What the first publication waits for; empty once there was one."""
        return () if self.synced else self._awaited

    @property
    def compiled_from(self) -> World | None:
        """The world of the last whole pass."""
        return self._outcome.world if self._outcome else None

    def changed(self) -> None:
        """Something may have changed. Call it on the loop that runs this."""
        self._changed.set()

    def renewed(self, provider: ProviderKey) -> None:
        """A cloud has issued another credential in place of a good one: it goes out alone, nothing is compiled."""
        credential = self._credentials.issued(provider)
        if credential is not None:
            self._hub.renew(provider, credential)
            self._moved.set()

    def moved(self) -> None:
        """What other replicas say has changed."""
        self._moved.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reconcile())
            tasks.create_task(self._report())

    async def _reconcile(self) -> None:
        backoff_s = _BACKOFF_S[0]
        while True:
            self._changed.clear()
            wait_s = _FULL_PASS_S
            try:
                if await self._pass():
                    self._metrics.passes.labels("ok").inc()
                else:
                    wait_s = _AWAITING_S
                backoff_s = _BACKOFF_S[0]
            except Exception:
                self._metrics.passes.labels("failed").inc()
                self._awaited = (_NOT_MADE,)
                _log.exception(
                    "a pass over the configuration failed; proxies keep what they have, next try in %gs", backoff_s
                )
                wait_s, backoff_s = backoff_s, min(backoff_s * 2, _BACKOFF_S[1])
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
                await asyncio.sleep(_DEBOUNCE_S)
            except TimeoutError:
                pass

    async def _pass(self) -> bool:
        """False: nothing can be published yet, look again soon."""
        world = self._source.world
        if world is None:
            return False
        wanted = sign_ins.sign_ins(world, self._access)
        self._credentials.want(wanted)
        surveyed = {key: one for key, one in accounts.accounts(world).items() if key in wanted}
        gather.want(surveyed, self._credentials.values, self._accounts)
        identity, now = self._callers.identity, self._clock.monotonic()
        self._hub.forget(now)
        if identity is None or (self._outcome is None and self._must_wait(wanted, surveyed)):
            # Without its callers a gateway would refuse everybody: whatever replica knew them serves on meanwhile.
            self._await(_CALLERS_UNKNOWN if identity is None else _SECRETS_UNREAD)
            return False
        credentials = self._credentials.gather(wanted)
        inputs = Inputs(
            world=world,
            credentials=credentials,
            identity=identity,
            scopes=self._hub.scopes(now, elsewhere=_with_streams(self._elsewhere().fleets)),
            discovered=gather.gather(surveyed, self._accounts),
            catalogue=catalogue.facts,
        )
        # Off the loop: while a large world compiles, streams get their heartbeats and acks their answers.
        with self._metrics.compile_seconds.time():
            compiled, prepared = await asyncio.to_thread(_compile, inputs)
        for scope, snapshot in prepared.items():
            renewed = self._renewed(compiled.renewed.get(scope, frozenset()), credentials)
            if self._hub.publish(snapshot, dict(world.seen), renewed):
                self._metrics.published.labels("gateway" if scope == GATEWAY_SCOPE else "sidecar").inc()
                _log.info("published %s to %s", snapshot.version, scope)
        self._outcome, self._awaited = _Outcome(world, compiled.verdicts), (_NOT_MADE,)
        self._moved.set()
        return True

    def _renewed(
        self, providers: Iterable[ProviderKey], gathered: Mapping[ProviderKey, CredentialState]
    ) -> dict[ProviderKey, Credential]:
        """What goes beside a snapshot, as it is now: another may have been issued while this was compiled."""
        newest = {
            provider: self._credentials.issued(provider) or gathered[provider].credential for provider in providers
        }
        return {provider: credential for provider, credential in newest.items() if credential is not None}

    def _must_wait(
        self, wanted: Mapping[ProviderKey, SignIn], surveyed: Mapping[ProviderKey, accounts.Discovery]
    ) -> bool:
        now = self._clock.monotonic()
        if self._barrier_ends is None:
            self._barrier_ends = now + _BARRIER_S
        pending = self._credentials.pending(wanted) or gather.pending(
            surveyed, self._credentials.values, self._accounts
        )
        return pending and now < self._barrier_ends

    def _await(self, what: str) -> None:
        """Notes what nothing can be published without, and tells it once a minute while it lasts."""
        now = self._clock.monotonic()
        if not self._awaited:
            self._remind_at = now + _BARRIER_S
        self._awaited = (what,)
        if now >= self._remind_at:
            self._remind_at = now + _REMIND_S
            _log.warning("nothing is published yet: %s", what)

    async def _report(self) -> None:
        while True:
            await self._moved.wait()
            self._moved.clear()
            try:
                if self._outcome is not None and self._reporting():
                    self._status.update(self._observe(self._outcome))
            except Exception:
                _log.exception("status could not be made up; the next change tries again")
            await asyncio.sleep(_REPORT_DEBOUNCE_S)

    def _with_times(self, key: ResourceKey, verdict: Verdict) -> Verdict:
        """Adds what changes without a compilation."""
        if key.kind is not Kind.PROVIDER:
            return verdict
        return self._with_life(key, self._with_list(key, verdict))

    def _with_list(self, key: ResourceKey, verdict: Verdict) -> Verdict:
        """When a provider's account was last listed."""
        listed_at = self._accounts.read(ProviderKey(f"{key.namespace}/{key.name}")).listed_at
        if "discovery" not in verdict.facts or not listed_at:
            return verdict
        listed = {**verdict.facts["discovery"], "lastSucceeded": timestamp(listed_at)}
        return replace(verdict, facts={**verdict.facts, "discovery": listed})

    def _with_life(self, key: ResourceKey, verdict: Verdict) -> Verdict:
        """When a provider's credential was issued and when it ends."""
        if "credential" not in verdict.facts:
            return verdict
        brokered = self._broker.read(ProviderKey(f"{key.namespace}/{key.name}"))
        if brokered.issued is None:
            return verdict
        life = {"renewedAt": timestamp(brokered.issued_at), "expiresAt": timestamp(brokered.issued.expires_at)}
        if brokered.issued.note:
            life["note"] = brokered.issued.note
        return replace(verdict, facts={**verdict.facts, "credential": {**verdict.facts["credential"], **life}})

    def _observe(self, outcome: _Outcome) -> Observation:
        now = self._clock.monotonic()
        elsewhere = self._elsewhere()
        if not _with_streams(elsewhere.fleets) <= self._hub.histories.keys():
            self.changed()
        reports = usage.newest([self._hub.reports(now), *elsewhere.reports])
        unknown = usage.unknown(reports)
        return Observation(
            world=outcome.world,
            verdicts={
                key: _with_unknown(self._with_times(key, verdict), unknown.get(key, ()))
                for key, verdict in outcome.verdicts.items()
            },
            rollouts=fleet.rollouts(
                histories=self._hub.histories,
                views=[self._hub.fleet(), *elsewhere.fleets],
                unreachable=elsewhere.unreachable,
            ),
            usage=usage.usage(reports),
        )


def _with_unknown(verdict: Verdict, things: tuple[Unknown, ...]) -> Verdict:
    """Adds what proxies have met in a provider's answers: that changes without a compilation."""
    if not things:
        return verdict
    told = [{"dialect": thing.dialect, "what": thing.what} for thing in things]
    return replace(verdict, facts={**verdict.facts, "unknown": told})


def _with_streams(fleets: Iterable[fleet.FleetView]) -> frozenset[Scope]:
    return frozenset(
        scope
        for view in fleets
        for scope, proxies in view.scopes.items()
        if any(proxy.connected for proxy in proxies.values())
    )


def _compile(inputs: Inputs) -> tuple[Compiled, dict[Scope, hub.Prepared]]:
    compiled = compiler.compile_world(inputs)
    return compiled, dict(_prepare(compiled))


def _prepare(compiled: Compiled) -> Iterable[tuple[Scope, hub.Prepared]]:
    for scope, snapshot in compiled.snapshots.items():
        try:
            yield scope, hub.prepare(snapshot)
        except Exception:
            _log.exception("the snapshot of %s could not be encoded; its proxies keep what they have", scope)
