"""Findings as Azure tells them, in all of its dialects: by category, `{filtered, severity}` or `{filtered, detected}`.

Source: "Content filter annotations" of Azure OpenAI's documentation. API versions differ in how they spell a name.
"""

from collections.abc import Iterable

from pilothouse_proxy.exchange.filters import Finding, Severity, Stage

_SEVERITIES = {severity.value: severity for severity in Severity}
_SPELLINGS = {"self-harm": "self_harm"}
_MOST = 32
"""Categories of one answer that are looked at: Azure has about a dozen."""
_NAME_CHARS = 64
_NO_CATEGORY = frozenset({"error", "custom_topics"})
"""Members that judge nothing: the filter itself has failed (the text passed), or topics that are listed one by one."""


def encode(findings: Iterable[Finding], stage: Stage) -> dict[str, object]:
    """A stage's findings, by category."""
    return {finding.category: _result(finding) for finding in findings if finding.stage is stage}


def decode(results: object, stage: Stage) -> tuple[Finding, ...]:
    """The findings of one `content_filter_results`; what is not as documented is passed over."""
    if not isinstance(results, dict):
        return ()
    found = []
    for name, result in list(results.items())[:_MOST]:
        if name in _NO_CATEGORY or not isinstance(result, dict) or not isinstance(result.get("filtered"), bool):
            continue
        detected = result.get("detected")
        found.append(
            Finding(
                stage=stage,
                category=_SPELLINGS.get(str(name), str(name))[:_NAME_CHARS],
                filtered=result["filtered"],
                severity=_SEVERITIES.get(str(result.get("severity"))),
                detected=detected if isinstance(detected, bool) else None,
            )
        )
    return tuple(found)


def _result(finding: Finding) -> dict[str, object]:
    result: dict[str, object] = {"filtered": finding.filtered}
    if finding.severity is not None:
        result["severity"] = finding.severity.value
    if finding.detected is not None:
        result["detected"] = finding.detected
    return result
