"""What is known of models, by their names."""

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.openai_chat import lookup, rules


def family(upstream: str, declared: str | None = None) -> str:
    return lookup.rules(Model(upstream=UpstreamModel(upstream), family=declared)).family


@pytest.mark.parametrize(
    ("upstream", "expected"),
    [
        ("gpt-4o", "GPT-4o"),
        ("gpt-4o-mini-2024-07-18", "GPT-4o"),
        ("GPT-4.1-nano", "GPT-4.1"),
        ("gpt-4-0613", "GPT-4"),
        ("gpt-35-turbo", "GPT-3.5"),
        ("gpt-3.5-turbo-instruct-0914", "GPT base"),
        ("ft:gpt-4o-mini-2024-07-18:acme::a1b2", "GPT-4o"),
        ("ft:babbage-002:acme::a1b2", "GPT base"),
        ("openai/gpt-5-mini", "GPT-5"),
        ("gpt-5.1-chat-latest", "GPT-5.1 chat"),
        ("gpt-5.5-2026-04-23", "GPT-5.5"),
        ("gpt-6-mini", "GPT-6"),
        ("gpt-7", "GPT"),
        ("o4-mini-2025-04-16", "o4-mini"),
        ("o3-mini", "o3-mini"),
        ("deepseek-ai/DeepSeek-V3.2", "DeepSeek V3.2"),
        ("gpt-oss-120b", "gpt-oss"),
        ("Qwen/Qwen3-VL-30B", "Qwen"),
        ("Phi-4", "Phi"),
        ("gptx", "unknown"),
        ("o30", "unknown"),
        ("my-deployment", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_model_is_known_by_the_longest_prefix_of_whole_words(upstream: str, expected: str) -> None:
    assert family(upstream) == expected


def test_the_family_of_the_manifest_goes_before_the_name() -> None:
    assert family("gpt-4o", "o3") == "o3"
    assert family("prod-eu", "gpt-5.2") == "GPT-5.2"
    assert family("gpt-4o", "of-our-own") == "GPT-4o"


def test_reasoning_models_take_one_name_of_the_limit_only() -> None:
    for name, row in rules.ROWS.items():
        if not row.old_limit:
            assert row.limit == rules.MAX_COMPLETION_TOKENS, name
