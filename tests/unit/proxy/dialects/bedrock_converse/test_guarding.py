"""What of a guardrail's trace is told, and what is not."""

import json
from typing import Any

import msgspec
import pytest

from pilothouse_proxy.dialects.bedrock_converse import guarding, wire
from pilothouse_proxy.exchange.filters import Finding, Severity, Stage


def findings(guardrail: Any) -> tuple[Finding, ...]:
    return guarding.findings(wire.Trace(guardrail=msgspec.Raw(json.dumps(guardrail).encode())))


def test_categories_and_degrees_are_told_and_never_the_text() -> None:
    word = {"match": "secret word", "action": "BLOCKED"}
    hate = {"type": "HATE", "confidence": "HIGH", "action": "BLOCKED"}
    attack = {"type": "PROMPT_ATTACK", "confidence": "NONE", "action": "NONE", "detected": False}
    address = {"match": "secret@example.com", "type": "EMAIL", "action": "ANONYMIZED"}
    found = findings(
        {
            "inputAssessment": {
                "gr": {"contentPolicy": {"filters": [hate, attack]}, "wordPolicy": {"customWords": [word]}}
            },
            "outputAssessments": {"gr": [{"sensitiveInformationPolicy": {"piiEntities": [address]}}]},
        }
    )
    assert found == (
        Finding(stage=Stage.PROMPT, category="hate", filtered=True, severity=Severity.HIGH, detected=True),
        Finding(stage=Stage.PROMPT, category="jailbreak", filtered=False, severity=Severity.SAFE, detected=False),
        Finding(stage=Stage.PROMPT, category="custom_word", filtered=True, detected=True),
        Finding(stage=Stage.COMPLETION, category="personally_identifiable_information", filtered=True, detected=True),
    )
    assert "secret" not in repr(found)


def test_of_several_findings_the_worst_is_told() -> None:
    kinds = [("MEDIUM", "BLOCKED"), ("LOW", "NONE")]
    filters = [{"type": "VIOLENCE", "confidence": degree, "action": action} for degree, action in kinds]
    for order in (filters, filters[::-1]):
        (only,) = findings({"outputAssessments": {"gr": [{"contentPolicy": {"filters": order}}]}})
        assert (only.filtered, only.severity) == (True, Severity.MEDIUM)


@pytest.mark.parametrize("odd", ["text", [], 1, {"inputAssessment": []}, {"outputAssessments": {"gr": "x"}}, None])
def test_a_trace_of_another_form_tells_nothing(odd: Any) -> None:
    assert findings(odd) == ()


def test_a_category_that_is_new_keeps_its_name_within_bounds() -> None:
    (only,) = findings({"inputAssessment": {"gr": {"contentPolicy": {"filters": [{"type": "X" * 500}]}}}})
    assert only.category == "x" * 64


def test_without_a_trace_there_is_nothing_to_tell() -> None:
    assert guarding.findings(None) == guarding.findings(wire.Trace()) == ()
