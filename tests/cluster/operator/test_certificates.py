"""The control stream's certificates on a real API server, with the rights that the chart grants and no more."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pilothouse_operator.distribution import certificates
from pilothouse_operator.distribution.certificates import Authority, KeyPair
from pilothouse_operator.distribution.hub import Hub
from pilothouse_operator.distribution.issued import IssuedSecret
from pilothouse_operator.distribution.keyring import Keyring
from pilothouse_operator.distribution.keys import Keys
from pilothouse_operator.distribution.succession import OVERLAP_S
from pilothouse_operator.distribution.trust import Trust
from pilothouse_operator.observe import Metrics
from tests.cluster.controlplane.plane import ControlPlane
from tests.cluster.operator.chart import Installed, install
from tests.cluster.operator.conftest import connected

pytestmark = pytest.mark.cluster


class Clock:
    """Begins now, and moves when it is told to: half an hour is too long for a test."""

    def __init__(self) -> None:
        self.now = time.time()

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


async def nobody(managers: frozenset[str]) -> str | None:
    return None


class Leader:
    """The parts of one leading replica that keep certificates."""

    def __init__(self, plane: ControlPlane, namespace: str, clock: Clock, keyring: Keyring, trust: Trust) -> None:
        self.plane, self.namespace, self.clock, self.keyring, self.trust = plane, namespace, clock, keyring, trust

    @property
    def keys(self) -> Keys:
        assert self.keyring.keys is not None
        return self.keyring.keys

    async def turn(self, *, seconds: float = 0) -> Keys:
        """Time passes, the keyring looks, and what is to be trusted is published."""
        self.clock.now += seconds
        await self.keyring._attempt()
        await self.trust.round()
        return self.keys

    async def published(self) -> str:
        found = await asyncio.to_thread(self.plane.get, "configmap", "pilothouse-ca", f"--namespace={self.namespace}")
        return str(found["data"]["ca.crt"])

    async def secret(self) -> dict[str, Any]:
        name = f"{self.namespace}-operator-tls"
        found: dict[str, Any] = await asyncio.to_thread(self.plane.get, "secret", name, f"--namespace={self.namespace}")
        return found


@asynccontextmanager
async def leading(plane: ControlPlane, namespace: str, installed: Installed, clock: Clock) -> AsyncIterator[Leader]:
    async with connected(installed.kubeconfig) as (_, api):
        names = (f"{namespace}-operator.{namespace}.svc",)
        secret = installed.arguments.get("--certificate-secret", "")
        keyring = Keyring(
            api=api,
            namespace=namespace,
            secret=f"{namespace}-operator-tls",
            names=names,
            clock=clock,
            metrics=Metrics(),
            is_leader=lambda: True,
            issued=IssuedSecret(api=api, namespace=namespace, secret=secret, name=names[0], clock=clock)
            if secret
            else None,
        )
        trust = Trust(
            api=api,
            keyring=keyring,
            hub=Hub(replica="r", boot="b"),
            namespace=namespace,
            field_manager=f"pilothouse/{namespace}/main",
            clock=clock,
            is_leader=lambda: True,
            rival=nobody,
        )
        await keyring.ready()
        await trust.round()
        yield Leader(plane, namespace, clock, keyring, trust)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _rights_end_with_the_test(control_plane: ControlPlane, namespace: str) -> Iterator[None]:
    yield
    for kind in ("clusterrole", "clusterrolebinding"):
        for name in (f"{namespace}-operator", f"{namespace}-operator-secrets"):
            control_plane.kubectl("delete", kind, name, "--ignore-not-found")
    for kind in ("role", "rolebinding"):
        control_plane.kubectl(
            "delete", kind, f"{namespace}-operator-secrets", "--namespace=default", "--ignore-not-found"
        )


async def kubectl(plane: ControlPlane, *arguments: str, stdin: str | None = None) -> None:
    await asyncio.to_thread(plane.kubectl, *arguments, stdin=stdin)


async def test_an_annotation_brings_another_authority_through_every_step_and_two_leaders(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, clock: Clock
) -> None:
    installed = install(control_plane, namespace, tmp_path, "--set=rbac.secrets.namespaces={default}")
    async with leading(control_plane, namespace, installed, clock) as first:
        before = first.keys
        assert await first.published() == before.trust
        name = f"{namespace}-operator-tls"
        await kubectl(control_plane, "annotate", "secret", name, "pilothouse.dev/rotate=ca", f"--namespace={namespace}")
        announced = await first.turn()
        assert announced.leaf == before.leaf
        assert (await first.published()).count("BEGIN CERTIFICATE") == 2
        assert "annotations" not in (await first.secret())["metadata"]
        await first.turn()
    async with leading(control_plane, namespace, installed, clock) as second:
        switched = await second.turn(seconds=OVERLAP_S)
        assert switched.authority == announced.successor
        assert await second.published() == announced.trust
        ended = await second.turn(seconds=OVERLAP_S)
        assert await second.published() == ended.authority.certificate
        certificates.check(trust=ended.trust, leaf=ended.leaf, now=clock.now)


async def test_a_secret_that_is_deleted_is_made_again_and_its_authority_followed_by_another(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, clock: Clock
) -> None:
    installed = install(control_plane, namespace, tmp_path, "--set=rbac.secrets.namespaces={default}")
    async with leading(control_plane, namespace, installed, clock) as leader:
        before = leader.keys
        await kubectl(control_plane, "delete", "secret", f"{namespace}-operator-tls", f"--namespace={namespace}")
        after = await leader.turn()
        assert (after.leaf, after.authority, after.peer) == (before.leaf, before.authority, before.peer)
        assert after.successor is not None
        assert await leader.published() == after.trust


async def issue(plane: ControlPlane, namespace: str, authority: Authority, leaf: KeyPair) -> None:
    """As cert-manager writes it."""
    plain = {"tls.crt": leaf.certificate, "tls.key": leaf.key.reveal(), "ca.crt": authority.certificate}
    document = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": f"{namespace}-operator-cert", "namespace": namespace},
        "data": {name: base64.b64encode(text.encode()).decode() for name, text in plain.items()},
    }
    await kubectl(plane, "apply", "-f-", stdin=json.dumps(document))


async def test_what_cert_manager_issues_is_read_with_the_right_to_get_it_and_its_new_ca_waits_for_trust(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, clock: Clock
) -> None:
    flags = ("controlTLS.certManager.enabled=true", "controlTLS.certManager.issuerRef.name=ca")
    installed = install(
        control_plane,
        namespace,
        tmp_path,
        "--set=rbac.secrets.namespaces={default}",
        *(f"--set={each}" for each in flags),
    )
    names = (f"{namespace}-operator.{namespace}.svc",)
    authorities = [certificates.make_authority(name="cert-manager", now=clock.now) for _ in range(2)]
    leaves = [certificates.make_leaf(authority=each, names=names, now=clock.now) for each in authorities]
    await issue(control_plane, namespace, authorities[0], leaves[0])
    async with leading(control_plane, namespace, installed, clock) as leader:
        assert leader.keys.leaf == leaves[0]
        assert await leader.published() == authorities[0].certificate
        await issue(control_plane, namespace, authorities[1], leaves[1])
        assert (await leader.turn()).leaf == leaves[0]
        assert await leader.published() == leader.keys.trust
        await leader.turn()
        assert (await leader.turn(seconds=OVERLAP_S)).leaf == leaves[1]
        await leader.turn(seconds=OVERLAP_S)
        assert await leader.published() == authorities[1].certificate
