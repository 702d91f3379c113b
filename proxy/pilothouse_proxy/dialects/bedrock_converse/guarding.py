"""Guardrails: what is asked of one, and what its trace says that it has found.

A trace quotes the text that was matched, which is secret: categories and degrees are taken from it, nothing else.
Categories by Azure's names where both have one (`exchange.filters`).
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from pilothouse_api.snapshot.settings import Guardrail
from pilothouse_proxy.dialects.bedrock_converse import wire
from pilothouse_proxy.exchange.filters import Finding, Severity, Stage

_Found = dict[tuple[Stage, str], Finding]

_trace: Final = msgspec.json.Decoder(wire.GuardrailTrace)

# fmt: off
_FILTERS: Final[Mapping[str, str]] = {
    "HATE":          "hate",
    "SEXUAL":        "sexual",
    "VIOLENCE":      "violence",
    "INSULTS":       "insults",
    "MISCONDUCT":    "misconduct",
    "PROMPT_ATTACK": "jailbreak",
    "GROUNDING":     "ungrounded_material",
    "RELEVANCE":     "irrelevance",
}
_SEVERITIES: Final[Mapping[str, Severity]] = {
    "NONE":   Severity.SAFE,
    "LOW":    Severity.LOW,
    "MEDIUM": Severity.MEDIUM,
    "HIGH":   Severity.HIGH,
}
# fmt: on
_ORDER: Final = tuple(Severity)
_HELD_BACK: Final = frozenset({"BLOCKED", "ANONYMIZED"})
_NAME_CHARS: Final = 64


def config(guardrail: Guardrail) -> dict[str, object]:
    """`guardrailConfig` of Converse; ConverseStream has one member more."""
    return {
        "guardrailIdentifier": guardrail.identifier,
        "guardrailVersion": guardrail.version,
        "trace": guardrail.trace,
    }


def stream_config(guardrail: Guardrail) -> dict[str, object]:
    """The same of ConverseStream."""
    return {**config(guardrail), "streamProcessingMode": guardrail.stream_processing}


def findings(trace: wire.Trace | None) -> tuple[Finding, ...]:
    """What was found, one finding a stage and category; nothing of a trace that is not as documented."""
    if trace is None or not bytes(trace.guardrail):
        return ()
    try:
        told = _trace.decode(trace.guardrail)
    except (ValueError, RecursionError):
        return ()
    found: _Found = {}
    for assessment in told.inputAssessment.values():
        _add(assessment, Stage.PROMPT, found)
    for assessments in told.outputAssessments.values():
        for assessment in assessments:
            _add(assessment, Stage.COMPLETION, found)
    return tuple(found.values())


def _add(assessment: wire.Assessment, stage: Stage, found: _Found) -> None:
    graded = [*assessment.contentPolicy.filters, *assessment.contextualGroundingPolicy.filters]
    for one in graded:
        category = _FILTERS.get(one.type, one.type.lower()[:_NAME_CHARS])
        _keep(stage, category, one, found, _SEVERITIES.get(one.confidence))
    for kind, many in (
        ("denied_topic", assessment.topicPolicy.topics),
        ("custom_word", assessment.wordPolicy.customWords),
        ("profanity", assessment.wordPolicy.managedWordLists),
        ("personally_identifiable_information", assessment.sensitiveInformationPolicy.piiEntities),
        ("sensitive_information", assessment.sensitiveInformationPolicy.regexes),
    ):
        for one in many:
            _keep(stage, kind, one, found, None)


def _keep(stage: Stage, category: str, one: wire.Judgement, found: _Found, severity: Severity | None) -> None:
    """The worst of each category."""
    filtered = one.action in _HELD_BACK
    detected = filtered if one.detected is None else one.detected
    before = found.get((stage, category))
    if before is not None:
        filtered, detected = filtered or before.filtered, detected or bool(before.detected)
        if before.severity is not None and (severity is None or _ORDER.index(before.severity) > _ORDER.index(severity)):
            severity = before.severity
    found[stage, category] = Finding(
        stage=stage, category=category, filtered=filtered, severity=severity, detected=detected
    )
