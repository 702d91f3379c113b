"""The loop: what it waits for, what it survives, and what it never takes back."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, RouteKey, UpstreamModel, sidecar_scope
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import AccessKey
from pilothouse_api.snapshot.identity import Identity, KeyHolder
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_api.snapshot.stream import Refusal, Renewal, Report, Subject, Unknown
from pilothouse_operator.compile.discovered import FoundModel
from pilothouse_operator.compile.world import IdentityAccess, Kind, Resource, ResourceKey, World
from pilothouse_operator.distribution import hub
from pilothouse_operator.distribution.hub import Hub, Prepared
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import (
    Brokered,
    Changed,
    Fault,
    Issued,
    Observation,
    ProxyIdentity,
    Rollout,
    SecretAbsent,
    SecretContent,
    SecretState,
    Surveyed,
)
from pilothouse_operator.reconciler import Elsewhere, Reconciler, Sources
from tests.unit.operator.outside import Counter, Storehouse, Surveyor

CALLERS = Identity(api_keys={"00": KeyHolder(namespace="default", user="ci")})
PROVIDER = {
    "openAI": {"baseURL": "https://example.com/v1", "auth": {"apiKey": {"secretKeyRef": {"name": "keys", "key": "k"}}}}
}
ROUTE = {"models": ["chat"], "targets": [{"providerRef": {"name": "p"}}]}


def resource(kind: Kind, name: str, spec: dict[str, Any], *, generation: int = 1) -> Resource:
    return Resource(
        key=ResourceKey(kind, "default", name),
        uid=f"{kind}-{name}",
        resource_version=str(generation),
        generation=generation,
        created="2026-01-01T00:00:00Z",
        spec=spec,
    )


def world(*resources: Resource, seen: str = "1") -> World:
    return World(
        resources={item.key: item for item in resources},
        namespaces={"default": {}},
        seen={kind.plural: seen for kind in Kind},
    )


FULL = world(resource(Kind.PROVIDER, "p", PROVIDER), resource(Kind.ROUTE, "chat", ROUTE))


class Outside:
    """All that surrounds a reconciler, as plain values; `clock` is only moved by the test."""

    def __init__(self) -> None:
        self.world: World | None = FULL
        self.identity: Identity | None = CALLERS
        self.problems: tuple[Problem, ...] = ()
        self.content: SecretContent | SecretAbsent = SecretContent(values={"k": Secret("sesame")})
        self.now = 0.0
        self.observations: list[Observation] = []
        self.broken: Exception | None = None
        self.counter = Counter()
        self.surveyor = Surveyor()

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    def want(self, references: frozenset[tuple[str, str]]) -> None:
        if self.broken:
            raise self.broken

    def read(self, namespace: str, name: str) -> SecretContent | SecretAbsent:
        return self.content

    def update(self, observation: Observation) -> None:
        self.observations.append(observation)

    async def run(self, changed: Changed | None = None) -> None:
        await asyncio.Event().wait()


class Running:
    """A reconciler at work, and its hub."""

    def __init__(self, outside: Outside, elsewhere: Callable[[], Elsewhere]) -> None:
        self.outside = outside
        self.hub = Hub(replica="r", boot="b")
        self.reconciler = Reconciler(
            sources=Sources(
                resources=outside,
                secrets=outside,
                stored=Storehouse(),
                broker=outside.counter,
                accounts=outside.surveyor,
                callers=outside,
                access=IdentityAccess(),
            ),
            distribution=self.hub,
            status=outside,
            clock=outside,
            metrics=Metrics(),
            elsewhere=elsewhere,
        )

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.005)

    async def settle(self) -> None:
        """Gives it time for several passes."""
        await asyncio.sleep(0.3)

    @property
    def gateway(self) -> Snapshot | None:
        history = self.hub.histories.get(GATEWAY_SCOPE)
        return history.snapshot if history else None


@contextlib.asynccontextmanager
async def running(outside: Outside, elsewhere: Callable[[], Elsewhere] = Elsewhere) -> AsyncIterator[Running]:
    it = Running(outside, elsewhere)
    task = asyncio.create_task(it.reconciler.run())
    try:
        yield it
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_what_is_there_is_published() -> None:
    async with running(Outside()) as it:
        await it.until(lambda: it.gateway)
        assert it.gateway is not None
        assert RouteKey("default/chat") in it.gateway.routes
        assert ProviderKey("default/p") in it.gateway.credentials
        assert it.gateway.identity == CALLERS


async def test_nothing_is_published_before_the_world_is_complete() -> None:
    outside = Outside()
    outside.world = None
    async with running(outside) as it:
        await it.settle()
        assert not it.hub.open
        assert not it.reconciler.synced
        outside.world = FULL
        it.reconciler.changed()
        await it.until(lambda: it.gateway)


async def test_the_first_snapshot_waits_for_secrets_that_nobody_has_read_yet() -> None:
    outside = Outside()
    outside.content = SecretAbsent(state=SecretState.PENDING, message="")
    async with running(outside) as it:
        await it.settle()
        assert not it.hub.open
        outside.content = SecretContent(values={"k": Secret("sesame")})
        await it.until(lambda: it.gateway)


async def test_a_store_that_never_answers_delays_its_own_provider_only() -> None:
    outside = Outside()
    outside.content = SecretAbsent(state=SecretState.PENDING, message="")
    async with running(outside) as it:
        await it.settle()
        outside.now = 11.0
        await it.until(lambda: it.gateway)
        assert it.gateway is not None
        assert not it.gateway.credentials


async def test_nothing_is_published_while_callers_are_unknown(caplog: pytest.LogCaptureFixture) -> None:
    """A gateway would refuse everybody; ready means that every scope is served."""
    outside = Outside()
    outside.identity = None
    async with running(outside) as it:
        await it.settle()
        outside.now = 100.0
        await it.until(lambda: "who may call gateways is not known" in caplog.text)
        assert not it.hub.open
        assert not it.reconciler.synced
        assert "who may call gateways" in it.reconciler.missing[0]
        outside.identity = CALLERS
        await it.until(lambda: it.gateway)
        assert it.hub.open
        assert it.reconciler.synced
        assert not it.reconciler.missing


async def test_a_first_configuration_that_cannot_be_encoded_makes_nobody_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(snapshot: Snapshot) -> Prepared:
        raise RuntimeError("no bytes today")

    monkeypatch.setattr(hub, "prepare", refuse)
    outside = Outside()
    async with running(outside) as it:
        await it.until(lambda: outside.observations)
        assert not it.reconciler.synced
        assert it.reconciler.missing == ("no configuration could be made: the log says why",)
        monkeypatch.undo()
        it.reconciler.changed()
        await it.until(lambda: it.reconciler.synced)


async def test_proxies_that_only_another_replica_serves_are_counted() -> None:
    outside, theirs = Outside(), Hub(replica="other", boot="b")
    scope = sidecar_scope("default")
    who = Subject(namespace="default", service_account="app")
    proxy = ProxyIdentity(scope=scope, subject=who, pod="app", pod_uid="app", expires=1e9)
    theirs.attach(proxy, wake=lambda: None, now=0)
    async with running(outside, elsewhere=lambda: Elsewhere(fleets=(theirs.fleet(),))) as it:
        await it.until(lambda: it.hub.histories.get(scope) and it.hub.histories[scope].current)
        version = it.hub.histories[scope].current
        assert version is not None
        theirs.report(proxy, Report(boot="1", sequence=1, applied=version), now=0)
        it.reconciler.moved()
        route = ResourceKey(Kind.ROUTE, "default", "chat")
        counted = Rollout(applied=1, total=1)
        await it.until(lambda: any(each.rollouts.get(route) == counted for each in outside.observations))


async def test_what_proxies_could_not_translate_is_in_the_status_of_the_provider() -> None:
    outside = Outside()
    async with running(outside) as it:
        scope = sidecar_scope("default")
        who = Subject(namespace="default", service_account="app")
        proxy = ProxyIdentity(scope=scope, subject=who, pod="app", pod_uid="app", expires=1e9)
        it.hub.attach(proxy, wake=lambda: None, now=0)
        await it.until(lambda: it.hub.histories.get(scope) and it.hub.histories[scope].current)
        provider = ProviderKey(f"{PROVIDER_KEY.namespace}/{PROVIDER_KEY.name}")
        met = {provider: (Unknown(dialect="bedrock.converse", what="video"),)}
        it.hub.report(proxy, Report(boot="1", sequence=1, unknown=met), now=0)
        told = [{"dialect": "bedrock.converse", "what": "video"}]
        await it.until(
            lambda: any(each.verdicts[PROVIDER_KEY].facts.get("unknown") == told for each in outside.observations)
        )


async def test_what_is_awaited_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    outside = Outside()
    outside.identity = None
    async with running(outside) as it:
        for outside.now in (0.0, 11.0, 30.0, 72.0):
            await it.settle()
    assert caplog.text.count("nothing is published yet") == 2


async def test_a_pass_that_fails_takes_nothing_back_and_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    outside = Outside()
    async with running(outside) as it:
        await it.until(lambda: it.gateway)
        before = it.gateway
        outside.broken = RuntimeError("no luck")
        it.reconciler.changed()
        await it.until(lambda: "a pass over the configuration failed" in caplog.text)
        assert it.gateway is before
        outside.broken = None
        outside.world = world(*FULL.resources.values(), resource(Kind.ROUTE, "new", {**ROUTE, "models": ["new"]}))
        it.reconciler.changed()
        await it.until(lambda: it.gateway is not None and RouteKey("default/new") in it.gateway.routes)


async def test_a_later_view_of_the_same_configuration_publishes_nothing() -> None:
    outside = Outside()
    async with running(outside) as it:
        await it.until(lambda: it.gateway)
        before = it.gateway
        outside.world = world(*FULL.resources.values(), seen="2")
        it.reconciler.changed()
        await it.settle()
        assert it.gateway is before


async def test_every_pass_is_observed_with_the_world_it_was_made_of() -> None:
    outside = Outside()
    async with running(outside) as it:
        await it.until(lambda: outside.observations)
        assert outside.observations[-1].world is FULL
        assert set(outside.observations[-1].verdicts) == set(FULL.resources)


async def test_a_status_that_cannot_be_made_up_does_not_stop_publishing() -> None:
    outside = Outside()

    def refuse(observation: Observation) -> None:
        raise RuntimeError("no status today")

    outside.update = refuse  # type: ignore[method-assign]
    async with running(outside) as it:
        await it.until(lambda: it.gateway)
        outside.content = SecretContent(values={"k": Secret("rotated")})
        it.reconciler.changed()
        await it.until(lambda: it.gateway and b"rotated" in msgspec.json.encode(_revealed(it.gateway)))


def _revealed(snapshot: Snapshot) -> dict[str, str]:
    return {key: credential.key.reveal() for key, credential in snapshot.credentials.items()}  # type: ignore[union-attr]


SESSIONS = {"bedrock": {"region": "eu-west-1", "auth": {"default": {}}}}
BROKERED = world(resource(Kind.PROVIDER, "p", SESSIONS), resource(Kind.ROUTE, "chat", ROUTE))
P = ProviderKey("default/p")
PROVIDER_KEY = ResourceKey(Kind.PROVIDER, "default", "p")


def session(number: int) -> Brokered:
    credential = AccessKey(
        access_key_id=f"ASIAEXAMPLE{number:09}",
        secret_access_key=Secret("s"),
        session_token=Secret("t"),
        expires_at=3_600,
    )
    return Brokered(issued=Issued(credential=credential, expires_at=3_600.0), issued_at=float(number))


def attached(it: Running) -> hub.Subscription:
    subject = Subject(namespace="default", service_account="gateway")
    identity = ProxyIdentity(scope=GATEWAY_SCOPE, subject=subject, pod="pod", pod_uid="uid", expires=1e9)
    return it.hub.attach(identity, wake=lambda: None, now=0.0)


def credentials(stream: hub.Subscription) -> list[str]:
    """Ids of the access keys that the stream's next lines bring."""
    taken = stream.take()
    lines = [canonical.decode_line(line) for line in (taken.lines if taken else ())]
    renewals = [line for line in lines if isinstance(line, Renewal)]
    return [key.access_key_id for line in renewals for key in line.credentials.values() if isinstance(key, AccessKey)]


