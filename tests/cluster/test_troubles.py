"""What befalls clusters: outages, lost definitions, rights and Secrets. Traffic goes on, and status says why."""

import base64
import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse_api.names import CONTROL_AUDIENCE
from pilothouse_api.snapshot.snapshot import schema_of
from tests.cluster import manifests
from tests.cluster.conftest import CRDS, install_crds
from tests.cluster.controlplane.gate import Gate
from tests.cluster.controlplane.plane import ControlPlane
from tests.cluster.fleet import RELEASE, Clouds, Fleet, Running, simulated_clouds, until
from tests.cluster.traffic import Traffic, chat
from tests.simulators import credentials

pytestmark = pytest.mark.cluster

NAMESPACE = "storm"
ROUTES = next(str(path) for path in CRDS if path.stem == "modelroutes")


@pytest.fixture(scope="module")
def gate(hostile_plane: ControlPlane) -> Iterator[Gate]:
    """Between the operator and its API server."""
    with Gate(hostile_plane.port) as relay:
        yield relay


@pytest.fixture(scope="module")
def clouds() -> Iterator[Clouds]:
    with simulated_clouds() as running:
        yield running


@pytest.fixture(scope="module")
def fleet(hostile_plane: ControlPlane, gate: Gate, clouds: Clouds) -> Iterator[Fleet]:
    """One operator behind the gate and one gateway."""
    hostile_plane.kubectl("create", "namespace", NAMESPACE)
    fleet = Fleet(hostile_plane, NAMESPACE, server=f"https://127.0.0.1:{gate.port}")
    try:
        fleet.install()
        fleet.apply(*manifests.both_clouds(clouds))
        operator = fleet.start_operator()
        operator.until_ready()
        fleet.start_gateway("gateway-0", operator=operator).until_ready()
        yield fleet
    finally:
        fleet.stop()


@pytest.fixture
def gateway(fleet: Fleet) -> Running:
    return fleet.proxies[0]


