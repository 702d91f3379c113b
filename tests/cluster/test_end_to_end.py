"""A release on a real API server: manifests in, live proxies out, through every kind of trouble that operators meet."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from pilothouse_api.names import CALLER_AUDIENCE, CONTROL_AUDIENCE
from tests import planted
from tests.cluster import manifests
from tests.cluster.controlplane.plane import ControlPlane
from tests.cluster.fleet import GATEWAY_ACCOUNT, Clouds, Fleet, Running, simulated_clouds, until
from tests.cluster.traffic import Traffic
from tests.planted import Leaked
from tests.simulators import credentials

pytestmark = pytest.mark.cluster

NAMESPACE = "ship"


@pytest.fixture(scope="module")
def clouds() -> Iterator[Clouds]:
    with simulated_clouds() as running:
        yield running


@pytest.fixture(scope="module")
def fleet(control_plane: ControlPlane, clouds: Clouds) -> Iterator[Fleet]:
    """One operator, two gateways, one sidecar in the release's namespace, both clouds routed."""
    control_plane.kubectl("create", "namespace", NAMESPACE)
    fleet = Fleet(control_plane, NAMESPACE)
    try:
        fleet.install()
        fleet.apply(*manifests.both_clouds(clouds))
        operator = fleet.start_operator()
        operator.until_ready()
        for name in ("gateway-0", "gateway-1"):
            fleet.start_gateway(name, operator=operator).until_ready()
        control_plane.kubectl("create", "serviceaccount", "app", f"--namespace={NAMESPACE}")
        fleet.start_sidecar("sidecar-0", namespace=NAMESPACE, service_account="app", operator=operator).until_ready()
        yield fleet
    finally:
        fleet.stop()
        control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
def gateways(fleet: Fleet) -> list[Running]:
    return fleet.proxies[:2]


def client(proxy: Running, key: str = manifests.API_KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{proxy.port}/v1", api_key=key, max_retries=0)


def say(proxy: Running, model: str, text: str = "hello", key: str = manifests.API_KEY) -> str:
    with client(proxy, key) as gateway:
        answer = gateway.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content or ""


def admin(clouds: Clouds, method: str, path: str, body: Any) -> None:
    request = urllib.request.Request(f"{clouds.admin}{path}", json.dumps(body).encode(), method=method)
    request.add_header("content-type", "application/json")
    urllib.request.urlopen(request, timeout=20).close()


def test_every_resource_becomes_ready_and_says_how_many_proxies_run_it(fleet: Fleet) -> None:
    for provider in ("bedrock", "azure"):
        until(
            f"{provider} is Ready",
            lambda name=provider: fleet.condition("llmprovider", name, "Ready")["status"] == "True",
        )
    for name in ("chat", "claude", "gpt", "embed"):
        until(
            f"all three proxies run {name}",
            lambda route=name: fleet.status("modelroute", route).get("programmed", {}).get("summary") == "3/3",
        )
        assert fleet.condition("modelroute", name, "Ready")["status"] == "True"


def test_kubectl_wait_and_get_show_it_as_users_expect(fleet: Fleet) -> None:
    fleet.plane.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "mroute/chat", f"--namespace={NAMESPACE}")
    table = fleet.plane.kubectl("get", "pilothouse", f"--namespace={NAMESPACE}").stdout
    assert "modelroute.pilothouse.dev/chat" in table


def test_each_gateway_answers_from_both_clouds(gateways: list[Running]) -> None:
    for gateway in gateways:
        assert "hello" in say(gateway, "claude")
        assert "hello" in say(gateway, "gpt")
        with client(gateway) as caller:
            assert len(caller.embeddings.create(model="embed", input=["a", "b"]).data) == 2


def test_a_sidecars_caller_is_its_pods_service_account_and_needs_no_key(fleet: Fleet) -> None:
    assert "hello" in say(fleet.proxies[2], "chat", key="anything")


