"""Laws of the whole compilation, over worlds of every kind of resource, good and bad."""

import dataclasses
import json
from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_api.conditions import OUTCOMES, ConditionStatus, ConditionType
from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, Scope
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import BearerToken, NoCredential
from pilothouse_operator.compile.compiler import compile_world
from pilothouse_operator.compile.world import Compiled, Inputs, Kind, Resource, ResourceKey, Verdict
from tests.worlds import SECRET_MARK, gathered, shown_verdict

NAMESPACES = {"a": {"tier": "gold"}, "b": {"tier": "gold"}, "c": {}}
V = {"secretKeyRef": {"name": "s", "key": "k"}}
PROXY = {"connection": {"proxy": {"url": "http://proxy:3128", "auth": {"basic": {"username": V, "password": V}}}}}

namespaces = st.sampled_from(sorted(NAMESPACES))
names = st.sampled_from(["n1", "n2", "n3"])
accesses = st.sampled_from(
    [
        {},
        {"access": {"namespaces": "All"}},
        {"access": {"namespaces": "Selector", "selector": {"matchLabels": {"tier": "gold"}}}},
    ]
)
provider_specs = st.builds(
    lambda kind, access, delivery, models: kind | access | delivery | models,
    st.sampled_from(
        [
            {"openAI": {"baseURL": "http://vllm:8000/v1"}},
            {"azureOpenAI": {"endpoint": "https://x.openai.azure.com", "auth": {"apiKey": V}}},
            {"bedrock": {"region": "us-east-1", "auth": {"accessKey": {"accessKeyId": V, "secretAccessKey": V}}}},
            {"bedrock": {"region": "us-east-1", "auth": {"default": {}}}},
            {"azureOpenAI": {"endpoint": "https://x.openai.azure.com", "auth": {"workloadIdentity": {}}}},
            {"azureOpenAI": {"endpoint": "https://x.openai.azure.com", "auth": {"workloadIdentity": {}}}} | PROXY,
        ]
    ),
    accesses,
    st.sampled_from([{}, {"delivery": "Gateway"}, {"delivery": "Sidecar"}]),
    st.sampled_from([{}, {"models": [{"name": "m"}]}]),
)
targets = st.builds(
    lambda ref, model: {"providerRef": ref} | model,
    st.fixed_dictionaries({"name": names}, optional={"namespace": namespaces}),
    st.sampled_from([{}, {"model": "m"}, {"model": "absent"}]),
)
route_specs = st.builds(
    lambda models, targets, access: {"models": models, "targets": targets} | access,
    st.lists(st.sampled_from(["m", "x", "x*"]), min_size=1, max_size=2, unique=True),
    st.lists(targets, min_size=1, max_size=3),
    accesses,
)
quota_specs = st.builds(
    lambda routes: {"per": "Subject", "limits": [{"resource": "Requests", "amount": 1, "window": "1m"}]} | routes,
    st.sampled_from([{}, {"routes": ["n1"]}, {"routes": ["n2", "n3"]}]),
)
bad_specs = st.sampled_from(
    [{}, {"models": []}, {"bedrock": {}}, {"openAI": {"baseURL": 5}}, {"models": ["a*b"], "targets": "x"}, {"per": 1}]
)


def resource(kind: Kind, namespace: str, name: str, spec: dict[str, Any], created: int) -> Resource:
    key = ResourceKey(kind, namespace, name)
    stamp = f"2026-01-0{created}T00:00:00Z"
    return Resource(key=key, uid=str(key), resource_version="1", generation=1, created=stamp, spec=spec)


ages = st.integers(1, 3)
goods = st.lists(
    st.one_of(
        st.builds(resource, st.just(Kind.PROVIDER), namespaces, names, provider_specs, ages),
        st.builds(resource, st.just(Kind.ROUTE), namespaces, names, route_specs, ages),
        st.builds(resource, st.just(Kind.QUOTA), namespaces, names, quota_specs, ages),
    ),
    max_size=9,
    unique_by=lambda it: it.key,
)
bads = st.builds(resource, st.sampled_from(Kind), namespaces, st.just("bad"), bad_specs, ages)


