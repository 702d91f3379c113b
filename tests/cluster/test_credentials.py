"""Every kind of credential, from manifest to model, against a real API server and clouds that check what they see.

The operator runs as the chart starts it, in the environment of a pod that has workload identities of AWS, Azure and
Google; nothing that it signs in with is a key of its own.
"""

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.cluster import manifests, sign_ins
from tests.cluster.controlplane.plane import ControlPlane
from tests.cluster.estate import Estate, simulated_estate
from tests.cluster.fleet import Fleet, Running, until
from tests.cluster.sign_ins import BY_NAME, KINDS, Kind
from tests.cluster.traffic import Traffic, chat
from tests.simulators.estate import fleet as estates
from tests.simulators.estate.pod import OPERATOR_ROLE

pytestmark = pytest.mark.cluster

NAMESPACE = "custody"
STRANGERS = "strangers"
GATEWAY = "gateway-0"

ALL = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@pytest.fixture(scope="module")
def estate() -> Iterator[Estate]:
    with simulated_estate() as running:
        yield running


@pytest.fixture(scope="module")
def fleet(control_plane: ControlPlane, estate: Estate) -> Iterator[Fleet]:
    """One operator and one gateway; a provider and a route of every kind, their first secrets in their stores."""
    values = {"identity.namespaces": [NAMESPACE], "identity.endpoints": estate.endpoints}
    for namespace in (NAMESPACE, STRANGERS):
        control_plane.kubectl("create", "namespace", namespace)
    running = Fleet(control_plane, NAMESPACE, values=values)
    try:
        running.install()
        running.apply(manifests.caller_secret())
        for kind in (*KINDS, sign_ins.VAULT_TOKEN):
            if kind.secret:
                sign_ins.rotate(kind, 1, estate, running.apply)
        running.apply(*(sign_ins.provider(kind, estate) for kind in KINDS), *map(sign_ins.route, KINDS))
        operator = running.start_operator(environment=estate.environment)
        operator.until_ready()
        running.start_gateway(GATEWAY, operator=operator).until_ready()
        yield running
    finally:
        running.stop()
        # Gone for certain: another release's operator would read the Secrets that these providers name.
        control_plane.kubectl("delete", "namespace", NAMESPACE, STRANGERS, "--timeout=100s")


@pytest.fixture
def gateway(fleet: Fleet) -> Running:
    return fleet.proxies[0]


def ask(gateway: Running, kind: str) -> tuple[int, str]:
    """Status and body of one chat completion through a kind of sign-in."""
    return chat(gateway.port, kind, sign_ins.mark(kind, GATEWAY))


def ready(fleet: Fleet, kind: str) -> dict[str, str]:
    """The condition CredentialsReady of a kind's provider."""
    return fleet.condition("llmprovider", kind, "CredentialsReady")


@ALL
def test_a_chat_is_answered(fleet: Fleet, gateway: Running, kind: Kind) -> None:
    until("it is signed in", lambda: ready(fleet, kind.name).get("status") == "True")
    until("the gateway has it", lambda: ask(gateway, kind.name)[0] != 503, seconds=5)
    assert ask(gateway, kind.name)[0] == 200


@ALL
def test_status_says_what_the_provider_has_and_until_when(fleet: Fleet, kind: Kind) -> None:
    until("it is signed in", lambda: ready(fleet, kind.name).get("status") == "True")
    credential = until("a credential", lambda: fleet.status("llmprovider", kind.name).get("credential"))
    assert credential["kind"] == kind.shows
    assert ({"renewedAt", "expiresAt"} <= credential.keys()) == kind.issued


def test_the_operator_s_identity_is_not_for_providers_of_other_namespaces(fleet: Fleet, estate: Estate) -> None:
    kinds = ("bedrock-default", "azure-workload-identity", "azure-managed-identity", "openai-google")
    for name in kinds:
        provider = sign_ins.provider(BY_NAME[name], estate)
        provider["metadata"]["namespace"] = STRANGERS
        fleet.plane.kubectl("apply", "-f", "-", stdin=json.dumps(provider))
    for name in kinds:

        def refused(name: str = name) -> bool:
            condition = fleet.condition("llmprovider", name, "CredentialsReady", STRANGERS)
            return condition.get("reason") == "IdentityNotPermitted"

        until(f"{name} is refused", refused)


def test_an_endpoint_that_nobody_permitted_is_not_shown_the_identity(fleet: Fleet, estate: Estate) -> None:
    provider = sign_ins.provider(BY_NAME["bedrock-default"], estate)
    provider["metadata"]["name"] = "lured"
    provider["spec"]["bedrock"]["auth"]["stsEndpoint"] = "http://127.0.0.1:9"
    fleet.apply(provider)
    condition = until("a condition", lambda: ready(fleet, "lured"))
    assert condition["reason"] == "IdentityNotPermitted"
    assert "spec.bedrock.auth.stsEndpoint" in condition["message"]


