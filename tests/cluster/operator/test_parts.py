"""Secrets, callers, leadership and status on a real API server."""

import asyncio
import base64
import json
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse_api.conditions import Condition, ConditionStatus, ConditionType, Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.compile.world import Kind, ResourceKey, Verdict, World
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.leader import Elector
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import Observation, Rollout, SecretAbsent, SecretContent, SecretState
from pilothouse_operator.secretstores.kubernetes import KubernetesSecrets
from pilothouse_operator.sources.callers import ClusterCallers
from pilothouse_operator.sources.cluster import ClusterSource
from pilothouse_operator.sources.watch import WatchScope
from pilothouse_operator.status.writer import Release, StatusWriter
from tests.cluster.controlplane.plane import ControlPlane
from tests.cluster.operator.conftest import SystemClock, connected, running, until

pytestmark = pytest.mark.cluster


def secret(name: str, namespace: str, **values: str) -> str:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    metadata = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded})


def quota(name: str, namespace: str, **labels: str) -> str:
    return json.dumps(
        {
            "apiVersion": "pilothouse.dev/v1alpha1",
            "kind": "UsageQuota",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"per": "Subject", "limits": [{"resource": "Requests", "amount": 5, "window": "1m"}]},
        }
    )


async def kubectl(plane: ControlPlane, *arguments: str, stdin: str | None = None) -> str:
    done = await asyncio.to_thread(plane.kubectl, *arguments, stdin=stdin)
    return done.stdout


