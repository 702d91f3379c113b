import pytest

from pilothouse_proxy.dialects.openai_responses import models


@pytest.mark.parametrize(
    "name",
    [
        "gpt-5-codex", "gpt-5.1-codex", "gpt-5.1-codex-max", "gpt-5.2-codex", "gpt-5.3-codex", "gpt-5-pro",
        "gpt-5.5-pro-2026-04-01", "o3-pro", "o3-pro-2025-06-10", "codex-mini", "codex-mini-latest",
        "o3-deep-research", "o4-mini-deep-research-2025-06-26", "openai/gpt-5-codex", "GPT-5-Codex",
    ],
)  # fmt: skip
def test_a_model_that_answers_to_nothing_else_is_known(name: str) -> None:
    assert models.answers_nothing_else(name)


@pytest.mark.parametrize("name", ["gpt-5", "gpt-4o", "o3", "o4-mini", "gpt-5-codex-of-ours", "my-gpt-5-codex", ""])
def test_other_names_are_none_of_them(name: str) -> None:
    assert not models.answers_nothing_else(name)
