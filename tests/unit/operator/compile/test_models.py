"""What a provider serves, and what is known of it: the manifest before the account before the catalogue."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.names import UpstreamModel
from pilothouse_api.resources.provider import SHOWN_QUOTAS, LLMProviderSpec
from pilothouse_api.snapshot.facts import Facts, Price
from pilothouse_api.snapshot.settings import Guardrail, Settings, Surface
from pilothouse_operator.compile import models
from pilothouse_operator.compile.discovered import UNKNOWN, Catalogue, FoundModel, Quota, knows_nothing
from pilothouse_operator.compile.models import MOST, Table, merged

OPENAI = {"openAI": {"baseURL": "https://API.example.com/v1/"}}


def table(found: tuple[FoundModel, ...] | None = None, catalogue: Catalogue = knows_nothing, **fields: Any) -> Table:
    spec = LLMProviderSpec.model_validate({**OPENAI, **fields})
    return models.table(spec, found, catalogue)


def found(*names: str, **fields: Any) -> tuple[FoundModel, ...]:
    return tuple(FoundModel(name=name, upstream=UpstreamModel(name), **fields) for name in names)


def test_a_model_is_its_own_upstream_name_unless_it_says_another() -> None:
    written = [{"name": "a"}, {"name": "b", "upstreamModel": "B", "family": "claude", "maxOutputTokens": 5}]
    it = table(models=written)
    assert it.models["a"].upstream == "a"
    other = it.models["b"]
    assert (other.upstream, other.family, other.max_output_tokens, other.facts) == ("B", "claude", 5, None)


def test_without_discovery_a_list_counts_for_nothing() -> None:
    assert table(found("x")) == Table(models={}, listing=None)


def test_what_the_account_has_is_served() -> None:
    it = table(found("x", "y"), discovery={})
    assert sorted(it.models) == ["x", "y"]
    assert it.listing is not None
    assert (it.listing.found, it.listing.served, it.listing.excluded, it.listing.unusable) == (2, 2, 0, 0)


@pytest.mark.parametrize(
    ("patterns", "served"),
    [
        ({"include": ["gpt-*"]}, ["gpt-5", "gpt-5-mini"]),
        ({"exclude": ["*-mini"]}, ["gpt-5", "o4"]),
        ({"include": ["gpt-?", "o[34]"]}, ["gpt-5", "o4"]),
        ({"include": ["gpt"]}, []),
        ({"include": ["gpt-*"], "exclude": ["gpt-*"]}, []),
    ],
)
def test_patterns_choose_by_the_whole_upstream_name(patterns: dict[str, Any], served: list[str]) -> None:
    it = table(found("gpt-5", "gpt-5-mini", "o4"), discovery=patterns)
    assert sorted(it.models) == served
    assert it.listing is not None
    assert it.listing.excluded == 3 - len(served)


def test_what_cannot_be_called_is_counted_by_its_obstacle() -> None:
    it = table((*found("x"), *found("y", "z", obstacle="no access")), discovery={})
    assert list(it.models) == ["x"]
    assert it.listing is not None
    assert it.listing.obstacles == {"no access": 2}


def test_the_manifest_can_serve_what_the_account_says_cannot_be_called() -> None:
    """Availability has its own delays, and somebody may know better."""
    it = table(found("y", obstacle="no access"), discovery={}, models=[{"name": "y"}])
    assert it.models["y"].upstream == "y"


def test_no_more_than_a_snapshot_bears_are_served() -> None:
    it = table(found(*(f"m{number}" for number in range(MOST + 2))), discovery={})
    assert len(it.models) == MOST
    assert it.listing is not None
    assert list(it.listing.obstacles.values()) == [2]


def test_an_alias_has_the_facts_of_what_it_stands_for() -> None:
    account = found("arn:x", base="claude", facts=Facts(vision=True, max_output_tokens=7))
    it = table(account, discovery={}, models=[{"name": "fast", "upstreamModel": "arn:x"}])
    fast = it.models["fast"]
    assert (fast.family, fast.facts) == ("claude", Facts(vision=True, max_output_tokens=7))


def test_what_an_account_writes_at_most_is_not_asked_for_unasked() -> None:
    """A bound that is sent takes room in the context window and in quotas: that is for the manifest to choose."""
    account = found("x", facts=Facts(max_output_tokens=128_000))
    assert table(account, discovery={}).models["x"].max_output_tokens is None
    written = [{"name": "x", "maxOutputTokens": 9}]
    assert table(account, discovery={}, models=written).models["x"].max_output_tokens == 9


def test_what_is_set_for_a_provider_is_set_for_what_its_account_has() -> None:
    """A guardrail that discovered models would not have is none."""
    guarded = {
        "openAI": None,
        "bedrock": {
            "region": "eu-central-1",
            "auth": {"default": {}},
            "guardrail": {"identifier": "g1", "version": "1"},
            "serviceTier": "Flex",
        },
        "discovery": {},
        "models": [{"name": "b", "surface": "Invoke", "serviceTier": "Priority"}, {"name": "c"}],
    }
    spec = {name: value for name, value in guarded.items() if value is not None}
    served = models.table(LLMProviderSpec.model_validate(spec), found("a", "b"), knows_nothing).models
    chosen = {name: model.settings for name, model in served.items()}
    guardrail = Guardrail(identifier="g1", version="1")
    assert chosen == {
        "a": Settings(guardrail=guardrail, service_tier="flex"),
        "b": Settings(surface=Surface.INVOKE, guardrail=guardrail, service_tier="priority"),
        "c": Settings(guardrail=guardrail, service_tier="flex"),
    }


def test_facts_stand_beside_settings() -> None:
    spec = {
        "bedrock": {"region": "eu-central-1", "auth": {"default": {}}},
        "models": [{"name": "b", "surface": "Invoke", "capabilities": {"tools": "Unsupported"}}],
    }
    (model,) = models.table(LLMProviderSpec.model_validate(spec), None, knows_nothing).models.values()
    assert (model.facts, model.settings) == (Facts(tools=False), Settings(surface=Surface.INVOKE))


def test_an_alias_may_go_by_the_name_that_was_found() -> None:
    account = (FoundModel(name="bought", upstream=UpstreamModel("arn:x")),)
    it = table(account, discovery={}, models=[{"name": "fast", "upstreamModel": "bought"}])
    assert it.models["fast"].upstream == "arn:x"


def test_the_manifest_says_the_last_word_member_by_member() -> None:
    account = found("x", facts=Facts(vision=True, tools=True, price=Price(input=1, output=2)))
    written = [
        {"name": "x", "capabilities": {"vision": "Unsupported"}, "price": {"input": "2.50", "cacheWrite": "0.000001"}}
    ]
    facts = table(account, discovery={}, models=written).models["x"].facts
    assert facts == Facts(vision=False, tools=True, price=Price(input=2_500_000, output=2, cache_write=1))


def test_the_catalogue_is_asked_by_place_and_by_the_model_behind_the_name() -> None:
    asked: list[tuple[str, str]] = []

    def catalogue(place: str, name: str) -> Facts:
        asked.append((place, name))
        return Facts(context_tokens=5)

    it = table(found("arn:x", base="claude"), catalogue, discovery={}, models=[{"name": "n", "upstreamModel": "u"}])
    assert asked == [("https://api.example.com/v1", "claude"), ("https://api.example.com/v1", "u")]
    assert {model.facts for model in it.models.values()} == {Facts(context_tokens=5)}


facts = st.builds(
    Facts,
    vision=st.none() | st.booleans(),
    context_tokens=st.none() | st.integers(1, 9),
    price=st.none() | st.builds(Price, input=st.none() | st.integers(0, 9), output=st.none() | st.integers(0, 9)),
)


@given(facts, facts, facts)
def test_merging_is_associative_and_knows_nothing_of_unknowns(one: Facts, two: Facts, three: Facts) -> None:
    assert merged(merged(one, two), three) == merged(one, merged(two, three))
    assert merged(one, UNKNOWN) == one == merged(UNKNOWN, one)


@given(facts, facts)
def test_what_the_first_knows_stands(one: Facts, two: Facts) -> None:
    both = merged(one, two)
    assert one.vision is None or both.vision is one.vision
    assert both.context_tokens == (two.context_tokens if one.context_tokens is None else one.context_tokens)


def test_the_tightest_quotas_of_what_is_served_are_told_by_tokens_then_by_requests() -> None:
    quotas = {
        "untold": Quota(),
        "wide": Quota(tokens_per_minute=900, requests_per_minute=1),
        "tight": Quota(tokens_per_minute=10),
        "nothing": Quota(tokens_per_minute=0),
        "requests": Quota(requests_per_minute=5),
        "tighter": Quota(tokens_per_minute=10, requests_per_minute=5),
        "left-out": Quota(tokens_per_minute=1),
    }
    account = tuple(one for name, quota in quotas.items() for one in found(name, quota=quota))
    it = table(account, discovery={"exclude": ["left-out"]})
    assert it.listing is not None
    assert [one.name for one in it.listing.tightest] == ["nothing", "tighter", "tight", "wide", "requests"]


def test_no_more_quotas_are_told_than_a_status_holds() -> None:
    account = tuple(
        one for n in range(SHOWN_QUOTAS + 5) for one in found(f"m{n}", quota=Quota(tokens_per_minute=100 - n))
    )
    it = table(account, discovery={})
    assert it.listing is not None
    assert [one.name for one in it.listing.tightest] == [f"m{n}" for n in reversed(range(5, SHOWN_QUOTAS + 5))]


def test_a_quota_decides_nothing() -> None:
    told = table(found("x", quota=Quota(tokens_per_minute=1)), discovery={})
    assert told.models == table(found("x"), discovery={}).models
