"""Anthropic's text completions. …/model-parameters-anthropic-claude-text-completion.html"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.simulators.bedrock.invoke import native
from tests.simulators.bedrock.invoke.native import Asked, Counts, Refused
from tests.simulators.models import BedrockModel
from tests.simulators.speech import Ended, Speech

_REASONS: Final = {Ended.END: "stop_sequence", Ended.LENGTH: "max_tokens", Ended.STOP_SEQUENCE: "stop_sequence"}
_HUMAN: Final = "\n\nHuman:"
_ASSISTANT: Final = "\n\nAssistant:"


def asked(body: Any, model: BedrockModel, *, streamed: bool) -> Asked:
    checked = native.check(
        body,
        {
            "prompt": native.text(required=True),
            "max_tokens_to_sample": native.whole_number(1, model.max_output_tokens, required=True),
            "temperature": native.number(0, 1),
            "top_p": native.number(0, 1),
            "top_k": native.whole_number(0, 500),
            "stop_sequences": native.texts(8_191),
            "anthropic_version": native.text(choices=("bedrock-2023-05-31",)),
        },
    )
    prompt = checked["prompt"]
    if _HUMAN not in prompt:
        raise Refused(f"Invalid prompt: prompt must start with {_HUMAN!r} turn after an optional system prompt")
    if prompt.rfind(_ASSISTANT) < prompt.rfind(_HUMAN):
        raise Refused(f"Invalid prompt: prompt must end with {_ASSISTANT!r} turn")
    return Asked(
        **native.prompted(prompt, r"\n\nHuman:", r"\n\nAssistant:"),
        facts=native.facts(checked, "temperature", "top_p", "max_tokens_to_sample"),
        max_tokens=checked["max_tokens_to_sample"],
        stops=tuple(checked.get("stop_sequences", ())),
    )


def whole(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> dict[str, Any]:
    return {"type": "completion", "completion": f" {spoken.text}", **_stopped(spoken)}


def documents(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> list[dict[str, Any]]:
    pieces = [f" {spoken.pieces[0]}", *spoken.pieces[1:]] if spoken.pieces else []
    said: list[dict[str, Any]] = [
        {"type": "completion", "completion": piece, "stop_reason": None, "stop": None} for piece in pieces
    ]
    return [*said, {"type": "completion", "completion": "", **_stopped(spoken)}]


def _stopped(spoken: Speech) -> dict[str, Any]:
    stop = None if spoken.ended is Ended.LENGTH else spoken.stop_sequence or _HUMAN
    return {"stop_reason": native.reason(spoken, _REASONS), "stop": stop}