def test_a_service_account_token_of_the_callers_audience_is_let_in(fleet: Fleet, gateways: list[Running]) -> None:
    token = fleet.plane.kubectl("create", "token", "app", f"--namespace={NAMESPACE}", f"--audience={CALLER_AUDIENCE}")
    assert "hello" in say(gateways[0], "gpt", key=token.stdout.strip())


@pytest.mark.parametrize("audience", [CONTROL_AUDIENCE, "https://kubernetes.default.svc", "somebody-else"])
def test_a_token_of_another_audience_is_refused(fleet: Fleet, gateways: list[Running], audience: str) -> None:
    token = fleet.plane.kubectl("create", "token", "app", f"--namespace={NAMESPACE}", f"--audience={audience}")
    with pytest.raises(openai.AuthenticationError):
        say(gateways[0], "gpt", key=token.stdout.strip())


def test_a_callers_token_fetches_no_snapshot(fleet: Fleet, tmp_path: Path) -> None:
    caller = fleet.plane.pod_token(
        namespace=NAMESPACE, service_account=GATEWAY_ACCOUNT, pod="gateway-0", audience=CALLER_AUDIENCE
    )
    assert status_of_stream(fleet, caller, tmp_path) == 401


def test_a_token_that_is_bound_to_no_pod_fetches_no_snapshot(fleet: Fleet, tmp_path: Path) -> None:
    unbound = fleet.plane.kubectl(
        "create", "token", GATEWAY_ACCOUNT, f"--namespace={NAMESPACE}", f"--audience={CONTROL_AUDIENCE}"
    )
    assert status_of_stream(fleet, unbound.stdout.strip(), tmp_path) == 401


def status_of_stream(fleet: Fleet, token: str, scratch: Path) -> int:
    """What curl is told when it asks for the snapshots."""
    (scratch / "header").write_text(f"authorization: Bearer {token}\n")
    trust = fleet.root / "gateway-0" / "ca.crt"
    url = f"https://127.0.0.1:{fleet.operators[0].port}/v1/snapshots"
    curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10"]
    done = subprocess.run(
        [*curl, "--cacert", str(trust), "-H", f"@{scratch / 'header'}", url],
        capture_output=True,
        text=True,
        check=False,
    )
    return int(done.stdout)


def test_weights_move_under_load_without_a_failed_request(fleet: Fleet, gateways: list[Running]) -> None:
    with Traffic([gateway.port for gateway in gateways], rate=100) as traffic:
        for claude, gpt, only in ((0, 100, "azure"), (100, 0, "bedrock"), (50, 50, None)):
            fleet.plane.kubectl(
                *("patch", "modelroute", "chat", f"--namespace={NAMESPACE}", "--type=json"),
                f"--patch={manifests.weights_patch(claude, gpt)}",
            )
            until_only(traffic, only)
    assert traffic.tally.failed == 0, traffic.tally.failures


def until_only(traffic: Traffic, provider: str | None) -> None:
    """Waits until answers come from one provider alone (None: from both again); no request may have failed."""

    def settled() -> bool:
        taken = traffic.reset()
        assert taken.failed == 0, taken.failures
        time.sleep(0.2)
        seen = {name.rsplit("/")[-1] for name in traffic.tally.providers}
        return seen == ({provider} if provider else {"azure", "bedrock"})

    until(f"traffic goes to {provider or 'both'}", settled)


def test_a_rotated_secret_is_live_without_a_failed_request(
    fleet: Fleet, clouds: Clouds, gateways: list[Running]
) -> None:
    with Traffic([gateway.port for gateway in gateways], rate=50, models=["gpt"]) as traffic:
        fleet.apply(manifests.azure_secret(credentials.AZURE_API_KEY_2))
        until("the new key is in use", lambda: keys_in_use(clouds) == {"key2"})
        admin(clouds, "PUT", "/credentials", {"azure": {credentials.AZURE_API_KEY_2: "key2"}})
        until("requests went on with it", lambda: traffic.tally.requests > 200)
    admin(
        clouds,
        "PUT",
        "/credentials",
        {"azure": {credentials.AZURE_API_KEY: "key1", credentials.AZURE_API_KEY_2: "key2"}},
    )
    assert traffic.tally.failed == 0, traffic.tally.failures