async def test_a_renewed_credential_goes_out_without_another_pass() -> None:
    outside = Outside()
    outside.world = BROKERED
    outside.counter.brokered[P] = session(1)
    async with running(outside) as it:
        await it.until(lambda: it.gateway)
        assert it.gateway is not None
        assert P in it.gateway.providers
        assert P not in it.gateway.credentials
        stream = attached(it)
        assert credentials(stream) == ["ASIAEXAMPLE000000001"]
        version = it.hub.histories[GATEWAY_SCOPE].current
        outside.counter.brokered[P] = session(2)
        it.reconciler.renewed(P)
        assert credentials(stream) == ["ASIAEXAMPLE000000002"]
        await it.settle()
        assert it.hub.histories[GATEWAY_SCOPE].current == version


async def test_status_says_when_a_credential_was_renewed_and_when_it_ends() -> None:
    outside = Outside()
    outside.world = BROKERED
    outside.counter.brokered[P] = session(1)

    def life() -> Any:
        return outside.observations and outside.observations[-1].verdicts[PROVIDER_KEY].facts["credential"]

    async with running(outside) as it:
        await it.until(lambda: life() and life().get("renewedAt") == "1970-01-01T00:00:01Z")
        assert life()["expiresAt"] == "1970-01-01T01:00:00Z"
        outside.counter.brokered[P] = session(2)
        it.reconciler.renewed(P)
        await it.until(lambda: life()["renewedAt"] == "1970-01-01T00:00:02Z")


