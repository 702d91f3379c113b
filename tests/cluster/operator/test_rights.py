"""What an operator may read whose Secrets the chart restricts to named namespaces: those, and nothing else."""

import asyncio
import base64
import json
import random
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse_api.secret import Secret
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import SecretAbsent, SecretContent, SecretState
from pilothouse_operator.secretstores.kubernetes import KubernetesSecrets
from pilothouse_operator.sources.callers import ClusterCallers
from pilothouse_operator.sources.watch import WatchScope
from tests.cluster.controlplane.plane import ControlPlane
from tests.cluster.operator.chart import Installed, install
from tests.cluster.operator.conftest import connected, running, until

pytestmark = pytest.mark.cluster

API_KEY = {"pilothouse.dev/type": "api-key", "pilothouse.dev/team": "red"}


def write(plane: ControlPlane, namespace: str, name: str, key: str, labels: dict[str, str] | None = None) -> None:
    """A Secret with one value, `key`."""
    document = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": labels or {}},
        "data": {"key": base64.b64encode(key.encode()).decode()},
    }
    plane.kubectl("apply", "-f-", stdin=json.dumps(document))


@pytest.fixture
def teams(control_plane: ControlPlane) -> Iterator[tuple[str, str]]:
    """Two namespaces, each with a Secret `key` and an API key `caller`."""
    names = tuple(f"team-{uuid.uuid4().hex[:8]}" for _ in range(2))
    for name in names:
        control_plane.kubectl("create", "namespace", name)
        write(control_plane, name, "key", f"a-key-of-{name}")
        write(control_plane, name, "caller", f"a-key-of-{name}", API_KEY)
    yield names[0], names[1]
    for name in names:
        control_plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(params=["rbac.secrets.namespaces", "operator.watchNamespaces"])
def restricted(
    control_plane: ControlPlane,
    namespace: str,
    teams: tuple[str, str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Installed]:
    """A release that may read Secrets of the first team alone, by either value that says so."""
    yield install(control_plane, namespace, tmp_path, f"--set={request.param}={{{teams[0]}}}")
    for kind in ("clusterrole", "clusterrolebinding"):
        control_plane.kubectl("delete", kind, f"{namespace}-operator", "--ignore-not-found")


def as_operator(plane: ControlPlane, installed: Installed, *arguments: str) -> subprocess.CompletedProcess[str]:
    """kubectl, signed in as the operator. A later flag wins."""
    return plane.kubectl(*arguments, f"--kubeconfig={installed.kubeconfig}", check=False)


async def test_secrets_of_the_named_namespace_are_read_and_watched_and_others_are_forbidden_in_words(
    control_plane: ControlPlane, teams: tuple[str, str], restricted: Installed
) -> None:
    ours, theirs = teams
    async with connected(restricted.kubeconfig) as (_, api):
        secrets = KubernetesSecrets(api=api, rng=random.Random(1), metrics=Metrics())
        async with running(secrets.run(lambda: None)):
            secrets.want(frozenset({(ours, "key"), (theirs, "key")}))

            def holds(value: str) -> bool:
                return secrets.read(ours, "key") == SecretContent(values={"key": Secret(value)})

            await until(lambda: holds(f"a-key-of-{ours}"))
            await asyncio.to_thread(write, control_plane, ours, "key", "the-next-key")
            await until(lambda: holds("the-next-key"))

            def refused() -> bool:
                found = secrets.read(theirs, "key")
                return isinstance(found, SecretAbsent) and found.state is SecretState.FORBIDDEN

            await until(refused)
            told = secrets.read(theirs, "key")
            assert isinstance(told, SecretAbsent)
            assert f"{theirs}/key" in told.message
            assert "get, list, watch" in told.message


async def test_api_keys_are_found_where_the_chart_says_that_they_may_be_listed(
    control_plane: ControlPlane, teams: tuple[str, str], restricted: Installed
) -> None:
    async with connected(restricted.kubeconfig) as (_, api):
        callers = readers(api, restricted)
        async with running(callers.run(lambda: None)):
            await until(lambda: bool(callers.identity and callers.identity.api_keys))
            assert callers.identity is not None
            assert callers.problems == ()
            assert [holder.namespace for holder in callers.identity.api_keys.values()] == [teams[0]]
            before = callers.identity.api_keys.keys()
            await asyncio.to_thread(write, control_plane, teams[0], "caller", "the-next-key-of-a-caller", API_KEY)
            await until(lambda: callers.identity is not None and callers.identity.api_keys.keys() != before)


def readers(api: Api, installed: Installed) -> ClusterCallers:
    namespaces = tuple(installed.arguments["--secret-namespaces"].split(","))
    return ClusterCallers(api=api, scope=WatchScope(namespaces=namespaces), rng=random.Random(1))


def test_no_secret_of_the_cluster_can_be_listed(control_plane: ControlPlane, restricted: Installed) -> None:
    done = as_operator(control_plane, restricted, "get", "secrets", "--all-namespaces")
    assert done.returncode
    assert "forbidden" in done.stderr.lower()


def test_in_the_releases_own_namespace_its_tls_secret_alone_is_readable(
    control_plane: ControlPlane, namespace: str, restricted: Installed
) -> None:
    def may(verb: str, *what: str) -> str:
        asked = ("auth", "can-i", verb, *what, f"--namespace={namespace}")
        return as_operator(control_plane, restricted, *asked).stdout.strip()

    assert may("get", f"secret/{namespace}-operator-tls") == "yes"
    assert may("get", "secret/another") == "no"
    assert may("list", "secrets") == "no"