def keys_in_use(clouds: Clouds) -> set[str]:
    """By whose key the newest requests to Azure were signed."""
    with urllib.request.urlopen(f"{clouds.admin}/requests?provider=azure&limit=10", timeout=20) as answer:
        recorded = json.load(answer)
    rows = recorded["requests"] if isinstance(recorded, dict) else recorded
    return {row["credential"] for row in rows}


def test_a_missing_secret_is_named_and_the_last_good_key_serves_on(fleet: Fleet, gateways: list[Running]) -> None:
    fleet.plane.kubectl("delete", "secret", "azure", f"--namespace={NAMESPACE}")
    lost = until(
        "the condition names the Secret",
        lambda: (found := fleet.condition("llmprovider", "azure", "CredentialsReady"))["status"] == "False" and found,
    )
    assert lost["reason"] == "SecretNotFound"
    assert "azure" in lost["message"]
    assert "hello" in say(gateways[0], "gpt")
    fleet.apply(manifests.azure_secret())
    until("it heals", lambda: fleet.condition("llmprovider", "azure", "CredentialsReady")["status"] == "True")


def test_a_manifest_that_the_schema_refuses_never_arrives(fleet: Fleet) -> None:
    broken = manifests.route("broken", {("bedrock", "claude"): -1})
    with pytest.raises(AssertionError, match=r"spec\.targets\[0\]\.weight"):
        fleet.apply(broken)


def test_a_route_to_nowhere_says_what_to_do_and_harms_no_other(fleet: Fleet, gateways: list[Running]) -> None:
    fleet.apply(manifests.route("lost", {("no-such-provider", "x"): 1}))
    refs = until("a verdict", lambda: fleet.condition("modelroute", "lost", "ResolvedRefs"))
    assert (refs["status"], refs["reason"]) == ("False", "ProviderNotFound")
    assert "no-such-provider" in refs["message"]
    assert "hello" in say(gateways[0], "chat")
    fleet.plane.kubectl("delete", "modelroute", "lost", f"--namespace={NAMESPACE}")


def test_usage_shows_in_a_quotas_status_and_its_limit_binds(fleet: Fleet, gateways: list[Running]) -> None:
    spec = {"per": "Subject", "limits": [{"resource": "Requests", "amount": 5, "window": "1h"}], "models": ["embed"]}
    fleet.apply(manifests.resource("UsageQuota", "few", spec))
    until("the quota is enforced", lambda: fleet.condition("usagequota", "few", "Enforced").get("status") == "True")
    with client(gateways[0]) as caller:
        for _ in range(5):
            caller.embeddings.create(model="embed", input="x")
        with pytest.raises(openai.RateLimitError) as refused:
            caller.embeddings.create(model="embed", input="x")
    assert int(refused.value.response.headers["retry-after"]) > 0
    until("status shows the use", lambda: fleet.status("usagequota", "few").get("limits", [{}])[0].get("used") == 5)
    assert fleet.condition("usagequota", "few", "Exceeded").get("status") == "True"
    fleet.plane.kubectl("delete", "usagequota", "few", f"--namespace={NAMESPACE}")


