import asyncio
import gc
import json
import pwd
import random
import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from pilothouse_operator.compile.world import Kind, ResourceKey, World
from pilothouse_operator.kube.errors import Unavailable
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.observe import Metrics
from pilothouse_operator.sources.cluster import ClusterSource
from pilothouse_operator.sources.watch import WatchScope
from tests.cluster.controlplane.gate import Gate
from tests.cluster.controlplane.plane import ADMIN_TOKEN, ControlPlane
from tests.cluster.operator.conftest import SystemClock, connected, running, until

pytestmark = pytest.mark.cluster


def quota(name: str, namespace: str, amount: int = 5, **labels: str) -> str:
    return json.dumps(
        {
            "apiVersion": "pilothouse.dev/v1alpha1",
            "kind": "UsageQuota",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"per": "Subject", "limits": [{"resource": "Requests", "amount": amount, "window": "1m"}]},
        }
    )


class Seen:
    """A source under test, and what it said."""

    def __init__(self, source: ClusterSource, api: Api, metrics: Metrics) -> None:
        self.source = source
        self.api = api
        self.metrics = metrics
        self.changes = 0

    def changed(self) -> None:
        self.changes += 1

    @property
    def world(self) -> World:
        assert self.source.world is not None
        return self.source.world

    def names(self, namespace: str) -> set[str]:
        return {key.name for key in self.world.resources if key.namespace == namespace}

    def amount(self, name: str, namespace: str) -> int | None:
        found = self.world.resources.get(ResourceKey(Kind.QUOTA, namespace, name))
        return int(found.spec["limits"][0]["amount"]) if found else None

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"pilothouse_operator_{name}", labels) or 0.0

    async def call(self) -> bool:
        """One call, as the leader makes one each few seconds for its lease; whether it was answered."""
        try:
            await self.api.raw("/version", deadline_s=1)
        except Unavailable:
            return False
        return True


@asynccontextmanager
async def watching(kubeconfig: Path, scope: WatchScope | None = None) -> AsyncIterator[Seen]:
    metrics = Metrics()
    async with connected(kubeconfig) as (connection, api):
        source = ClusterSource(
            api=api,
            connection=connection,
            scope=scope or WatchScope(),
            clock=SystemClock(),
            rng=random.Random(1),
            metrics=metrics,
        )
        seen = Seen(source, api, metrics)
        async with running(source.run(seen.changed)):
            yield seen


async def synced(seen: Seen) -> None:
    await until(lambda: seen.source.world is not None, within_s=20)


async def kubectl(plane: ControlPlane, *arguments: str, stdin: str | None = None) -> None:
    await asyncio.to_thread(plane.kubectl, *arguments, stdin=stdin)


async def test_applied_edited_and_deleted_resources_are_seen(control_plane: ControlPlane, namespace: str) -> None:
    await kubectl(control_plane, "apply", "-f-", stdin=quota("before", namespace))
    async with watching(control_plane.kubeconfig) as seen:
        await synced(seen)
        assert seen.names(namespace) == {"before"}
        await kubectl(control_plane, "apply", "-f-", stdin=quota("later", namespace))
        await until(lambda: seen.amount("later", namespace) == 5)
        await kubectl(control_plane, "apply", "-f-", stdin=quota("later", namespace, 6))
        await until(lambda: seen.amount("later", namespace) == 6)
        await kubectl(control_plane, "delete", "usagequota", "before", f"--namespace={namespace}")
        await until(lambda: seen.names(namespace) == {"later"})


