"""Content filter results to findings and back."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.dialects.openai_chat import filters
from pilothouse_proxy.exchange.filters import Finding, Severity, Stage

DOCUMENTED: dict[str, Any] = {
    "hate": {"filtered": False, "severity": "safe"},
    "self-harm": {"filtered": True, "severity": "high"},
    "jailbreak": {"filtered": False, "detected": True},
    "protected_material_code": {
        "filtered": False,
        "detected": True,
        "citation": {"URL": "https://x", "license": "MIT"},
    },
    "custom_blocklists": {"filtered": True, "details": [{"filtered": True, "id": "words"}]},
    "error": {"code": "content_filter_error", "message": "The contents are not filtered"},
}


def test_every_documented_shape_is_a_finding() -> None:
    assert filters.decode(DOCUMENTED, Stage.COMPLETION) == (
        Finding(stage=Stage.COMPLETION, category="hate", filtered=False, severity=Severity.SAFE),
        Finding(stage=Stage.COMPLETION, category="self_harm", filtered=True, severity=Severity.HIGH),
        Finding(stage=Stage.COMPLETION, category="jailbreak", filtered=False, detected=True),
        Finding(stage=Stage.COMPLETION, category="protected_material_code", filtered=False, detected=True),
        Finding(stage=Stage.COMPLETION, category="custom_blocklists", filtered=True),
    )


def test_results_of_prompts_are_read_in_both_spellings() -> None:
    for name in ("content_filter_results", "content_filter_result"):
        (found,) = filters.decode_prompt(
            [{"prompt_index": 0, name: {"sexual": {"filtered": False, "severity": "low"}}}]
        )
        assert found == Finding(stage=Stage.PROMPT, category="sexual", filtered=False, severity=Severity.LOW)


def test_strange_results_are_passed_over() -> None:
    assert filters.decode({"hate": None, "violence": {"filtered": "yes"}, "x": 1}, Stage.PROMPT) == ()
    assert filters.decode(None, Stage.PROMPT) == ()
    assert filters.decode_prompt([{"prompt_index": 0, "content_filter_results": []}]) == ()


def test_names_and_their_number_are_bounded() -> None:
    found = filters.decode({f"{n:03}{'x' * 100}": {"filtered": False} for n in range(100)}, Stage.PROMPT)
    assert len(found) == 32
    assert {len(finding.category) for finding in found} == {64}


FINDINGS = st.builds(
    Finding,
    stage=st.sampled_from(Stage),
    category=st.sampled_from(["hate", "violence", "jailbreak", "topic_1"]),
    filtered=st.booleans(),
    severity=st.none() | st.sampled_from(Severity),
    detected=st.none() | st.booleans(),
)


@given(st.lists(FINDINGS, unique_by=lambda finding: (finding.stage, finding.category)))
def test_what_is_written_is_read_again(findings: list[Finding]) -> None:
    prompt: Any = filters.encode(findings, Stage.PROMPT)
    completion: Any = filters.encode(findings, Stage.COMPLETION)
    read = filters.decode_prompt(prompt.get("prompt_filter_results"))
    read += filters.decode(completion.get("content_filter_results"), Stage.COMPLETION)
    assert sorted(map(repr, read)) == sorted(map(repr, findings))
