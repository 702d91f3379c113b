"""One authority follows another while proxies stream: real handshakes, with the trust that a kubelet mounted before."""

import asyncio
import ssl
import time
from random import Random
from typing import cast

import aiohttp

from pilothouse_api.names import GATEWAY_SCOPE, QuotaKey
from pilothouse_api.snapshot.quotas import Per, Quota
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from pilothouse_api.snapshot.stream import Subject
from pilothouse_operator.distribution.hub import Hub, Prepared, prepare
from pilothouse_operator.distribution.keyring import ROTATE, Keyring
from pilothouse_operator.distribution.server import ControlServer
from pilothouse_operator.distribution.succession import OVERLAP_S
from pilothouse_operator.distribution.trust import CONFIG_MAP, Trust
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import ProxyIdentity
from tests.integration.operator import control
from tests.unit.operator.distribution.api import Objects

SECRET = ("secrets", "pilothouse", "operator-tls")
TRUST = ("configmaps", "pilothouse", CONFIG_MAP)
GATEWAY = ProxyIdentity(
    scope=GATEWAY_SCOPE,
    subject=Subject(namespace="pilothouse", service_account="gateway"),
    pod="gw",
    pod_uid="uid",
    expires=time.time() + 3_600,
)


class Clock:
    """Begins now, and moves when it is told to."""

    def __init__(self) -> None:
        self.now = time.time()

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


async def nobody(managers: frozenset[str]) -> str | None:
    return None


def snapshot(generation: int) -> Prepared:
    quota = Quota(namespace="a", generation=generation, per=Per.SUBJECT, limits=())
    return prepare(Snapshot(schema=SCHEMA, scope=GATEWAY_SCOPE, quotas={QuotaKey("a/b"): quota}))


class Release:
    """Two replicas' keyrings over one API server, of which the first one leads; the second one serves."""

    def __init__(self) -> None:
        self.objects, self.clock, self.hub = Objects(), Clock(), Hub(replica="second", boot="b")
        self.leader, self.follower = (self._keyring(leads=leads) for leads in (True, False))
        self.trust = Trust(
            api=cast(Api, self.objects),
            keyring=self.leader,
            hub=self.hub,
            namespace="pilothouse",
            field_manager="pilothouse/pilothouse/main",
            clock=self.clock,
            is_leader=lambda: True,
            rival=nobody,
        )

    def _keyring(self, *, leads: bool) -> Keyring:
        return Keyring(
            api=cast(Api, self.objects),
            namespace="pilothouse",
            secret="operator-tls",
            names=("localhost",),
            clock=self.clock,
            metrics=Metrics(),
            is_leader=lambda: leads,
        )

    @property
    def mounted(self) -> str:
        """What a kubelet would mount now."""
        return str(self.objects.stored[TRUST]["data"]["ca.crt"])

    async def turn(self) -> None:
        """Both replicas look, and the leader publishes."""
        await self.leader._attempt()
        await self.trust.round()
        await self.follower._attempt()


async def shown(port: int, trust: str) -> bytes:
    """The certificate that a proxy with this trust is shown; an error where it refuses."""
    context = ssl.create_default_context(cadata=trust)
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return certificate


async def test_no_stream_breaks_and_no_proxy_refuses_while_one_authority_follows_another() -> None:
    release = Release()
    await release.leader.ready()
    await release.turn()
    names = control.Names()
    names.known["gateway"] = GATEWAY
    clock = control.Clock()
    server = ControlServer(hub=release.hub, verifier=names, clock=clock, rng=Random(1), peer_key=lambda: None)
    release.hub.publish(snapshot(0), {})
    first = release.mounted
    certificates, trusts = set(), {first}
    async with (
        server.listening(host="127.0.0.1", port=0, tls=await release.follower.ready()) as port,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=first))) as client,
        client.get(f"https://localhost:{port}/v1/snapshots", headers={"authorization": "Bearer gateway"}) as answer,
    ):
        stream = control.Stream(answer)
        await stream.publication()
        release.objects.stored[SECRET]["metadata"]["annotations"] = {ROTATE: "ca"}
        before = first
        for generation in range(1, 20):
            await release.turn()
            certificates |= {await shown(port, trust) for trust in (before, release.mounted)}
            trusts.add(before := release.mounted)
            release.hub.publish(snapshot(generation), {})
            assert (await stream.publication()).version == snapshot(generation).version
            release.clock.now += OVERLAP_S / 3
    assert len(certificates) == 2
    assert len(trusts) == 3
    assert release.mounted != first