def metric(running: Running, name: str) -> float:
    """One sample of the operator's metrics, 0 before it is there."""
    with urllib.request.urlopen(f"http://127.0.0.1:{running.admin_port}/metrics", timeout=20) as answer:
        found = re.search(rf"^pilothouse_operator_{re.escape(name)} (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def page(running: Running, path: str) -> str:
    """The text of a health page, whatever its status."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{running.admin_port}{path}", timeout=20) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as refused:
        return refused.read().decode()


def open_route(name: str, model: str) -> dict[str, Any]:
    """A route of the model to Azure that every namespace may call."""
    return manifests.route(name, {("azure", model): 1}, access={"namespaces": "All"})


def test_an_operator_that_comes_before_its_definitions_lives_says_so_and_heals(hostile_plane: ControlPlane) -> None:
    for path in CRDS:
        hostile_plane.kubectl("delete", "-f", str(path))
    hostile_plane.kubectl("create", "namespace", "early")
    early = Fleet(hostile_plane, "early")
    try:
        early.install()
        operator = early.start_operator()
        until("it answers", lambda: operator.probe("/healthz") == 200)
        until("it says what is missing", lambda: "the CRD modelroutes.pilothouse.dev" in page(operator, "/readyz"))
        assert operator.probe("/healthz") == 200
        assert operator.probe("/readyz") == 503
        until("the log says so", lambda: "install the CRDs of the chart" in operator.tail(), seconds=15)
        install_crds(hostile_plane)
        operator.until_ready()
        assert "Traceback" not in operator.log.read_text()
    finally:
        early.stop()
        install_crds(hostile_plane)


def test_an_edit_made_while_the_api_server_is_away_is_live_when_it_returns(
    fleet: Fleet, gate: Gate, gateway: Running
) -> None:
    operator = fleet.operators[0]
    with Traffic([gateway.port], rate=50) as traffic:
        gate.shut()
        fleet.plane.kubectl(
            *("patch", "modelroute", "chat", f"--namespace={NAMESPACE}", "--type=json"),
            f"--patch={manifests.weights_patch(0, 100)}",
        )
        until("requests went on", lambda: traffic.tally.requests > 300)
        assert (operator.probe("/healthz"), operator.probe("/readyz")) == (200, 200)
        assert metric(operator, 'streams{fleet="gateway"}') == 1
        gate.open()

        def only_azure() -> bool:
            taken = traffic.reset()
            return bool(taken.providers) and {name.rsplit("/")[-1] for name in taken.providers} == {"azure"}

        until("the edit is live", only_azure)
    assert traffic.tally.failed == 0, traffic.tally.failures
    until(
        "status says so",
        lambda: fleet.condition("modelroute", "chat", "Programmed").get("observedGeneration") == 2,
    )


def test_a_definition_that_is_deleted_and_made_anew_takes_no_traffic_along(
    fleet: Fleet, clouds: Clouds, gateway: Running
) -> None:
    operator = fleet.operators[0]
    held = 'source_held{kind="ModelRoute"}'
    with Traffic([gateway.port], rate=50) as traffic:
        fleet.plane.kubectl("delete", "-f", ROUTES)
        until("the operator keeps what was there", lambda: metric(operator, held) == 1)
        until("requests went on", lambda: traffic.tally.requests > 150)
        fleet.plane.kubectl("apply", "--server-side", "-f", ROUTES)
        fleet.plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", ROUTES)
        fleet.apply(*manifests.both_clouds(clouds))
        until(
            "the routes made anew have a status",
            lambda: fleet.condition("modelroute", "chat", "Ready").get("status") == "True",
        )
    assert traffic.tally.failed == 0, traffic.tally.failures


def test_a_right_to_read_secrets_that_is_taken_away_is_named_and_the_key_serves_on(
    fleet: Fleet, gate: Gate, gateway: Running
) -> None:
    binding = f"{RELEASE}-pilothouse-operator-secrets"
    kept = fleet.plane.get("clusterrolebinding", binding)
    fleet.plane.kubectl("delete", "clusterrolebinding", binding)
    gate.shut()  # what is open already is not asked again for its rights
    gate.open()
    try:
        told = until(
            "the condition names the right",
            lambda: (
                (found := fleet.condition("llmprovider", "azure", "CredentialsReady"))["status"] == "False" and found
            ),
        )
        assert told["reason"] == "SecretForbidden"
        assert "get, list, watch" in told["message"]
        assert chat(gateway.port, "gpt")[0] == 200
        assert fleet.operators[0].probe("/readyz") == 200
    finally:
        kept["metadata"] = {"name": binding}
        fleet.apply(kept)
    until(
        "it heals",
        lambda: fleet.condition("llmprovider", "azure", "CredentialsReady")["status"] == "True",
        seconds=60,
    )


def azure_secret(**values: bytes) -> dict[str, Any]:
    """The Secret of the provider `azure` with other content."""
    encoded = {key: base64.b64encode(value).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "azure"}, "data": encoded}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"apiKey": b""}, "SecretMalformed"),
        ({"apiKey": b"\xff\xfe\x00"}, "SecretMalformed"),
        ({"apiKey": b"k" * 700_000}, "SecretMalformed"),
        ({"renamed": b"a-key-under-another-name"}, "SecretKeyMissing"),
    ],
)
def test_a_secret_gone_bad_is_named_without_its_value_and_the_last_good_key_serves(
    fleet: Fleet, gateway: Running, content: dict[str, bytes], reason: str
) -> None:
    fleet.plane.kubectl("delete", "secret", "azure", f"--namespace={NAMESPACE}")
    fleet.plane.kubectl("create", "-f", "-", f"--namespace={NAMESPACE}", stdin=json.dumps(azure_secret(**content)))
    told = until(
        "the condition says what is wrong",
        lambda: (
            (found := fleet.condition("llmprovider", "azure", "CredentialsReady")).get("reason") == reason and found
        ),
    )
    assert "storm/azure" in told["message"]
    assert "apiKey" in told["message"]
    assert "serves until this is mended" in told["message"]
    assert "kkk" not in told["message"]
    assert chat(gateway.port, "gpt")[0] == 200
    fleet.plane.kubectl(
        *("replace", "-f", "-", f"--namespace={NAMESPACE}"),
        stdin=json.dumps(azure_secret(apiKey=credentials.AZURE_API_KEY.encode())),
    )
    until("it heals", lambda: fleet.condition("llmprovider", "azure", "CredentialsReady").get("status") == "True")


def test_a_secret_rotated_a_hundred_times_in_a_moment_makes_no_storm(fleet: Fleet, gateway: Running) -> None:
    operator, published = fleet.operators[0], 'published_total{fleet="gateway"}'
    before, written = metric(operator, published), metric(operator, 'status_writes_total{outcome="ok"}')
    rotations = [f"a-passing-key-{number}" for number in range(99)] + [credentials.AZURE_API_KEY_2]
    storm = "\n---\n".join(json.dumps(azure_secret(apiKey=key.encode())) for key in rotations)
    fleet.plane.kubectl("replace", "-f", "-", f"--namespace={NAMESPACE}", stdin=storm)
    until("the last one is in use", lambda: chat(gateway.port, "gpt")[0] == 200)
    assert metric(operator, published) - before < 50
    assert metric(operator, 'status_writes_total{outcome="ok"}') - written < 10
    fleet.apply(manifests.azure_secret())


def test_a_status_that_somebody_wiped_is_restored_and_a_foreign_condition_kept(fleet: Fleet) -> None:
    foreign = {
        "type": "Audited",
        "status": "True",
        "reason": "Seen",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    patch = json.dumps({"status": {"conditions": [foreign], "targets": None}})
    fleet.plane.kubectl(
        *("patch", "modelroute", "gpt", f"--namespace={NAMESPACE}"),
        *("--subresource=status", "--type=merge", f"--patch={patch}"),
    )
    # Any edit brings a pass; without one it would come within a minute.
    fleet.apply(open_route("nudge", "gpt"))
    until("it is restored", lambda: fleet.condition("modelroute", "gpt", "Ready").get("status") == "True")
    assert fleet.condition("modelroute", "gpt", "Audited")["reason"] == "Seen"
    fleet.plane.kubectl("delete", "modelroute", "nudge", f"--namespace={NAMESPACE}")


def test_a_lease_deleted_by_hand_is_made_anew(fleet: Fleet) -> None:
    name = f"{RELEASE}-pilothouse-operator"
    fleet.plane.kubectl("delete", "lease", name, f"--namespace={NAMESPACE}")
    made = until(
        "there is one again",
        lambda: fleet.plane.kubectl("get", "lease", name, f"--namespace={NAMESPACE}", "-o", "json", check=False).stdout,
    )
    assert json.loads(made)["spec"]["holderIdentity"].startswith("operator-0")
    assert metric(fleet.operators[0], "leader") == 1


def test_one_made_anew_under_its_name_serves_as_the_new_one(fleet: Fleet, gateway: Running) -> None:
    fleet.apply(open_route("again", "embed"))
    until("the first one is seen", lambda: chat(gateway.port, "again")[0] != 404)
    assert chat(gateway.port, "again")[0] != 200
    stdin = json.dumps(open_route("again", "gpt"))
    fleet.plane.kubectl("replace", "--force", "-f", "-", f"--namespace={NAMESPACE}", stdin=stdin)
    until("the new one serves", lambda: chat(gateway.port, "again")[0] == 200)
    until("it has a status", lambda: fleet.condition("modelroute", "again", "Ready").get("status") == "True")
    fleet.plane.kubectl("delete", "modelroute", "again", f"--namespace={NAMESPACE}")


def test_a_namespace_that_goes_takes_its_routes_along_and_nothing_else(
    fleet: Fleet, clouds: Clouds, gateway: Running
) -> None:
    operator = fleet.operators[0]
    fleet.plane.kubectl("create", "namespace", "doomed")
    spec = {"openAI": {"baseURL": clouds.openai, "auth": {"apiKey": manifests.key_ref("openai", "key")}}}
    documents = (
        manifests.secret("openai", {"key": credentials.OPENAI_API_KEY}),
        manifests.resource("LLMProvider", "openai", spec),
        manifests.resource(
            "ModelRoute",
            "doomed",
            {
                "models": ["doomed"],
                "targets": [{"providerRef": {"name": "openai"}, "model": "gpt-4o"}],
                "access": {"namespaces": "All"},
            },
        ),
    )
    stdin = "\n---\n".join(json.dumps(document) for document in documents)
    fleet.plane.kubectl("apply", "--namespace=doomed", "-f", "-", stdin=stdin)
    until("it serves", lambda: chat(gateway.port, "doomed")[0] == 200)
    fleet.plane.kubectl("delete", "namespace", "doomed", "--wait=false")
    until("it is gone", lambda: chat(gateway.port, "doomed")[0] == 404)
    assert chat(gateway.port, "gpt")[0] == 200
    assert '"level": "error"' not in operator.log.read_text()


def test_a_sidecars_token_opens_its_own_namespaces_scope_whatever_it_asks_for(fleet: Fleet, tmp_path: Path) -> None:
    fleet.plane.kubectl("create", "namespace", "strange")
    fleet.plane.kubectl("create", "serviceaccount", "app", "--namespace=strange")
    token = make_token(fleet, "strange", "app", "app-0")
    said = first_lines(fleet, token, tmp_path, "?scope=gateway&namespace=storm")
    assert said[0]["scope"] == "sidecar/strange"
    assert said[0]["subject"] == {"namespace": "strange", "service_account": "app"}
    # No route, no credential, nothing of who may call.
    assert said[1]["snapshot"] == {"schema": schema_of({}, {}), "scope": "sidecar/strange", "identity": {}}


def test_the_token_of_a_deleted_pod_opens_nothing(fleet: Fleet, tmp_path: Path) -> None:
    token = make_token(fleet, NAMESPACE, f"{RELEASE}-pilothouse-gateway", "gone-0")
    fleet.plane.kubectl("delete", "pod", "gone-0", f"--namespace={NAMESPACE}", "--grace-period=0", "--force")
    assert first_lines(fleet, token, tmp_path) == [{"message": "token refused"}]


def make_token(fleet: Fleet, namespace: str, account: str, pod: str) -> str:
    """Of the control audience, bound to a pod that is made for it."""
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod, "namespace": namespace},
        "spec": {
            "serviceAccountName": account,
            "automountServiceAccountToken": False,
            "containers": [{"name": "c", "image": "none.invalid/none"}],
        },
    }
    fleet.plane.kubectl("apply", "-f", "-", stdin=json.dumps(document))
    return fleet.plane.pod_token(namespace=namespace, service_account=account, pod=pod, audience=CONTROL_AUDIENCE)


def first_lines(fleet: Fleet, token: str, scratch: Path, query: str = "") -> list[dict[str, Any]]:
    """What curl hears of the control stream in two seconds."""
    (scratch / "header").write_text(f"authorization: Bearer {token}\n")
    trust = fleet.root / "gateway-0" / "ca.crt"
    url = f"https://127.0.0.1:{fleet.operators[0].port}/v1/snapshots{query}"
    curl = ["curl", "-sN", "--max-time", "2", "--cacert", str(trust), "-H", f"@{scratch / 'header'}", url]
    said = subprocess.run(curl, capture_output=True, text=True, check=False).stdout
    return [json.loads(line) for line in said.splitlines()]


def test_a_proxy_that_starts_without_the_operator_says_so_and_is_live_when_it_returns(fleet: Fleet) -> None:
    operator = fleet.operators[0]
    assert operator.stop() == 0
    fresh = fleet.start_gateway("gateway-9", operator=operator)
    try:
        until("it listens", lambda: fresh.probe("/healthz") == 200)
        assert fresh.probe("/readyz") == 503
        status, body = chat(fresh.port, "gpt")
        assert status == 503
        assert "configuration" in json.loads(body)["error"]["message"]
        operator.start()
        operator.until_ready()
        until("it serves", lambda: chat(fresh.port, "gpt")[0] == 200, seconds=5)
    finally:
        fresh.stop()
        fleet.proxies.remove(fresh)
