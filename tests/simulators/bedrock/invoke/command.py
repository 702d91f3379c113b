"""Cohere Command. https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command.html"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.simulators.bedrock.invoke import native
from tests.simulators.bedrock.invoke.native import Asked, Counts
from tests.simulators.models import BedrockModel
from tests.simulators.speech import Ended, Speech

REASONS: Final = {
    Ended.END: "COMPLETE",
    Ended.TOOLS: "COMPLETE",
    Ended.LENGTH: "MAX_TOKENS",
    Ended.STOP_SEQUENCE: "COMPLETE",
}


def asked(body: Any, model: BedrockModel, *, streamed: bool) -> Asked:
    checked = native.check(
        body,
        {
            "prompt": native.text(required=True),
            "temperature": native.number(0, 5),
            "p": native.number(0, 1),
            "k": native.number(0, 500),
            "max_tokens": native.whole_number(1, model.max_output_tokens),
            "stop_sequences": native.texts(16),
            "return_likelihoods": native.text(choices=("GENERATION", "ALL", "NONE")),
            "stream": native.Member(types=(bool,)),
            "num_generations": native.whole_number(1, 5),
            "logit_bias": native.OBJECT,
            "truncate": native.text(choices=("NONE", "START", "END")),
        },
    )
    return Asked(
        **native.prompted(checked["prompt"], r"^User: ", r"^Chatbot:"),
        facts=native.facts(checked, "temperature", "p", "max_tokens"),
        max_tokens=checked.get("max_tokens", 20),
        stops=tuple(checked.get("stop_sequences", ())),
    )


def whole(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> dict[str, Any]:
    generation = {"id": "g2", "text": f" {spoken.text}", "finish_reason": native.reason(spoken, REASONS)}
    return {"id": "g1", "generations": [generation], "prompt": body["prompt"]}


def documents(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> list[dict[str, Any]]:
    """Without `stream` in the body the only document is the whole answer."""
    if not body.get("stream"):
        return [whole(body, spoken, counts)]
    pieces = [f" {spoken.pieces[0]}", *spoken.pieces[1:]] if spoken.pieces else []
    said: list[dict[str, Any]] = [{"text": piece, "is_finished": False, "index": 0} for piece in pieces]
    return [*said, {"is_finished": True, "finish_reason": native.reason(spoken, REASONS), "index": 0}]
