"""The leader reads what other replicas know of their proxies, over real TLS."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import cast

import pytest

from pilothouse_api.names import GATEWAY_SCOPE, QuotaKey
from pilothouse_api.snapshot.quotas import Per, Quota
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from pilothouse_api.snapshot.stream import Ack, AckState, LimitUse, Report, Subject
from pilothouse_operator.distribution.hub import Hub, prepare
from pilothouse_operator.distribution.keyring import Keyring
from pilothouse_operator.distribution.peers import Peers
from pilothouse_operator.distribution.server import ControlServer
from pilothouse_operator.kube import resources
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import ProxyIdentity
from tests.integration.operator.control import Clock, Names, until
from tests.unit.operator.distribution.api import Objects

SUBJECT = Subject(namespace="pilothouse", service_account="gateway")
GATEWAY = ProxyIdentity(scope=GATEWAY_SCOPE, subject=SUBJECT, pod="gw", pod_uid="uid", expires=time.time() + 999)
QUOTA = Quota(namespace="a", generation=1, per=Per.SUBJECT, limits=())
PREPARED = prepare(Snapshot(schema=SCHEMA, scope=GATEWAY_SCOPE, quotas={QuotaKey("a/b"): QUOTA}))


def keyring(objects: Objects) -> Keyring:
    return Keyring(
        api=cast(Api, objects),
        namespace="pilothouse",
        secret="operator-tls",
        names=("operator.pilothouse.svc",),
        clock=Clock(),
        metrics=Metrics(),
        is_leader=lambda: True,
    )


@asynccontextmanager
async def replica(objects: Objects, name: str) -> AsyncIterator[Hub]:
    """Serves a hub as `name`, and stands in the EndpointSlices as it."""
    hub, ring = Hub(replica=name, boot=name), keyring(objects)
    server = ControlServer(hub=hub, verifier=Names(), clock=Clock(), rng=Random(1), peer_key=lambda: ring.peer_key)
    async with server.listening(host="127.0.0.1", port=0, tls=await ring.ready()) as port:
        objects.add(
            resources.ENDPOINT_SLICES,
            "pilothouse",
            name,
            labels={"kubernetes.io/service-name": "operator"},
            addressType="IPv4",
            ports=[{"name": "metrics", "port": 1}, {"name": "control", "port": port}],
            endpoints=[{"addresses": ["127.0.0.1"], "targetRef": {"name": name}, "conditions": {"ready": True}}],
        )
        yield hub


@pytest.fixture
async def objects() -> Objects:
    return Objects()


@asynccontextmanager
async def reading(objects: Objects, changed: asyncio.Event) -> AsyncIterator[Peers]:
    ring = keyring(objects)
    await ring.ready()
    peers = Peers(
        api=cast(Api, objects),
        keyring=ring,
        namespace="pilothouse",
        service="operator",
        replica="leader",
        clock=Clock(),
        is_leader=lambda: True,
        changed=changed.set,
    )
    task = asyncio.create_task(peers.run())
    try:
        yield peers
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_acks_and_reports_of_another_replica_arrive(objects: Objects) -> None:
    changed = asyncio.Event()
    async with replica(objects, "other") as hub, replica(objects, "leader"), reading(objects, changed) as peers:
        hub.publish(PREPARED, {})
        hub.attach(GATEWAY, wake=lambda: None, now=0)
        use = LimitUse(resource="Requests", window="1m", used=1, counters=1)
        hub.report(GATEWAY, Report(boot="1", sequence=1, quotas={QuotaKey("a/b"): (use,)}), now=time.monotonic())
        await until(lambda: bool(peers.fleets) and bool(peers.fleets[0].scopes))
        assert [view.replica for view in peers.fleets] == ["other"]
        assert peers.fleets[0].scopes[GATEWAY_SCOPE]["uid"].connected
        await until(lambda: bool(peers.reports[0].reports))
        assert peers.reports[0].reports["uid"].quotas == {QuotaKey("a/b"): (use,)}
        changed.clear()
        hub.ack(GATEWAY, Ack(version=PREPARED.version, state=AckState.APPLIED), now=0)
        await changed.wait()
        assert peers.fleets[0].scopes[GATEWAY_SCOPE]["uid"].applied == PREPARED.version


async def test_a_replica_that_does_not_answer_is_unreachable_and_one_that_left_is_not(objects: Objects) -> None:
    changed = asyncio.Event()
    async with reading(objects, changed) as peers:
        async with replica(objects, "other"):
            await until(lambda: bool(peers.fleets))
        await until(lambda: peers.unreachable == ("other",))
        assert not peers.fleets
        del objects.stored["endpointslices", "pilothouse", "other"]
        await until(lambda: not peers.unreachable)
