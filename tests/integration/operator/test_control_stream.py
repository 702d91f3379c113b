"""Manifests on disk to lines of the control stream, over real TLS."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, QuotaKey, RouteKey, Scope, SnapshotVersion, sidecar_scope
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import APIKey
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from pilothouse_api.snapshot.providers import Connection, Provider
from pilothouse_api.snapshot.stream import Ack, AckState, Hello, LimitUse, Publication, Report, Subject
from pilothouse_operator.compile.world import Kind, ResourceKey
from pilothouse_operator.distribution import server
from pilothouse_operator.distribution.fleet import FleetView
from pilothouse_operator.distribution.hub import Prepared, prepare
from pilothouse_operator.ports import ProxyIdentity
from pilothouse_operator.reconciler import Elsewhere
from tests.integration.operator.control import Replica, replica, until

CHAT = ResourceKey(Kind.ROUTE, "team-a", "chat")

PROVIDER = """
apiVersion: v1
kind: Secret
metadata: {name: azure, namespace: team-a}
stringData: {key: sesame}
---
apiVersion: pilothouse.dev/v1alpha1
kind: LLMProvider
metadata: {name: azure, namespace: team-a}
spec:
  azureOpenAI:
    endpoint: https://example.openai.azure.com
    auth: {apiKey: {secretKeyRef: {name: azure, key: key}}}
"""

ROUTE = """
apiVersion: pilothouse.dev/v1alpha1
kind: ModelRoute
metadata: {name: chat, namespace: team-a}
spec:
  models: [MODEL]
  targets: [{providerRef: {name: azure}, model: gpt}]
