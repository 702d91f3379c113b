"""DeepSeek-R1. https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-deepseek.html"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.simulators.bedrock.invoke import native
from tests.simulators.bedrock.invoke.native import Asked, Counts
from tests.simulators.models import BedrockModel
from tests.simulators.speech import Ended, Speech

_REASONS: Final = {Ended.END: "stop", Ended.LENGTH: "length", Ended.STOP_SEQUENCE: "stop"}


def asked(body: Any, model: BedrockModel, *, streamed: bool) -> Asked:
    checked = native.check(
        body,
        {
            "prompt": native.text(required=True),
            "temperature": native.number(0, 1),
            "top_p": native.number(0, 1),
            "max_tokens": native.whole_number(1, model.max_output_tokens),
            "stop": native.texts(10),
        },
    )
    prompt = checked["prompt"].removeprefix("<｜begin▁of▁sentence｜>").removesuffix("<think>\n")
    return Asked(
        **native.prompted(prompt.replace("<｜end▁of▁sentence｜>", ""), "<｜User｜>", "<｜Assistant｜>"),
        reasoning=True,
        facts=native.facts(checked, "temperature", "top_p", "max_tokens"),
        max_tokens=checked.get("max_tokens", 8_192),
        stops=tuple(checked.get("stop", ())),
    )


def _pieces(spoken: Speech) -> list[str]:
    """The reasoning that the prompt has opened; it is closed unless there was no room left for an answer."""
    closed = ["\n</th", "ink>", "\n\n"] if spoken.pieces or spoken.ended is not Ended.LENGTH else []
    return [*spoken.reasoning, *closed, *spoken.pieces]


def whole(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> dict[str, Any]:
    return {"choices": [{"text": "".join(_pieces(spoken)), "stop_reason": native.reason(spoken, _REASONS)}]}


def documents(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> list[dict[str, Any]]:
    pieces = [*_pieces(spoken), ""]
    last = len(pieces) - 1
    return [
        {"choices": [{"text": piece, "stop_reason": native.reason(spoken, _REASONS) if at == last else None}]}
        for at, piece in enumerate(pieces)
    ]