async def test_a_proxys_refusal_reaches_the_broker() -> None:
    outside = Outside()
    outside.world = BROKERED
    outside.counter.brokered[P] = session(1)
    async with running(outside) as it:
        await it.until(lambda: it.gateway)
        issued = session(1).issued
        assert issued is not None
        fingerprint = canonical.fingerprint(issued.credential)
        it.hub.refuse(attached(it).identity, Refusal(provider=P, fingerprint=fingerprint))
        assert outside.counter.refusals == [(P, fingerprint)]


async def test_the_first_snapshot_waits_for_credentials_that_no_cloud_has_issued_yet() -> None:
    outside = Outside()
    outside.world = BROKERED
    async with running(outside) as it:
        await it.settle()
        assert not it.hub.open
        outside.counter.brokered[P] = session(1)
        await it.until(lambda: it.gateway)


async def test_an_operator_that_starts_while_a_cloud_is_away_has_proxies_keep_what_they_have() -> None:
    outside = Outside()
    outside.world = BROKERED
    outside.counter.brokered[P] = Brokered(fault=Fault("STS is away", reason=Reason.SIGN_IN_UNAVAILABLE, passing=True))
    async with running(outside) as it:
        await it.until(lambda: it.gateway)
        assert it.gateway is not None
        assert P in it.gateway.providers
        assert it.gateway.routes[RouteKey("default/chat")].targets
        stream, version = attached(it), it.hub.histories[GATEWAY_SCOPE].current
        assert credentials(stream) == []
        outside.counter.brokered[P] = session(1)
        it.reconciler.changed()
        await it.settle()
        assert credentials(stream) == ["ASIAEXAMPLE000000001"]
        assert it.hub.histories[GATEWAY_SCOPE].current == version