"""


def identity(pod: str, scope: Scope = GATEWAY_SCOPE, *, expires: float | None = None) -> ProxyIdentity:
    return ProxyIdentity(
        scope=scope,
        subject=Subject(namespace="team-a", service_account="app"),
        pod=pod,
        pod_uid=f"uid-{pod}",
        expires=time.time() + 3_600 if expires is None else expires,
    )


@pytest.fixture
def manifests(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "manifests"
    root.mkdir()
    (root / "provider.yaml").write_text(PROVIDER)
    write_route(root, "chat")
    yield root


def write_route(root: Path, model: str) -> None:
    (root / "route.yaml").write_text(ROUTE.replace("MODEL", model))


@pytest.fixture
async def served(manifests: Path) -> AsyncIterator[Replica]:
    async with replica(manifests) as running:
        running.names.known["gateway"] = identity("gateway-1")
        running.names.known["app"] = identity("app-1", sidecar_scope("team-a"))
        running.names.known["foreign"] = identity("foreign-1", sidecar_scope("team-b"))
        await until(lambda: running.reconciler.synced)
        yield running


async def test_a_stream_greets_and_then_sends_the_scopes_snapshot(served: Replica) -> None:
    async with served.stream(token="gateway") as stream:
        hello = await stream.line()
        assert hello == Hello(
            scope=GATEWAY_SCOPE,
            subject=Subject(namespace="team-a", service_account="app"),
            replica="replica-0",
        )
        publication = await stream.publication()
    assert canonical.version(publication.snapshot) == publication.version
    snapshot = canonical.decode(publication.snapshot)
    assert snapshot.routes[RouteKey("team-a/chat")].models == ("chat",)
    assert snapshot.credentials[ProviderKey("team-a/azure")] == APIKey(key=Secret("sesame"))


async def test_an_edit_is_pushed(served: Replica, manifests: Path) -> None:
    async with served.stream(token="gateway") as stream:
        first = await stream.publication()
        write_route(manifests, "renamed")
        second = await stream.publication()
    assert second.version != first.version
    assert canonical.decode(second.snapshot).routes[RouteKey("team-a/chat")].models == ("renamed",)
    assert int(second.seen["modelroutes"]) > int(first.seen["modelroutes"])


async def test_a_rotated_secret_is_pushed(served: Replica, manifests: Path) -> None:
    async with served.stream(token="gateway") as stream:
        await stream.publication()
        (manifests / "provider.yaml").write_text(PROVIDER.replace("sesame", "rotated"))
        pushed = canonical.decode((await stream.publication()).snapshot)
    assert pushed.credentials[ProviderKey("team-a/azure")] == APIKey(key=Secret("rotated"))


async def test_a_new_scope_is_compiled_on_demand(served: Replica) -> None:
    async with served.stream(token="app") as stream:
        snapshot = canonical.decode((await stream.publication()).snapshot)
    assert snapshot.scope == sidecar_scope("team-a")
    assert RouteKey("team-a/chat") in snapshot.routes


async def test_a_scope_holds_nothing_of_other_namespaces(served: Replica) -> None:
    async with served.stream(token="foreign") as stream:
        snapshot = canonical.decode((await stream.publication()).snapshot)
    assert not snapshot.routes
    assert not snapshot.credentials


async def test_the_scope_is_the_tokens_whatever_the_proxy_asks(served: Replica) -> None:
    headers = {"authorization": "Bearer foreign", "x-scope": "gateway"}
    async with served.client.get(served.url("/v1/snapshots?scope=gateway"), headers=headers) as answer:
        line = msgspec.json.decode(await answer.content.readline(), type=Hello)
    assert line.scope == sidecar_scope("team-b")


async def test_a_bad_resource_leaves_the_others_and_says_why(served: Replica, manifests: Path) -> None:
    async with served.stream(token="gateway") as stream:
        await stream.publication()
        bad = ROUTE.replace("name: chat", "name: bad").replace("MODEL", "x").replace("models:", "modles:")
        (manifests / "bad.yaml").write_text(bad)
        key = ResourceKey(Kind.ROUTE, "team-a", "bad")
        await until(lambda: key in served.shown.observations[-1].verdicts)
        verdict = served.shown.observations[-1].verdicts[key]
        assert any(condition.status == "False" for condition in verdict.conditions)
        write_route(manifests, "still-served")
        snapshot = canonical.decode((await stream.publication()).snapshot)
    assert set(snapshot.routes) == {RouteKey("team-a/chat")}


async def test_acks_reach_the_rollout(served: Replica, manifests: Path) -> None:
    async with served.stream(token="gateway") as stream:
        version = (await stream.publication()).version
        assert await served.post("/v1/acks", Ack(version=version, state=AckState.APPLIED), token="gateway") == 204
        await until(lambda: served.shown.observations[-1].rollouts[CHAT].applied == 1)
        write_route(manifests, "renamed")
        version = (await stream.publication()).version
        await until(lambda: served.shown.observations[-1].rollouts[CHAT].applied == 0)
        refusal = Ack(version=version, state=AckState.REJECTED, path="routes.team-a/chat", reason="too new")
        assert await served.post("/v1/acks", refusal, token="gateway") == 204
        await until(lambda: served.shown.observations[-1].rollouts[CHAT].rejection is not None)
    rejection = served.shown.observations[-1].rollouts[CHAT].rejection
    assert rejection is not None
    assert rejection.reason == "too new"


async def test_a_dropped_stream_leaves_the_counts(served: Replica) -> None:
    async with served.stream(token="gateway") as stream:
        await stream.publication()
        await until(lambda: served.shown.observations[-1].rollouts[CHAT].total == 1)
    await until(lambda: served.shown.observations[-1].rollouts[CHAT].total == 0)


async def test_an_ack_of_an_unknown_version_is_told_so(served: Replica) -> None:
    ack = Ack(version=SnapshotVersion("sha256:00"), state=AckState.APPLIED)
    assert await served.post("/v1/acks", ack, token="gateway") == 409
    assert served.hub.take_acks() == {"unknown": 1}


async def test_a_flood_of_acks_is_stopped(served: Replica) -> None:
    ack = Ack(version=SnapshotVersion("sha256:00"), state=AckState.APPLIED)
    statuses = [await served.post("/v1/acks", ack, token="gateway") for _ in range(120)]
    assert 429 in statuses
    assert await served.post("/v1/acks", ack, token="app") == 409


QUOTA = """
apiVersion: pilothouse.dev/v1alpha1
kind: UsageQuota
metadata: {name: q, namespace: team-a}
spec: {per: Subject, limits: [{resource: Requests, amount: 5, window: 1m}]}
"""


async def test_reports_reach_the_usage(served: Replica, manifests: Path) -> None:
    (manifests / "quota.yaml").write_text(QUOTA)
    quota = QuotaKey("team-a/q")
    use = LimitUse(resource="Requests", window="1m", used=3, counters=1)
    report = Report(boot="1", sequence=1, quotas={quota: (use,)})
    for _ in range(2):
        assert await served.post("/v1/reports", report, token="gateway") == 204
    key = ResourceKey(Kind.QUOTA, "team-a", "q")
    await until(lambda: served.shown.observations and key in served.shown.observations[-1].usage)
    assert served.shown.observations[-1].usage[key].limits == (use,)


@pytest.mark.parametrize("path", ["/v1/acks", "/v1/reports"])
@pytest.mark.parametrize(
    "body",
    [
        {"version": 1},
        [],
        {"boot": "1"},
        {
            "boot": "1",
            "sequence": 1,
            "quotas": {"a/b": [{"resource": "Requests", "window": "1m", "used": -1, "counters": 1}]},
        },
    ],
)
async def test_a_malformed_body_is_a_400(served: Replica, path: str, body: object) -> None:
    assert await served.post(path, body, token="gateway") == 400


async def test_an_oversized_ack_is_refused(served: Replica) -> None:
    ack = Ack(version=SnapshotVersion("v"), state=AckState.REJECTED, reason="x" * 10_000)
    assert await served.post("/v1/acks", ack, token="gateway") == 413


@pytest.mark.parametrize("token", ["", "stranger"])
async def test_a_stranger_is_refused_without_detail(served: Replica, token: str) -> None:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    for method, path in (("GET", "/v1/snapshots"), ("POST", "/v1/acks"), ("POST", "/v1/reports")):
        async with served.client.request(method, served.url(path), headers=headers) as answer:
            assert answer.status == 401
            assert await answer.json() == {"message": "token refused"}


async def test_nobody_is_refused_while_tokens_cannot_be_verified(served: Replica) -> None:
    served.names.away = True
    async with served.client.get(served.url("/v1/snapshots"), headers={"authorization": "Bearer gateway"}) as answer:
        assert answer.status == 503
        assert answer.headers["retry-after"]


async def test_a_stream_ends_with_its_token(served: Replica) -> None:
    served.names.known["brief"] = identity("brief-1", expires=time.time() + 1)
    async with served.stream(token="brief") as stream:
        while await stream.line() is not None:
            pass


async def test_peers_see_the_fleet_by_their_key_only(served: Replica) -> None:
    headers = {"authorization": "Bearer between replicas"}
    async with served.stream(token="gateway") as stream:
        version = (await stream.publication()).version
        await served.post("/v1/acks", Ack(version=version, state=AckState.APPLIED), token="gateway")
        async with served.client.get(served.url("/v1/peers/acks"), headers=headers) as answer:
            view = msgspec.json.decode(await answer.read(), type=FleetView)
        assert view.scopes[GATEWAY_SCOPE]["uid-gateway-1"].applied == version
        async with served.client.get(served.url(f"/v1/peers/acks?revision={view.revision}"), headers=headers) as answer:
            assert answer.status == 304
    for path in ("/v1/peers/acks", "/v1/peers/reports"):
        async with served.client.get(served.url(path), headers={"authorization": "Bearer gateway"}) as answer:
            assert answer.status == 401


async def test_what_other_replicas_say_is_counted(served: Replica) -> None:
    served.elsewhere[0] = Elsewhere(fleets=(), unreachable=("replica-1",))
    served.reconciler.moved()
    await until(lambda: served.shown.observations[-1].rollouts[CHAT].unreachable == ("replica-1",))


async def test_a_replica_that_never_synced_serves_no_snapshot(manifests: Path) -> None:
    async with replica(manifests, reads=False) as running:
        running.names.known["gateway"] = identity("gateway-1")
        with pytest.raises(aiohttp.ClientResponseError) as refused:
            async with running.stream(token="gateway"):
                pass
    assert refused.value.status == 503


def large(served: Replica, number: int) -> Prepared:
    """Three megabytes: more than sockets buffer."""
    snapshot = served.hub.histories[GATEWAY_SCOPE].snapshot
    assert snapshot is not None
    padding = Provider(
        endpoint=OpenAIEndpoint(url=f"http://{number}"), connection=Connection(ca_bundle="x" * 3_000_000)
    )
    return prepare(msgspec.structs.replace(snapshot, providers={ProviderKey("team-a/padding"): padding}))


async def narrow(served: Replica) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream of the gateway's whose reader has little room, and does not read by itself."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    raw.connect(("127.0.0.1", served.port))
    reader, writer = await asyncio.open_connection(sock=raw, ssl=context, server_hostname="localhost", limit=2**16)
    writer.write(b"GET /v1/snapshots HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer gateway\r\n\r\n")
    await until(lambda: served.hub.connected()[GATEWAY_SCOPE] == 1)
    return reader, writer


async def lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Of a chunked body, whatever their length and however they are cut."""
    await reader.readuntil(b"\r\n\r\n")
    unfinished = bytearray()
    while size := int(await reader.readline(), 16):
        unfinished += (await reader.readexactly(size + 2))[:-2]
        if unfinished.endswith(b"\n"):
            yield bytes(unfinished)
            unfinished.clear()


async def test_a_reader_that_takes_nothing_for_too_long_is_dropped(
    served: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_STUCK_S", 1)
    reader, writer = await narrow(served)
    served.hub.publish(large(served, 0), {})
    await until(lambda: served.hub.connected()[GATEWAY_SCOPE] == 0)
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            while await reader.read(2**16):
                pass
    writer.close()


async def test_a_slow_reader_finds_the_newest_when_it_comes_back(served: Replica) -> None:
    reader, writer = await narrow(served)
    versions = []
    for number in range(10):
        prepared = large(served, number)
        served.hub.publish(prepared, {})
        versions.append(prepared.version)
        await asyncio.sleep(0.02)
    received: list[str] = []
    async with asyncio.timeout(30):
        async for line in lines(reader):
            if line.startswith(b'{"type":"snapshot"'):
                received.append(msgspec.json.decode(line, type=Publication).version)
                if received[-1] == versions[-1]:
                    break
    writer.close()
    assert len([version for version in received if version in versions]) < len(versions)
