"""Quotas by their names: those of the console's page of Bedrock, and the summaries of ListFoundationModels."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse_operator.compile.discovered import Quota
from pilothouse_operator.discovery import bedrock_quotas
from pilothouse_operator.discovery.bedrock_quotas import Way

ON_DEMAND = "On-demand model inference requests per minute for "


def entry(name: str, value: Any = 7.0) -> dict[str, Any]:
    return {"QuotaName": name, "Value": value}


def summary(model: str, maker: str = "", name: str = "") -> dict[str, str]:
    return {"modelId": model, "providerName": maker, "modelName": name}


@pytest.mark.parametrize(
    ("called", "of"),
    [
        ("Anthropic Claude 3.5 Sonnet", summary("anthropic.claude-3-5-sonnet-20240620-v1:0")),
        ("Anthropic Claude 3.5 Sonnet V2", summary("anthropic.claude-3-5-sonnet-20241022-v2:0")),
        ("Anthropic Claude Sonnet 4.5 V1", summary("anthropic.claude-sonnet-4-5-20250929-v1:0")),
        ("Anthropic Claude 3 Haiku", summary("anthropic.claude-3-haiku-20240307-v1:0:48k")),
        ("Meta Llama 3.1 8B Instruct", summary("meta.llama3-1-8b-instruct-v1:0")),
        ("OpenAI GPT OSS 120B", summary("openai.gpt-oss-120b-1:0")),
        (
            "Amazon Titan Text Embeddings V2",
            summary("amazon.titan-embed-text-v2:0", "Amazon", "Titan Text Embeddings V2"),
        ),
        (
            "Mistral AI Mistral 7B Instruct",
            summary("mistral.mistral-7b-instruct-v0:2", "Mistral AI", "Mistral 7B Instruct"),
        ),
        ("Mistral 7B Instruct", summary("mistral.mistral-7b-instruct-v0:2", "Mistral AI", "Mistral 7B Instruct")),
    ],
)
def test_a_quota_finds_its_model(called: str, of: dict[str, str]) -> None:
    quotas = bedrock_quotas.read([entry(ON_DEMAND + called)])
    assert bedrock_quotas.of(quotas, Way.ON_DEMAND, of) == Quota(requests_per_minute=7)


@pytest.mark.parametrize(
    ("called", "of"),
    [
        ("Anthropic Claude 3.5 Sonnet", summary("anthropic.claude-3-5-sonnet-20241022-v2:0", "Anthropic")),
        ("Anthropic Claude Sonnet 4 V1 1M Context Length", summary("anthropic.claude-sonnet-4-20250514-v1:0")),
        ("Meta Llama 3 18B Instruct", summary("meta.llama3-1-8b-instruct-v1:0")),
        ("Anthropic Claude Fable 5", summary("anthropic.claude-fable-5-1")),
        ("V1", summary("")),
    ],
)
def test_one_of_another_model_finds_none(called: str, of: dict[str, str]) -> None:
    quotas = bedrock_quotas.read([entry(ON_DEMAND + called)])
    assert bedrock_quotas.of(quotas, Way.ON_DEMAND, of) == Quota()


@pytest.mark.parametrize(
    "name",
    [
        "On-demand, latency-optimized model inference tokens per minute for Amazon Nova Pro",
        "Model invocation max tokens per day for Amazon Nova Pro (doubled for cross-region calls)",
        "Batch inference job size (in GB) for Amazon Nova Pro",
        "",
    ],
)
def test_other_quotas_are_dropped(name: str) -> None:
    assert bedrock_quotas.read([entry(name)]) == {}


@pytest.mark.parametrize("value", [None, "7", -1.0, float("nan"), float("inf")])
def test_what_is_no_number_is_dropped(value: Any) -> None:
    assert bedrock_quotas.read([entry(f"{ON_DEMAND}Amazon Nova Pro", value)]) == {}


def test_ways_have_quotas_of_their_own_and_of_two_the_smaller_counts() -> None:
    rest = "ross-region model inference tokens per minute for Amazon Nova Pro"
    quotas = bedrock_quotas.read(
        [entry(f"C{rest}", 9.0), entry(f"C{rest.upper()}", 8.0), entry(f"Global c{rest}", 1e300)]
    )
    of = summary("amazon.nova-pro-v1:0")
    found = {way: bedrock_quotas.of(quotas, way, of).tokens_per_minute for way in Way}
    assert found == {Way.ON_DEMAND: None, Way.CROSS_REGION: 8, Way.GLOBAL: 2**53}


def test_a_profile_s_id_tells_its_way() -> None:
    assert bedrock_quotas.way("global.a.b", "a.b") is Way.GLOBAL
    assert bedrock_quotas.way("eu.a.b", "a.b") is Way.CROSS_REGION