LISTED = {"openAI": {"baseURL": "http://vllm:8000/v1"}, "discovery": {}}
DISCOVERING = world(resource(Kind.PROVIDER, "p", LISTED), resource(Kind.ROUTE, "chat", ROUTE))
P = ProviderKey("default/p")
FOUND = Surveyed(models=(FoundModel(name="chat", upstream=UpstreamModel("chat")),), listed_at=60.0)


async def test_the_first_snapshot_waits_for_accounts_that_have_not_answered_yet() -> None:
    """Else a restart of the operator would take from proxies what they have."""
    outside = Outside()
    outside.world = DISCOVERING
    async with running(outside) as it:
        await it.settle()
        assert not it.hub.open
        assert outside.surveyor.wanted.keys() == {P}
        outside.surveyor.surveyed[P] = FOUND
        await it.until(lambda: it.gateway)
        assert it.gateway is not None
        assert list(it.gateway.providers[P].models) == ["chat"]
        assert not it.gateway.providers[P].unlisted


async def test_an_account_that_never_answers_is_served_unlisted() -> None:
    outside = Outside()
    outside.world = DISCOVERING
    async with running(outside) as it:
        await it.settle()
        outside.now = 11.0
        await it.until(lambda: it.gateway)
        assert it.gateway is not None
        assert it.gateway.providers[P].unlisted


async def test_a_list_s_time_is_told_without_another_compilation() -> None:
    outside = Outside()
    outside.world = DISCOVERING
    outside.surveyor.surveyed[P] = FOUND
    key = ResourceKey(Kind.PROVIDER, "default", "p")

    def told(at: str) -> bool:
        return any(
            shown.verdicts[key].facts["discovery"].get("lastSucceeded") == at for shown in outside.observations[-1:]
        )

    async with running(outside) as it:
        await it.until(lambda: told("1970-01-01T00:01:00Z"))
        before = it.gateway
        outside.surveyor.surveyed[P] = dataclasses.replace(FOUND, listed_at=120.0)
        it.reconciler.moved()
        await it.until(lambda: told("1970-01-01T00:02:00Z"))
        assert it.gateway is before