def deliveries(good: list[Resource]) -> dict[ProviderKey, str]:
    """What each provider's manifest says, by its key."""
    return {
        ProviderKey(f"{it.key.namespace}/{it.key.name}"): it.spec.get("delivery", "Auto")
        for it in good
        if it.key.kind is Kind.PROVIDER
    }


def compiled_bytes(given_inputs: Inputs) -> dict[Scope, bytes]:
    return {scope: canonical.encode(it) for scope, it in compile_world(given_inputs).snapshots.items()}


@given(goods, bads)
def test_a_bad_resource_changes_no_byte_of_any_snapshot(good: list[Resource], bad: Resource) -> None:
    assert compiled_bytes(gathered([*good, bad], NAMESPACES)) == compiled_bytes(gathered(good, NAMESPACES))


@given(goods, bads)
def test_a_bad_resource_changes_no_verdict_but_its_own(good: list[Resource], bad: Resource) -> None:
    alone = compile_world(gathered(good, NAMESPACES)).verdicts
    together = compile_world(gathered([*good, bad], NAMESPACES)).verdicts
    assert {key: it for key, it in together.items() if key != bad.key} == alone
    assert together[bad.key].conditions[0].status is ConditionStatus.FALSE


@given(goods, st.randoms())
def test_the_order_of_the_world_changes_nothing(good: list[Resource], random: Random) -> None:
    turned = list(good)
    random.shuffle(turned)
    assert compile_world(gathered(turned, dict(reversed(NAMESPACES.items())))) == compile_world(
        gathered(good, NAMESPACES)
    )


def of_others(scope: Scope, keys: Iterable[ProviderKey]) -> set[ProviderKey]:
    """Those that are not of the sidecars' own namespace."""
    return {key for key in keys if not key.startswith(scope.removeprefix("sidecar/") + "/")}


@given(goods)
def test_a_static_key_is_in_no_sidecar_outside_its_provider_s_namespace_unless_it_says_so(good: list[Resource]) -> None:
    delivery = deliveries(good)
    for scope, snapshot in compile_world(gathered(good, NAMESPACES)).snapshots.items():
        if scope != GATEWAY_SCOPE:
            static = {key for key, it in snapshot.credentials.items() if not isinstance(it, NoCredential)}
            foreign = of_others(scope, static | snapshot.proxy_credentials.keys())
            assert {delivery[key] for key in foreign} <= {"Sidecar"}


@given(goods)
def test_nor_is_an_issued_one_that_is_all_that_the_operator_is(good: list[Resource]) -> None:
    inputs, delivery = gathered(good, NAMESPACES), deliveries(good)
    states = {
        key: dataclasses.replace(state, whole=True) if state.issued else state
        for key, state in inputs.credentials.items()
    }
    compiled = compile_world(dataclasses.replace(inputs, credentials=states))
    for scope, renewed in compiled.renewed.items():
        if scope != GATEWAY_SCOPE:
            assert {delivery[key] for key in of_others(scope, renewed)} <= {"Sidecar"}


@given(goods)
def test_what_gateways_alone_may_have_is_in_no_sidecar(good: list[Resource]) -> None:
    delivery = deliveries(good)
    for scope, snapshot in compile_world(gathered(good, NAMESPACES)).snapshots.items():
        if scope != GATEWAY_SCOPE:
            assert "Gateway" not in {delivery[key] for key in snapshot.providers}


@given(goods)
def test_a_credential_that_ends_is_in_no_snapshot_but_named_beside_it(good: list[Resource]) -> None:
    inputs = gathered(good, NAMESPACES)
    compiled = compile_world(inputs)
    issued = {key for key, state in inputs.credentials.items() if state.issued}
    assert compiled.renewed.keys() == compiled.snapshots.keys()
    for scope, snapshot in compiled.snapshots.items():
        assert snapshot.credentials.keys() & issued == set()
        assert compiled.renewed[scope] == snapshot.providers.keys() & issued


@given(goods)
def test_another_issue_of_a_credential_changes_no_byte(good: list[Resource]) -> None:
    inputs = gathered(good, NAMESPACES)
    again = {
        key: dataclasses.replace(state, credential=BearerToken(token=Secret("another"))) if state.issued else state
        for key, state in inputs.credentials.items()
    }
    assert compiled_bytes(dataclasses.replace(inputs, credentials=again)) == compiled_bytes(inputs)


