import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.anthropic import capabilities


@pytest.mark.parametrize(
    ("upstream", "family"),
    [
        ("claude-3-haiku-20240307", "Claude 3"),
        ("claude-3-5-sonnet-20241022", "Claude 3.5"),
        ("claude-3-7-sonnet-latest", "Claude 3.7"),
        ("claude-sonnet-4-20250514", "Claude 4"),
        ("claude-opus-4-1-20250805", "Claude 4"),
        ("claude-haiku-4-5-20251001", "Claude 4.5"),
        ("claude-sonnet-4-6", "Claude 4.6"),
        ("claude-opus-4-7", "Claude 4.7"),
        ("claude-opus-4-8", "Claude 4.8"),
        ("claude-sonnet-5-5", "Claude 5.5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "Claude 4.5"),
        ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-opus-4-7", "Claude 4.7"),
        ("Claude-Opus-4-7", "Claude 4.7"),
        ("claude-brand-7", "unknown"),
        ("our-deployment", "unknown"),
    ],
)
def test_a_model_is_known_by_the_longest_prefix_wherever_it_is_served(upstream: str, family: str) -> None:
    assert capabilities.of(Model(upstream=UpstreamModel(upstream))).family == family


def test_the_family_of_the_manifest_goes_before_the_name() -> None:
    model = Model(upstream=UpstreamModel("claude-sonnet-5-5"), family="claude-sonnet-4-5")
    assert capabilities.of(model).family == "Claude 4.5"


def test_a_family_that_says_nothing_leaves_it_to_the_name() -> None:
    assert capabilities.of(Model(upstream=UpstreamModel("claude-opus-4-7"), family="nova")).family == "Claude 4.7"


def test_the_efforts_of_a_model_that_takes_budgets_have_one() -> None:
    from pilothouse_proxy.anthropic.reasoning import BUDGETS
    from pilothouse_proxy.exchange.capabilities import Reasoning

    for row in capabilities.ROWS.values():
        if row.reasoning is Reasoning.BUDGET:
            assert set(row.efforts) - {"none"} == BUDGETS.keys()
