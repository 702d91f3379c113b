"""Azure's content filter results, to and from findings of the exchange.

Source: "Content filter annotations" and "Content streaming" of Azure OpenAI's documentation. Results are told by
category: `{filtered, severity}` or `{filtered, detected}`; versions of the API differ in how they spell a name.
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
    """The member that tells of a stage's findings: `prompt_filter_results` of an answer, `content_filter_results` of a
    choice. Empty without a finding.
    """
    results = {finding.category: _result(finding) for finding in findings if finding.stage is stage}
    if not results:
        return {}
    if stage is Stage.PROMPT:
        return {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": results}]}
    return {"content_filter_results": results}


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


def decode_prompt(results: object) -> tuple[Finding, ...]:
    """The findings of `prompt_filter_results` (in old versions `prompt_annotations`)."""
    found: tuple[Finding, ...] = ()
    for prompt in results if isinstance(results, list) else ():
        if isinstance(prompt, dict):
            found += decode(prompt.get("content_filter_results", prompt.get("content_filter_result")), Stage.PROMPT)
    return found


def _result(finding: Finding) -> dict[str, object]:
    result: dict[str, object] = {"filtered": finding.filtered}
    if finding.severity is not None:
        result["severity"] = finding.severity.value
    if finding.detected is not None:
        result["detected"] = finding.detected
    return result
