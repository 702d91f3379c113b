from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.conditions import Reason
from pilothouse_api.resources.parsing import Parsed, field_path, parse
from pilothouse_api.resources.provider import LLMProviderSpec, ProviderKind
from pilothouse_api.resources.quota import UsageQuotaSpec
from pilothouse_api.resources.route import FailureClass, ModelRouteSpec
from pilothouse_api.snapshot import routes
from tests.unit.api.rule_cases import AZURE, BEDROCK, SMALLEST, merged

ROUTE = SMALLEST["modelroutes"]


def problems_of(kind: Any, spec: Any) -> dict[str, str]:
    found = parse(kind, spec)
    assert isinstance(found, tuple), found
    assert {problem.reason for problem in found} == {Reason.INVALID}
    return {problem.field: problem.message for problem in found}


def test_a_field_path_is_what_the_manifest_says() -> None:
    assert field_path(("targets", 1, "providerRef", "name")) == "spec.targets[1].providerRef.name"
    assert field_path(()) == "spec"


def test_every_fault_of_a_spec_is_named_at_once() -> None:
    spec = merged(ROUTE, {"models": ["a*b"], "targets": [{"weight": "1"}], "retry": {"attempts": 11}})
    assert problems_of(ModelRouteSpec, spec) == {
        "spec.models[0]": "must be ASCII characters without spaces, and '*' only at the end",
        "spec.targets[0].providerRef": "is required",
        "spec.targets[0].weight": "must be a whole number",
        "spec.retry.attempts": "must be at most 10",
    }


@pytest.mark.parametrize(
    ("patch", "field", "message"),
    [
        ({"models": []}, "spec.models", "must have 1 or more entries"),
        ({"models": "chat"}, "spec.models", "must be a list"),
        ({"models": [5]}, "spec.models[0]", "must be text"),
        ({"models": ["x" * 254]}, "spec.models[0]", "must have at most 253 characters"),
        ({"models": ["a", "b", "a"]}, "spec.models", "entry 2 repeats the value of an earlier one"),
        ({"retry": "often"}, "spec.retry", "must be an object"),
        ({"retry": {"attempts": True}}, "spec.retry.attempts", "must be a whole number"),
        ({"retry": {"attempts": 0}}, "spec.retry.attempts", "must be at least 1"),
        (
            {"timeouts": {"total": "5 min"}},
            "spec.timeouts.total",
            "must be a duration of whole numbers with ms, s, m or h, such as 500ms or 1m30s",
        ),
        ({"access": {"namespaces": "Some"}}, "spec.access.namespaces", "must be 'Same', 'All' or 'Selector'"),
    ],
)  # fmt: skip
def test_a_fault_is_told_in_words_of_the_manifest(patch: dict[str, Any], field: str, message: str) -> None:
    assert problems_of(ModelRouteSpec, merged(ROUTE, patch)) == {field: message}


def test_entries_of_a_keyed_list_must_differ_in_all_of_its_keys() -> None:
    limit = {"resource": "Requests", "amount": 1, "window": "1m"}
    fits = merged(SMALLEST["usagequotas"], {"limits": [limit, {**limit, "window": "1h"}]})
    assert isinstance(parse(UsageQuotaSpec, fits), Parsed)
    repeats = merged(SMALLEST["usagequotas"], {"limits": [limit, {**limit, "amount": 2}]})
    message = "entry 1 repeats the resource and window of an earlier one"
    assert problems_of(UsageQuotaSpec, repeats) == {"spec.limits": message}


def test_a_key_written_where_a_reference_belongs_is_not_repeated_to_the_reader() -> None:
    pasted = "sk-this-was-pasted-by-mistake"
    spec = {"openAI": {"baseURL": "http://x/v1", "auth": {"apiKey": pasted}}}
    found = parse(LLMProviderSpec, spec)
    assert isinstance(found, tuple)
    assert pasted not in repr(found)


def test_unknown_fields_are_ignored_and_named() -> None:
    spec = merged(ROUTE, {"strategy": "Sticky", "targets": [{"providerRef": {"name": "a", "kind": "X"}}]})
    found = parse(ModelRouteSpec, spec)
    assert isinstance(found, Parsed)
    assert set(found.ignored) == {"spec.strategy", "spec.targets[0].providerRef.kind"}
    assert found.spec.targets[0].provider_ref.name == "a"


def test_an_unknown_field_hides_no_fault() -> None:
    spec = merged(ROUTE, {"strategy": "Sticky", "retry": {"backoff": {"base": "9s", "jitter": "Full"}}})
    assert problems_of(ModelRouteSpec, spec) == {"spec.retry.backoff": "base must not be longer than max"}


def test_names_of_the_code_are_no_names_of_the_manifest() -> None:
    assert "spec.openAI.baseURL" in problems_of(LLMProviderSpec, {"openAI": {"base_url": "http://x/v1"}})


@pytest.mark.parametrize(
    ("patch", "kind"),
    [({}, ProviderKind.OPENAI), (BEDROCK, ProviderKind.BEDROCK), (AZURE, ProviderKind.AZURE_OPENAI)],
)
def test_the_kind_is_the_member_that_is_set(patch: dict[str, Any], kind: ProviderKind) -> None:
    found = parse(LLMProviderSpec, merged(SMALLEST["llmproviders"], patch))
    assert isinstance(found, Parsed)
    assert found.spec.kind is kind


def test_failures_are_called_the_same_in_manifests_and_snapshots() -> None:
    assert {it.value for it in FailureClass} == {it.value for it in routes.FailureClass}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
known = st.sampled_from(["models", "targets", "retry", "timeouts", "fallback", "access", "bedrock", "openAI", "limits"])


@given(st.dictionaries(known | st.text(max_size=5), json_values, max_size=4))
def test_whatever_a_manifest_holds_parsing_answers_and_never_raises(spec: dict[str, Any]) -> None:
    for kind in (LLMProviderSpec, ModelRouteSpec, UsageQuotaSpec):
        found = parse(kind, spec)
        assert isinstance(found, Parsed) or found