async def test_a_process_whose_user_has_no_name_watches_all_the_same(
    control_plane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(uid: int) -> NoReturn:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    # As in a container, whose user is a number that no passwd file knows.
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    async with watching(control_plane.kubeconfig) as seen:
        await synced(seen)
        await kubectl(control_plane, "apply", "-f-", stdin=quota("nameless", namespace))
        await until(lambda: seen.amount("nameless", namespace) == 5)
        assert not seen.metric("source_restarts_total", reason="KeyError")


async def test_labels_of_namespaces_are_seen(control_plane: ControlPlane, namespace: str) -> None:
    async with watching(control_plane.kubeconfig) as seen:
        await synced(seen)
        await kubectl(control_plane, "label", "namespace", namespace, "team=red")
        await until(lambda: seen.world.namespaces[namespace].get("team") == "red")


async def test_what_is_held_by_a_finalizer_counts_as_deleted(control_plane: ControlPlane, namespace: str) -> None:
    held = json.loads(quota("held", namespace))
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await kubectl(control_plane, "apply", "-f-", stdin=json.dumps(held))
    async with watching(control_plane.kubeconfig) as seen:
        await synced(seen)
        assert seen.names(namespace) == {"held"}
        await kubectl(control_plane, "delete", "usagequota", "held", f"--namespace={namespace}", "--wait=false")
        await until(lambda: not seen.names(namespace))
    release = json.dumps({"metadata": {"finalizers": None}})
    await kubectl(
        control_plane, "patch", "usagequota", "held", f"--namespace={namespace}", "--type=merge", f"--patch={release}"
    )


async def test_only_the_selected_resources_are_ours(control_plane: ControlPlane, namespace: str) -> None:
    await kubectl(control_plane, "apply", "-f-", stdin=quota("mine", namespace, release="a"))
    await kubectl(control_plane, "apply", "-f-", stdin=quota("theirs", namespace, release="b"))
    scope = WatchScope(namespaces=(namespace,), selector="release=a")
    async with watching(control_plane.kubeconfig, scope) as seen:
        await synced(seen)
        assert {key.name for key in seen.world.resources} == {"mine"}
        assert seen.world.namespaces.keys() == {namespace}
        await kubectl(
            control_plane, "label", "--overwrite", "usagequota", "mine", f"--namespace={namespace}", "release=b"
        )
        await until(lambda: not seen.names(namespace))
        await kubectl(
            control_plane, "label", "--overwrite", "usagequota", "theirs", f"--namespace={namespace}", "release=a"
        )
        await until(lambda: seen.names(namespace) == {"theirs"})


async def test_watching_writes_nothing_into_the_users_objects(control_plane: ControlPlane, namespace: str) -> None:
    await kubectl(control_plane, "apply", "-f-", stdin=quota("untouched", namespace))
    before = await asyncio.to_thread(control_plane.get, "usagequota", "untouched", f"--namespace={namespace}")
    async with watching(control_plane.kubeconfig) as seen:
        await synced(seen)
        await kubectl(control_plane, "apply", "-f-", stdin=quota("other", namespace))
        await until(lambda: "other" in seen.names(namespace))
    after = await asyncio.to_thread(control_plane.get, "usagequota", "untouched", f"--namespace={namespace}")
    assert after == before


async def test_the_echo_of_a_status_is_no_change(control_plane: ControlPlane, namespace: str) -> None:
    await kubectl(control_plane, "apply", "-f-", stdin=quota("quiet", namespace))
    # This namespace alone: elsewhere those of earlier tests are still on their way out, which is a change.
    async with watching(control_plane.kubeconfig, WatchScope(namespaces=(namespace,))) as seen:
        await synced(seen)
        await asyncio.sleep(2)
        before = seen.changes
        status = json.dumps({"status": {"observedGeneration": 1, "used": "10%"}})
        await kubectl(
            control_plane,
            *("patch", "usagequota", "quiet", f"--namespace={namespace}"),
            *("--subresource=status", "--type=merge", f"--patch={status}"),
        )
        key = ResourceKey(Kind.QUOTA, namespace, "quiet")
        await until(lambda: seen.world.resources[key].status.get("used") == "10%")
        assert seen.changes == before


@pytest.fixture
def gated(gate: Gate, hostile_plane: ControlPlane, tmp_path: Path) -> Path:
    """A kubeconfig that goes through the gate."""
    server = f"https://127.0.0.1:{gate.port}"
    return hostile_plane.kubeconfig_for(token=ADMIN_TOKEN, server=server, path=tmp_path / "gated")


@pytest.fixture
def hostile_namespace(hostile_plane: ControlPlane) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    hostile_plane.kubectl("create", "namespace", name)
    return name


async def test_what_was_deleted_while_the_watch_expired_is_gone(
    hostile_plane: ControlPlane, gate: Gate, gated: Path, hostile_namespace: str
) -> None:
    for name in ("a", "b", "c"):
        await kubectl(hostile_plane, "apply", "-f-", stdin=quota(name, hostile_namespace))
    async with watching(gated) as seen:
        await synced(seen)
        await asyncio.sleep(2)
        await asyncio.to_thread(gate.shut)
        await kubectl(hostile_plane, "delete", "usagequota", "--all", f"--namespace={hostile_namespace}")
        await kubectl(hostile_plane, "apply", "-f-", stdin=quota("d", hostile_namespace))
        await asyncio.to_thread(hostile_plane.compact)
        await asyncio.to_thread(hostile_plane.kill_apiserver)
        await asyncio.to_thread(hostile_plane.start_apiserver)
        assert seen.names(hostile_namespace) == {"a", "b", "c"}
        gate.open()
        await until(lambda: seen.names(hostile_namespace) == {"d"})


async def test_an_api_server_that_restarts_costs_nothing(
    hostile_plane: ControlPlane, gated: Path, hostile_namespace: str
) -> None:
    await kubectl(hostile_plane, "apply", "-f-", stdin=quota("a", hostile_namespace))
    async with watching(gated) as seen:
        await synced(seen)
        await asyncio.to_thread(hostile_plane.kill_apiserver)
        await asyncio.sleep(3)
        assert seen.names(hostile_namespace) == {"a"}
        await asyncio.to_thread(hostile_plane.start_apiserver)
        await kubectl(hostile_plane, "apply", "-f-", stdin=quota("a", hostile_namespace, 7))
        await until(lambda: seen.amount("a", hostile_namespace) == 7, within_s=15)


async def test_a_watch_whose_line_went_dead_in_an_outage_is_begun_anew_when_it_is_over(
    hostile_plane: ControlPlane, gate: Gate, gated: Path, hostile_namespace: str
) -> None:
    await kubectl(hostile_plane, "apply", "-f-", stdin=quota("a", hostile_namespace))
    async with watching(gated) as seen:
        await synced(seen)
        await asyncio.sleep(2)
        assert await seen.call()
        await asyncio.to_thread(gate.forget)
        assert not await seen.call()
        while not await seen.call():
            pass
        await until(lambda: seen.metric("source_restarts_total", reason="Recovered") == 1)
        await kubectl(hostile_plane, "apply", "-f-", stdin=quota("a", hostile_namespace, 8))
        await until(lambda: seen.amount("a", hostile_namespace) == 8)
        # Calls that got no answer wait for the end of their connections, and the test's loop would not.
        await asyncio.to_thread(gate.shut)
        await asyncio.sleep(0.5)


async def test_a_watch_whose_line_is_dead_ends_at_once_and_leaves_nothing_open(
    hostile_plane: ControlPlane, gate: Gate, gated: Path
) -> None:
    async with watching(gated) as seen:
        await synced(seen)
        await asyncio.sleep(2)
        await asyncio.to_thread(gate.forget)
    turns = [thread for thread in threading.enumerate() if thread.name == "kopf"]
    await until(lambda: not any(turn.is_alive() for turn in turns))
    gc.collect()


async def test_a_deleted_crd_takes_nothing_along_and_may_come_back(
    hostile_plane: ControlPlane, gated: Path, hostile_namespace: str
) -> None:
    crd = Path(__file__).parents[3] / "crds" / "usagequotas.yaml"
    for name in ("a", "b"):
        await kubectl(hostile_plane, "apply", "-f-", stdin=quota(name, hostile_namespace))
    async with watching(gated) as seen:
        await synced(seen)
        await asyncio.sleep(2)
        await kubectl(hostile_plane, "delete", "-f", str(crd))
        await until(lambda: seen.metric("source_held", kind="UsageQuota") == 1, within_s=20)
        assert seen.names(hostile_namespace) == {"a", "b"}
        await kubectl(hostile_plane, "create", "namespace", f"{hostile_namespace}-x")
        await until(lambda: f"{hostile_namespace}-x" in seen.world.namespaces)
        await kubectl(hostile_plane, "apply", "--server-side", "-f", str(crd))
        await kubectl(hostile_plane, "wait", "--for=condition=Established", "--timeout=30s", "-f", str(crd))
        await kubectl(hostile_plane, "apply", "-f-", stdin=quota("a", hostile_namespace, 9))
        await until(lambda: seen.amount("a", hostile_namespace) == 9)
        assert seen.names(hostile_namespace) == {"a", "b"}
        await until(lambda: seen.names(hostile_namespace) == {"a"}, within_s=60)
        assert seen.source.missing == ()


async def test_without_rights_it_lives_and_names_what_is_missing(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    await kubectl(control_plane, "create", "serviceaccount", "poor", f"--namespace={namespace}")
    made = await asyncio.to_thread(control_plane.kubectl, "create", "token", "poor", f"--namespace={namespace}")
    kubeconfig = control_plane.kubeconfig_for(token=made.stdout.strip(), path=tmp_path / "poor")
    async with watching(kubeconfig) as seen:
        await until(lambda: any("the right to list and watch" in text for text in seen.source.missing))
        assert seen.source.world is None
        await kubectl(
            control_plane,
            *("create", "clusterrolebinding", namespace, "--clusterrole=cluster-admin"),
            f"--serviceaccount={namespace}:poor",
        )
        await until(lambda: seen.source.world is not None)
        assert seen.source.missing == ()
    await kubectl(control_plane, "delete", "clusterrolebinding", namespace)