def live(estate: Estate, gateway: Running, kind: Kind, secret: str) -> bool:
    """Whether a provider has seen what this secret opens; asks once."""
    status, body = ask(gateway, kind.name)
    assert status == 200, body
    return GATEWAY in estate.ledger().used.get(secret, {})


def test_every_secret_that_is_rotated_is_live_and_no_request_fails(
    fleet: Fleet, estate: Estate, gateway: Running
) -> None:
    """All at once: stores are asked every ten seconds."""
    rotated = {
        kind.name: sign_ins.rotate(kind, 2, estate, fleet.apply)
        for kind in (*KINDS, sign_ins.VAULT_TOKEN)
        if kind.secret
    }
    for name, secret in rotated.items():
        if name in BY_NAME:
            until(f"{secret} is live", lambda k=BY_NAME[name], s=secret: live(estate, gateway, k, s))
    for name in rotated:
        estate.revoke_key(f"{name}/1")
    for name in BY_NAME.keys() & rotated.keys():
        assert ask(gateway, name)[0] == 200


REVOKED = {
    "sessions of the operator's role": ({"role": OPERATOR_ROLE}, ("bedrock-default", "bedrock-short-term-key")),
    "sessions of an assumed role": ({"role": estates.MODELS_ROLE}, ("bedrock-default-role",)),
    "tokens of a workload identity": ({"application": estates.WORKLOAD}, ("azure-workload-identity",)),
    "tokens of a service principal": ({"application": estates.BY_SECRET}, ("azure-client-secret",)),
}


@pytest.mark.parametrize(("whose", "kinds"), REVOKED.values(), ids=REVOKED)
def test_what_is_revoked_is_issued_anew_and_the_client_notices_nothing(
    estate: Estate, gateway: Running, whose: dict[str, str], kinds: tuple[str, ...]
) -> None:
    for kind in kinds:
        assert ask(gateway, kind)[0] == 200
    before = estate.ledger().credentials
    assert estate.revoke_issued(**whose) > 0
    for kind in kinds:
        status, body = ask(gateway, kind)
        assert status == 200, body
        assert len(estate.ledger().credentials[kind]) == len(before[kind]) + 1


def test_an_edit_of_the_models_keeps_what_was_issued_until_there_is_another(
    fleet: Fleet, estate: Estate, gateway: Running
) -> None:
    """Sessions are narrowed to the models, so that each list takes one of its own."""
    kinds = ["bedrock-default", "bedrock-default-role", "bedrock-short-term-key"]
    for name in kinds:
        until("the gateway has it", lambda n=name: ask(gateway, n)[0] == 200)
    before = estate.ledger().credentials
    with Traffic([gateway.port], rate=100, models=kinds, text=lambda kind, _: sign_ins.mark(kind, GATEWAY)) as traffic:
        for name in kinds:
            provider = sign_ins.provider(BY_NAME[name], estate)
            provider["spec"]["models"].append({"name": "nova", "upstreamModel": "amazon.nova-pro-v1:0"})
            fleet.apply(provider)
        for name in kinds:
            until(f"{name} has another", lambda n=name: estate.ledger().credentials[n] != before[n])
    assert traffic.tally.failures == {}


def test_while_stores_are_away_the_last_good_values_serve_and_the_condition_says_since_when(
    fleet: Fleet, estate: Estate, gateway: Running
) -> None:
    kinds = ("openai-secrets-manager", "openai-key-vault", "openai-google", "openai-vault")
    doors = ("awsStores", "keyVault", "google", "vault")
    began = time.time()
    estate.doors(**dict.fromkeys(doors, "failing"))
    try:
        for name in kinds:
            until(f"{name} says so", lambda n=name: ready(fleet, n).get("reason") == "StoreUnavailable")
            message = ready(fleet, name)["message"]
            since = datetime.fromisoformat(re.search(r"\(since (\S+)\)", message)[1]).timestamp()
            assert began - 1 <= since <= time.time()
            assert "the last good" in message
            assert ask(gateway, name)[0] == 200
    finally:
        estate.doors(**dict.fromkeys(doors, "open"))
    for name in kinds:
        until(f"{name} is well again", lambda n=name: ready(fleet, n).get("status") == "True")


def test_no_secret_is_in_any_log_status_or_event(fleet: Fleet, estate: Estate) -> None:
    told = "".join(running.log.read_text() for running in (*fleet.operators, *fleet.proxies))
    for kind in ("llmproviders", "modelroutes", "events"):
        told += fleet.plane.kubectl("get", kind, f"--namespace={NAMESPACE}", "-o", "json").stdout
    assert [secret for secret in estate.planted() if secret in told] == []
