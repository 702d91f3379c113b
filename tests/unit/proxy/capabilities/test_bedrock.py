"""Which row of the table a model on Bedrock finds."""

import re

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.capabilities import bedrock as capabilities
from pilothouse_proxy.exchange.capabilities import Reasoning


def family(upstream: str, hint: str | None = None) -> str:
    return capabilities.of(Model(upstream=UpstreamModel(upstream), family=hint)).family


@pytest.mark.parametrize(
    ("upstream", "expected"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", "Claude 3"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "Claude 3.5"),
        ("anthropic.claude-3-5-haiku-20241022-v1:0:51k", "Claude 3.5"),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "Claude 3.7"),
        ("apac.anthropic.claude-sonnet-4-20250514-v1:0", "Claude 4"),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", "Claude 4"),
        ("jp.anthropic.claude-sonnet-4-5-20250929-v1:0", "Claude 4.5"),
        ("global.anthropic.claude-opus-4-5-20251101-v1:0", "Claude 4.5"),
        ("us-gov.anthropic.claude-opus-4-6-v1", "Claude 4.6"),
        ("anthropic.claude-opus-4-7", "Claude 4.7"),
        ("moon.anthropic.claude-opus-4-8", "Claude 4.8"),
        ("anthropic.claude-opus-5", "Claude 5"),
        ("anthropic.claude-opus-5-5", "Claude 5.5"),
        ("anthropic.claude-fable-5-1", "Claude 5.5"),
        ("anthropic.claude-v2:1", "Claude 2"),
        ("amazon.nova-pro-v1:0", "Nova"),
        ("us.amazon.nova-micro-v1:0", "Nova Micro"),
        ("amazon.nova-2-lite-v1:0", "Nova 2"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "Llama"),
        ("meta.llama3-70b-instruct-v1:0", "Llama 3"),
        ("us.meta.llama4-maverick-17b-instruct-v1:0", "Llama 4"),
        ("mistral.mistral-large-2407-v1:0", "Mistral"),
        ("mistral.mistral-large-3-675b-instruct", "Mistral Large 3"),
        ("us.deepseek.r1-v1:0", "DeepSeek R1"),
        ("deepseek.v3.2", "DeepSeek V3"),
        ("openai.gpt-oss-120b-1:0", "gpt-oss"),
        ("global.openai.gpt-5.6", "GPT 5.6"),
        ("moonshotai.kimi-k2-thinking", "Kimi"),
        ("zai.glm-5.3", "GLM"),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0", "Nova"),
        ("arn:aws:bedrock:us-east-1::foundation-model/cohere.command-r-v1:0", "Command R"),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef123456", "unknown"),
        ("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdef123456", "unknown"),
        ("newvendor.model-1", "unknown"),
        ("ai21.j2-ultra-v1", "Jurassic-2"),
        ("cohere.command-light-text-v14", "Command Light"),
        ("writer.palmyra-x5-v1:0", "Palmyra"),
        ("us.openai.gpt-6", "GPT 6"),
    ],
)
def test_a_model_finds_its_family_by_its_id(upstream: str, expected: str) -> None:
    assert family(upstream) == expected


@pytest.mark.parametrize(
    "hint",
    [
        "anthropic.claude-sonnet-4-5",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "claude-sonnet-4-5",
        "Claude-Sonnet-4-5",
        "anthropic.claude-sonnet-4-5-",
    ],
)
def test_the_manifests_family_goes_before_an_opaque_name(hint: str) -> None:
    assert family("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdef123456", hint) == "Claude 4.5"


def test_a_family_that_says_nothing_leaves_it_to_the_name() -> None:
    assert family("amazon.nova-pro-v1:0", "our-best") == "Nova"


def test_efforts_stand_where_a_model_reasons_on_request_and_nowhere_else() -> None:
    silent = {Reasoning.NONE, Reasoning.ALWAYS}
    assert [
        name
        for name, row in capabilities.ROWS.items()
        if bool(row.capabilities.efforts) == (row.capabilities.reasoning in silent)
    ] == []


def test_every_row_is_of_a_known_vendor() -> None:
    vendors = tuple(capabilities.VENDORS)
    assert [name for name in capabilities.ROWS if not name.startswith(vendors)] == []


@pytest.mark.parametrize(
    ("hint", "expected"), [("claude", "Claude 5"), ("nova", "Nova"), ("llama", "Llama"), ("gpt", "GPT"), ("glm", "GLM")]
)
def test_a_family_may_be_named_without_a_version(hint: str, expected: str) -> None:
    assert family("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdef123456", hint) == expected


def test_every_row_says_where_it_is_known_from_and_since_when() -> None:
    for row in capabilities.ROWS.values():
        assert row.source, row.prefix
        assert re.fullmatch(r"20[0-9]{2}-[01][0-9]", row.read), row.prefix


def test_no_prefix_has_two_rows() -> None:
    assert len(capabilities.ROWS) == len(capabilities._TABLE)


def test_quirks_are_of_dialects_that_are_spoken() -> None:
    for row in capabilities.ROWS.values():
        assert {quirk.dialect for quirk in row.quirks} <= set(row.speaks), row.prefix
