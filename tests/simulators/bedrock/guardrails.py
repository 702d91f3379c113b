"""Guardrails: what they hold back of a prompt or an answer, and what their trace tells of it.

Marked text is found: `forbidden` in the prompt; in the answer, which echoes the prompt, `say-violent` and an e-mail
address, which is masked. Source: Bedrock user guide, "Use a guardrail with the Converse API"; the trace's shapes are
those of the service model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tests.simulators.speech import Ended, Speech

KNOWN: Final[Mapping[str, frozenset[str]]] = {"gr1a2b3c4d5e": frozenset({"1", "3", "DRAFT"})}
BLOCKED: Final = "Sorry, the model cannot answer this question."
_FORBIDDEN: Final = "forbidden"
_VIOLENT: Final = "say-violent"
_EMAIL: Final = re.compile(r"[a-z.]+@[a-z.]+\.[a-z]+")


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said after all, and the trace; empty where none is asked for."""

    spoken: Speech
    trace: Mapping[str, Any] = field(default_factory=dict)
    input_blocked: bool = False


def refusal(body: Mapping[str, Any]) -> str | None:
    """Why a request's guardrail cannot be applied."""
    config = body.get("guardrailConfig")
    if not config:
        return None
    versions = KNOWN.get(str(config.get("guardrailIdentifier", "")).rpartition("/")[2])
    if versions is None or config.get("guardrailVersion") not in versions:
        return "The guardrail identifier or version provided in the request does not exist."
    return None


def judge(body: Mapping[str, Any], spoken: Speech) -> Judged:
    """What the request's guardrail makes of an answer; without one, nothing."""
    config = body.get("guardrailConfig")
    if not config:
        return Judged(spoken)
    prompt = "\n".join(block["text"] for message in body["messages"] for block in message["content"] if "text" in block)
    asked, answered = _of_prompt(prompt), _of_answer(spoken.text)
    blocked = bool(asked) or "contentPolicy" in answered
    if blocked:
        if asked:
            answered = {}
        spoken = replace(
            spoken,
            reasoning=(),
            pieces=(BLOCKED,),
            calls=(),
            ended=Ended.END,
            wishes={**spoken.wishes, "stop": "guardrail_intervened"},
        )
    elif answered:
        spoken = replace(spoken, pieces=(_EMAIL.sub("{EMAIL}", spoken.text),))
    return Judged(spoken, _trace(config, asked, answered), input_blocked=bool(asked))


def _of_prompt(text: str) -> dict[str, Any]:
    if _FORBIDDEN not in text:
        return {}
    word = {"match": _FORBIDDEN, "action": "BLOCKED", "detected": True}
    hate = {"type": "HATE", "confidence": "HIGH", "filterStrength": "HIGH", "action": "BLOCKED", "detected": True}
    return {"wordPolicy": {"customWords": [word], "managedWordLists": []}, "contentPolicy": {"filters": [hate]}}


def _of_answer(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if _VIOLENT in text:
        found["contentPolicy"] = {"filters": [{"type": "VIOLENCE", "confidence": "MEDIUM", "action": "BLOCKED"}]}
    addresses = _EMAIL.findall(text)
    if addresses:
        entities = [{"match": address, "type": "EMAIL", "action": "ANONYMIZED"} for address in addresses]
        found["sensitiveInformationPolicy"] = {"piiEntities": entities, "regexes": []}
    return found


def _trace(config: Mapping[str, Any], asked: dict[str, Any], answered: dict[str, Any]) -> dict[str, Any]:
    if config.get("trace") not in ("enabled", "enabled_full"):
        return {}
    name = config["guardrailIdentifier"]
    trace: dict[str, Any] = {"inputAssessment": {name: asked} if asked else {}}
    if answered:
        trace["outputAssessments"] = {name: [answered]}
    return trace