def test_traffic_goes_on_while_the_operator_is_dead_and_a_proxy_restarts_meanwhile(
    fleet: Fleet, gateways: list[Running]
) -> None:
    operator = fleet.operators[0]
    with Traffic([gateway.port for gateway in gateways], rate=50) as traffic:
        operator.kill()
        traffic.avoid(gateways[1].port)
        time.sleep(0.5)  # as the chart's preStop: what was sent before must have arrived
        assert gateways[1].stop() == 0
        gateways[1].start()
        gateways[1].until_ready()
        traffic.resume(gateways[1].port)
        fleet.plane.kubectl(
            *("patch", "modelroute", "chat", f"--namespace={NAMESPACE}", "--type=json"),
            f"--patch={manifests.weights_patch(0, 100)}",
        )
        operator.start()
        operator.until_ready()
        until_only(traffic, "azure")
    assert traffic.tally.failed == 0, traffic.tally.failures
    fleet.apply(manifests.route("chat", {("bedrock", "claude"): 50, ("azure", "gpt"): 50}))


def test_an_object_deleted_while_the_operator_was_dead_is_gone_when_it_returns(
    fleet: Fleet, gateways: list[Running]
) -> None:
    fleet.apply(manifests.route("brief", {("azure", "gpt"): 1}))
    until("it serves", lambda: serves(gateways[0], "brief"))
    fleet.operators[0].kill()
    fleet.plane.kubectl("delete", "modelroute", "brief", f"--namespace={NAMESPACE}")
    fleet.operators[0].start()
    fleet.operators[0].until_ready()
    until("it is gone", lambda: not serves(gateways[0], "brief"))


def serves(proxy: Running, model: str) -> bool:
    with client(proxy) as gateway:
        return model in {each.id for each in gateway.models.list().data}


def test_a_second_operator_takes_over_and_counts_every_proxy(fleet: Fleet, gateways: list[Running]) -> None:
    first, second = fleet.operators[0], fleet.start_operator("operator-1")
    second.until_ready()
    first.stop()
    fleet.apply(manifests.route("later", {("azure", "gpt"): 1}))
    until(
        "the second one writes status",
        lambda: fleet.condition("modelroute", "later", "Accepted").get("status") == "True",
        seconds=40,
    )
    first.start()
    first.until_ready()
    until("the proxies are back and serve it", lambda: all(serves(each, "later") for each in gateways))
    second.stop()
    fleet.operators.remove(second)


def test_the_operator_wrote_nothing_but_status_and_read_no_secret_that_nobody_named(fleet: Fleet) -> None:
    user = f"system:serviceaccount:{NAMESPACE}:ship-pilothouse-operator"
    written, read = set(), set()
    for line in fleet.plane.audit_log.read_text().splitlines():
        entry = json.loads(line)
        target = entry.get("objectRef", {})
        if entry["user"]["username"] != user or entry["stage"] != "ResponseComplete":
            continue
        if target.get("apiGroup") == "pilothouse.dev" and entry["verb"] not in {"get", "list", "watch"}:
            written.add((entry["verb"], target.get("subresource")))
        if target.get("resource") == "secrets" and target.get("name"):
            read.add(target["name"])
    assert written == {("patch", "status")}
    assert read <= {"aws", "azure", "ship-pilothouse-operator-tls"}


def test_no_secret_shows_wherever_one_may_look(fleet: Fleet) -> None:
    fleet.sweep()


@pytest.mark.parametrize(
    ("shown", "place"),
    [
        ("published sha256:", "the log of operator-0"),
        ("handed out the credential of", "the log of operator-0"),
        ("configuration applied", "the log of gateway-0"),
        ("every target can serve", "`kubectl get modelroutes -o yaml`"),
        ("the credential is ready", "`kubectl get llmproviders -o yaml`"),
        ("pilothouse_requests_total", "/metrics of gateway-0"),
        ("pilothouse_operator_", "/metrics of operator-0"),
        ("--gateway-service-account", "the command line of operator-0"),
        ("POD_NAME=operator-0", "the environment of operator-0"),
    ],
)
def test_a_secret_would_be_found_where_this_is(fleet: Fleet, shown: str, place: str) -> None:
    planted.plant("something that is no secret", shown)
    with pytest.raises(Leaked) as leaked:
        fleet.sweep(place for running in (*fleet.operators, *fleet.proxies) for place in running.shown())
    assert f"{place} shows something that is no secret" in str(leaked.value)
