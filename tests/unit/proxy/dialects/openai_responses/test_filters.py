"""Azure's findings in a response."""

import pytest

from pilothouse_proxy.dialects.openai_responses import filters
from pilothouse_proxy.exchange.filters import Finding, Severity, Stage

HATE = Finding(stage=Stage.COMPLETION, category="hate", filtered=True, severity=Severity.HIGH)
SAFE = Finding(stage=Stage.COMPLETION, category="hate", filtered=False, severity=Severity.SAFE)
JAILBREAK = Finding(stage=Stage.PROMPT, category="jailbreak", filtered=False, detected=False)


def test_findings_come_back_as_they_were() -> None:
    rows = filters.encode([JAILBREAK, HATE])
    assert [(row["source_type"], row["blocked"]) for row in rows] == [("prompt", False), ("completion", True)]
    assert filters.decode(rows) == (JAILBREAK, HATE)


@pytest.mark.parametrize("findings", [[SAFE, HATE], [HATE, SAFE]])
def test_a_category_that_held_text_back_once_is_told_so(findings: list[Finding]) -> None:
    assert filters.decode(filters.encode(findings)) == (HATE,)


def test_without_findings_there_is_no_row() -> None:
    assert filters.encode([]) == []


@pytest.mark.parametrize(
    "rows", [None, {}, [1], [{}], [{"source_type": "moon", "content_filter_results": {"hate": {"filtered": True}}}]]
)
def test_what_is_not_as_documented_is_passed_over(rows: object) -> None:
    assert filters.decode(rows) == ()
