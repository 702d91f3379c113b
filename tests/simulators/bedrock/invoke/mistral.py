"""Mistral 7B and Mixtral. …/model-parameters-mistral-text-completion.html"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from tests.simulators.bedrock.invoke import native
from tests.simulators.bedrock.invoke.native import Asked, Counts
from tests.simulators.models import BedrockModel
from tests.simulators.speech import Ended, Speech

_REASONS: Final = {Ended.END: "stop", Ended.LENGTH: "length", Ended.STOP_SEQUENCE: "stop"}
_INSTRUCTION: Final = re.compile(r"\[INST\](.*?)\[/INST\]", re.DOTALL)


def asked(body: Any, model: BedrockModel, *, streamed: bool) -> Asked:
    checked = native.check(
        body,
        {
            "prompt": native.text(required=True),
            "max_tokens": native.whole_number(1, model.max_output_tokens),
            "stop": native.texts(10),
            "temperature": native.number(0, 1),
            "top_p": native.number(0, 1),
            "top_k": native.whole_number(1, 200),
        },
    )
    said = _INSTRUCTION.findall(checked["prompt"]) or [checked["prompt"]]
    return Asked(
        said=said[-1].strip(),
        turns=2 * len(said) - 1,
        facts=native.facts(checked, "temperature", "top_p", "max_tokens"),
        max_tokens=checked.get("max_tokens", 512),
        stops=tuple(checked.get("stop", ())),
    )


def whole(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> dict[str, Any]:
    return {"outputs": [{"text": f" {spoken.text}", "stop_reason": native.reason(spoken, _REASONS)}]}


def documents(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> list[dict[str, Any]]:
    pieces = [f" {spoken.pieces[0]}", *spoken.pieces[1:], ""] if spoken.pieces else [""]
    last = len(pieces) - 1
    return [
        {"outputs": [{"text": piece, "stop_reason": native.reason(spoken, _REASONS) if at == last else None}]}
        for at, piece in enumerate(pieces)
    ]