@pytest.fixture
def poor(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig of a ServiceAccount that may do nothing yet."""
    control_plane.kubectl("create", "serviceaccount", "poor", f"--namespace={namespace}")
    token = control_plane.kubectl("create", "token", "poor", f"--namespace={namespace}").stdout.strip()
    yield control_plane.kubeconfig_for(token=token, path=tmp_path / "poor")


def store(api: Api) -> KubernetesSecrets:
    return KubernetesSecrets(api=api, rng=random.Random(1), metrics=Metrics())


async def test_a_secret_is_read_rotated_deleted_and_recreated(control_plane: ControlPlane, namespace: str) -> None:
    await kubectl(control_plane, "apply", "-f-", stdin=secret("s", namespace, key="one"))
    async with connected(control_plane.kubeconfig) as (_, api):
        secrets = store(api)
        async with running(secrets.run(lambda: None)):
            secrets.want(frozenset({(namespace, "s")}))

            def holds(value: str) -> bool:
                return secrets.read(namespace, "s") == SecretContent(values={"key": Secret(value)})

            await until(lambda: holds("one"))
            await kubectl(control_plane, "apply", "-f-", stdin=secret("s", namespace, key="two"))
            await until(lambda: holds("two"))
            await kubectl(control_plane, "delete", "secret", "s", f"--namespace={namespace}")
            await until(lambda: isinstance(secrets.read(namespace, "s"), SecretAbsent))
            await kubectl(control_plane, "apply", "-f-", stdin=secret("s", namespace, key="three"))
            await until(lambda: holds("three"))


async def test_the_right_to_one_secret_by_name_is_enough(
    control_plane: ControlPlane, namespace: str, poor: Path
) -> None:
    for name in ("mine", "other"):
        await kubectl(control_plane, "apply", "-f-", stdin=secret(name, namespace, key="one"))
    verbs = ("--verb=get,list,watch", "--resource=secrets", "--resource-name=mine")
    await kubectl(control_plane, "create", "role", "one-secret", *verbs, f"--namespace={namespace}")
    bound = ("--role=one-secret", f"--serviceaccount={namespace}:poor", f"--namespace={namespace}")
    await kubectl(control_plane, "create", "rolebinding", "one-secret", *bound)
    async with connected(poor) as (_, api):
        secrets = store(api)
        async with running(secrets.run(lambda: None)):
            secrets.want(frozenset({(namespace, "mine"), (namespace, "other")}))
            await until(lambda: isinstance(secrets.read(namespace, "mine"), SecretContent))

            def refused() -> bool:
                found = secrets.read(namespace, "other")
                return isinstance(found, SecretAbsent) and found.state is SecretState.FORBIDDEN

            await until(refused)
            await kubectl(control_plane, "apply", "-f-", stdin=secret("mine", namespace, key="two"))
            rotated = SecretContent(values={"key": Secret("two")})
            await until(lambda: secrets.read(namespace, "mine") == rotated)


async def test_callers_are_the_clusters_signers_and_labelled_secrets(
    control_plane: ControlPlane, namespace: str
) -> None:
    async with connected(control_plane.kubeconfig) as (_, api):
        callers = ClusterCallers(api=api, scope=WatchScope(namespaces=(namespace,)), rng=random.Random(1))
        async with running(callers.run(lambda: None)):
            await until(lambda: callers.identity is not None)
            assert callers.identity is not None
            assert callers.problems == ()
            (issuer,) = callers.identity.issuers
            assert issuer.issuer == "https://kubernetes.default.svc"
            assert issuer.keys[0]["kty"] == "RSA"
            await kubectl(control_plane, "apply", "-f-", stdin=secret("ana", namespace, key="sk-0123456789abcdef"))
            await kubectl(
                control_plane,
                *("label", "secret", "ana", "pilothouse.dev/type=api-key", "pilothouse.dev/team=red"),
                f"--namespace={namespace}",
            )
            await until(lambda: bool(callers.identity and callers.identity.api_keys))
            assert [holder.team for holder in callers.identity.api_keys.values()] == ["red"]


def elector(api: Api, namespace: str, identity: str) -> Elector:
    return Elector(
        api=api,
        namespace=namespace,
        release="rel",
        identity=identity,
        clock=SystemClock(),
        rng=random.Random(identity),
        metrics=Metrics(),
    )


async def test_one_replica_leads_and_hands_over_when_it_ends(control_plane: ControlPlane, namespace: str) -> None:
    async with connected(control_plane.kubeconfig) as (_, api):
        first, second = elector(api, namespace, "first"), elector(api, namespace, "second")
        async with running(first.run()):
            await until(lambda: first.is_leader)
            async with running(second.run()):
                await asyncio.sleep(5)
                assert (first.is_leader, second.is_leader) == (True, False)
        async with running(second.run()):
            await until(lambda: second.is_leader, within_s=6)
            assert not first.is_leader


async def test_a_leader_that_vanishes_is_followed(control_plane: ControlPlane, namespace: str) -> None:
    async with connected(control_plane.kubeconfig) as (_, api):
        await elector(api, namespace, "gone")._turn()
        second = elector(api, namespace, "second")
        async with running(second.run()):
            await until(lambda: second.is_leader, within_s=25)


class Fleet:
    """A source and a writer of one release, and a verdict on all that it sees."""

    def __init__(self, plane: ControlPlane, api: Api, connection: Any, scope: WatchScope, release: Release) -> None:
        self.leads = True
        self.source = ClusterSource(
            api=api,
            connection=connection,
            scope=scope,
            clock=SystemClock(),
            rng=random.Random(1),
            metrics=Metrics(),
        )
        self.metrics = Metrics()
        self.writer = StatusWriter(
            api=api,
            release=release,
            is_leader=lambda: self.leads,
            clock=SystemClock(),
            metrics=self.metrics,
            replica="operator-1",
        )

    def show(self, rollout: Rollout) -> None:
        world = self.source.world or World(resources={}, namespaces={})
        accepted = Condition(
            type=ConditionType.ACCEPTED, status=ConditionStatus.TRUE, reason=Reason.ACCEPTED, message="It is in force."
        )
        verdicts = {
            key: Verdict(generation=resource.generation, conditions=(accepted,))
            for key, resource in world.resources.items()
        }
        self.writer.update(
            Observation(world=world, verdicts=verdicts, rollouts=dict.fromkeys(verdicts, rollout), usage={})
        )

    async def show_for_ever(self, rollout: Rollout) -> None:
        while True:
            self.show(rollout)
            await asyncio.sleep(0.2)


ALL = Rollout(applied=1, total=1)


async def fetched(plane: ControlPlane, name: str, namespace: str) -> Any:
    return await asyncio.to_thread(plane.get, "usagequota", name, f"--namespace={namespace}")


def condition(found: Any, type_: str) -> Any:
    entries = found.get("status", {}).get("conditions", [])
    return next((entry for entry in entries if entry["type"] == type_), {})


async def test_status_and_event_tell_users_what_became_of_a_resource(
    control_plane: ControlPlane, namespace: str
) -> None:
    await kubectl(control_plane, "apply", "-f-", stdin=quota("q", namespace))
    async with connected(control_plane.kubeconfig) as (connection, api):
        scope = WatchScope(namespaces=(namespace,))
        fleet = Fleet(control_plane, api, connection, scope, Release(namespace, "rel"))
        async with running(fleet.source.run(lambda: None), fleet.writer.run(), fleet.show_for_ever(ALL)):
            wait = ("--for=condition=Ready", "--timeout=60s", f"--namespace={namespace}")
            await kubectl(control_plane, "wait", "usagequota/q", *wait)
            first = await fetched(control_plane, "q", namespace)
            assert condition(first, "Enforced")["reason"] == "Enforced"
            assert first["status"]["programmed"]["summary"] == "1/1"
            await asyncio.sleep(4)
            assert await fetched(control_plane, "q", namespace) == first
            events = await kubectl(control_plane, "get", "events", f"--namespace={namespace}", "-o", "json")
            told = [event["reason"] for event in json.loads(events)["items"] if event["involvedObject"]["name"] == "q"]
            assert told == ["Ready"]
            wiped = json.dumps({"status": None})
            where = ("usagequota", "q", f"--namespace={namespace}", "--subresource=status", "--type=merge")
            await kubectl(control_plane, "patch", *where, f"--patch={wiped}")
            await kubectl(control_plane, "wait", "usagequota/q", *wait)


async def test_what_was_found_out_about_an_account_is_kept_by_the_server(
    control_plane: ControlPlane, namespace: str
) -> None:
    manifest = {
        "apiVersion": "pilothouse.dev/v1alpha1",
        "kind": "LLMProvider",
        "metadata": {"name": "p", "namespace": namespace},
        "spec": {"openAI": {"baseURL": "http://vllm:8000/v1"}, "discovery": {"include": ["m-*"]}},
    }
    await kubectl(control_plane, "apply", "-f-", stdin=json.dumps(manifest))
    counts = {"found": 5, "served": 3, "excluded": 1, "unusable": 1, "lastSucceeded": "2026-01-01T00:00:00Z"}
    listed = Condition(
        type=ConditionType.DISCOVERED, status=ConditionStatus.TRUE, reason=Reason.DISCOVERED, message="3 of 5"
    )
    async with connected(control_plane.kubeconfig) as (connection, api):
        scope = WatchScope(namespaces=(namespace,))
        fleet = Fleet(control_plane, api, connection, scope, Release(namespace, "rel"))
        async with running(fleet.source.run(lambda: None), fleet.writer.run()):
            await until(lambda: fleet.source.world is not None and bool(fleet.source.world.resources))
            assert fleet.source.world is not None
            key = ResourceKey(Kind.PROVIDER, namespace, "p")
            verdict = Verdict(generation=1, conditions=(listed,), facts={"models": 3, "discovery": counts})
            fleet.writer.update(Observation(world=fleet.source.world, verdicts={key: verdict}, rollouts={}, usage={}))
            wait = ("--for=condition=Discovered", "--timeout=60s", f"--namespace={namespace}")
            await kubectl(control_plane, "wait", "llmprovider/p", *wait)
        found = await asyncio.to_thread(control_plane.get, "llmprovider", "p", f"--namespace={namespace}")
    assert found["status"]["discovery"] == counts
    assert found["status"]["models"] == 3
    assert found["spec"]["discovery"] == {"include": ["m-*"], "interval": "1h"}


async def test_an_identical_apply_is_no_write(control_plane: ControlPlane, namespace: str) -> None:
    await kubectl(control_plane, "apply", "-f-", stdin=quota("q", namespace))
    async with connected(control_plane.kubeconfig) as (connection, api):
        scope = WatchScope(namespaces=(namespace,))

        async def version_after_a_replica() -> str:
            """A replica that knows nothing of what others wrote."""
            fleet = Fleet(control_plane, api, connection, scope, Release(namespace, "rel"))
            async with running(fleet.source.run(lambda: None), fleet.writer.run(), fleet.show_for_ever(ALL)):
                await until(lambda: fleet.source.world is not None)
                wait = ("--for=condition=Ready", "--timeout=60s", f"--namespace={namespace}")
                await kubectl(control_plane, "wait", "usagequota/q", *wait)
                await asyncio.sleep(2)
            return str((await fetched(control_plane, "q", namespace))["metadata"]["resourceVersion"])

        assert await version_after_a_replica() == await version_after_a_replica()


async def test_a_condition_of_somebody_else_survives(control_plane: ControlPlane, namespace: str) -> None:
    await kubectl(control_plane, "apply", "-f-", stdin=quota("q", namespace))
    theirs = json.loads(quota("q", namespace)) | {
        "status": {
            "conditions": [
                {
                    "type": "Audited",
                    "status": "True",
                    "reason": "Seen",
                    "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ]
        }
    }
    del theirs["spec"]
    del theirs["metadata"]["labels"]
    apply = ("apply", "--server-side", "--subresource=status", "--field-manager=auditor", "-f-")
    await kubectl(control_plane, *apply, stdin=json.dumps(theirs))
    async with connected(control_plane.kubeconfig) as (connection, api):
        scope = WatchScope(namespaces=(namespace,))
        fleet = Fleet(control_plane, api, connection, scope, Release(namespace, "rel"))
        async with running(fleet.source.run(lambda: None), fleet.writer.run(), fleet.show_for_ever(ALL)):
            wait = ("--for=condition=Ready", "--timeout=60s", f"--namespace={namespace}")
            await kubectl(control_plane, "wait", "usagequota/q", *wait)
        assert condition(await fetched(control_plane, "q", namespace), "Audited")["reason"] == "Seen"


async def test_of_two_releases_the_later_yields_until_the_other_is_gone(
    control_plane: ControlPlane, namespace: str
) -> None:
    await kubectl(control_plane, "apply", "-f-", stdin=quota("q", namespace))
    key = ResourceKey(Kind.QUOTA, namespace, "q")
    scope = WatchScope(namespaces=(namespace,))
    async with connected(control_plane.kubeconfig) as (connection, api):
        older = Fleet(control_plane, api, connection, scope, Release(namespace, "older"))
        later = Fleet(control_plane, api, connection, scope, Release(namespace, "later"))
        living = Elector(
            api=api,
            namespace=namespace,
            release="older",
            identity=uuid.uuid4().hex,
            clock=SystemClock(),
            rng=random.Random(1),
            metrics=Metrics(),
        )
        waiting = Rollout(applied=0, total=1)
        async with running(living.run(), older.source.run(lambda: None), older.writer.run(), older.show_for_ever(ALL)):
            await kubectl(
                control_plane,
                "wait",
                "usagequota/q",
                "--for=condition=Ready",
                "--timeout=60s",
                f"--namespace={namespace}",
            )
            async with running(later.source.run(lambda: None), later.writer.run(), later.show_for_ever(waiting)):
                await until(lambda: key in later.writer.yielded, within_s=20)
                assert later.writer.yielded[key] == f"pilothouse/{namespace}/older"
                assert condition(await fetched(control_plane, "q", namespace), "Ready")["status"] == "True"
        async with running(later.source.run(lambda: None), later.writer.run(), later.show_for_ever(waiting)):
            await until(lambda: not later.writer.yielded, within_s=60)
            assert condition(await fetched(control_plane, "q", namespace), "Enforced")["reason"] == "Progressing"