@given(goods)
def test_a_sidecar_s_routes_are_those_that_a_gateway_would_let_its_namespace_use(good: list[Resource]) -> None:
    snapshots = compile_world(gathered(good, NAMESPACES)).snapshots
    for namespace in NAMESPACES:
        visible = {
            key
            for key, route in snapshots[GATEWAY_SCOPE].routes.items()
            if key.startswith(f"{namespace}/") or route.access is None or namespace in route.access
        }
        sidecar = snapshots[Scope(f"sidecar/{namespace}")].routes
        assert sidecar.keys() == visible
        for key, route in sidecar.items():
            whole = snapshots[GATEWAY_SCOPE].routes[key]
            assert len(route.targets) + route.withheld == len(whole.targets)
            assert route.access is None or set(route.access) <= {namespace}


@given(goods)
def test_every_target_finds_its_provider_and_credential_and_nothing_else_is_sent(good: list[Resource]) -> None:
    compiled = compile_world(gathered(good, NAMESPACES))
    for scope, snapshot in compiled.snapshots.items():
        used = {target.provider for route in snapshot.routes.values() for target in route.targets}
        assert snapshot.providers.keys() == snapshot.credentials.keys() | compiled.renewed[scope] == used
        assert snapshot.credentials.keys() & compiled.renewed[scope] == set()


@given(goods, st.lists(bads, max_size=3, unique_by=lambda it: it.key))
def test_every_verdict_is_of_the_closed_set_small_and_without_secrets(
    good: list[Resource], bad: list[Resource]
) -> None:
    compiled = compile_world(gathered([*good, *bad], NAMESPACES))
    assert compiled.verdicts.keys() == {it.key for it in (*good, *bad)}
    for verdict in compiled.verdicts.values():
        for condition in verdict.conditions:
            assert (condition.status, condition.reason) in OUTCOMES[condition.type]
        shown = json.dumps(shown_verdict(verdict))
        assert SECRET_MARK not in shown
        assert len(shown) < 8_192


@given(goods)
@settings(max_examples=30)
def test_the_whole_outcome_survives_its_encoding(good: list[Resource]) -> None:
    for snapshot in compile_world(gathered(good, NAMESPACES)).snapshots.values():
        assert canonical.decode(canonical.encode(snapshot)) == snapshot


def only(verdict: Verdict, kind: ConditionType) -> tuple[str, str]:
    return next((it.status.value, it.reason.value) for it in verdict.conditions if it.type is kind)


def world_of_one(**credentials: Any) -> Compiled:
    azure = {"azureOpenAI": {"endpoint": "https://x.openai.azure.com", "auth": {"apiKey": V}}}
    route = {"models": ["m"], "targets": [{"providerRef": {"name": "azure"}}]}
    resources = [
        resource(Kind.PROVIDER, "a", "azure", azure, 1),
        resource(Kind.ROUTE, "a", "chat", route, 1),
    ]
    inputs = gathered(resources, NAMESPACES)
    return compile_world(dataclasses.replace(inputs, **credentials))


def test_a_provider_that_nobody_has_looked_at_is_pending() -> None:
    compiled = world_of_one(credentials={})
    provider, route = (ResourceKey(Kind.PROVIDER, "a", "azure"), ResourceKey(Kind.ROUTE, "a", "chat"))
    assert only(compiled.verdicts[provider], ConditionType.CREDENTIALS_READY) == ("Unknown", "Pending")
    assert only(compiled.verdicts[route], ConditionType.RESOLVED_REFS) == ("Unknown", "Pending")
    assert compiled.snapshots[GATEWAY_SCOPE].routes["a/chat"].targets == ()  # type: ignore[index]


@pytest.mark.parametrize("scope", ["sidecar/", "somewhere", "sidecar"])
def test_what_is_no_scope_is_refused(scope: str) -> None:
    with pytest.raises(ValueError, match="no scope"):
        world_of_one(scopes=frozenset([Scope(scope)]))
