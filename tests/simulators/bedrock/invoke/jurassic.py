"""AI21 Jurassic-2. https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-jurassic2.html"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.simulators import speech
from tests.simulators.bedrock.invoke import native
from tests.simulators.bedrock.invoke.native import Asked, Counts, Refused
from tests.simulators.models import BedrockModel
from tests.simulators.speech import Ended, Speech

_REASONS: Final = {Ended.END: "endoftext", Ended.LENGTH: "length", Ended.STOP_SEQUENCE: "stop"}


def asked(body: Any, model: BedrockModel, *, streamed: bool) -> Asked:
    if streamed:
        raise Refused("The model is unsupported for streaming")
    checked = native.check(
        body,
        {
            "prompt": native.text(required=True),
            "temperature": native.number(0, 1),
            "topP": native.number(0, 1),
            "maxTokens": native.whole_number(0, model.max_output_tokens),
            "minTokens": native.whole_number(0, model.max_output_tokens),
            "numResults": native.whole_number(1, 16),
            "stopSequences": native.texts(16),
            "countPenalty": native.OBJECT,
            "presencePenalty": native.OBJECT,
            "frequencyPenalty": native.OBJECT,
        },
    )
    return Asked(
        **native.prompted(checked["prompt"], r"^User: ", r"^Assistant:"),
        facts=native.facts(checked, "temperature", "topP", "maxTokens"),
        max_tokens=checked.get("maxTokens", 200),
        stops=tuple(checked.get("stopSequences", ())),
    )


def whole(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> dict[str, Any]:
    finish: dict[str, Any] = {"reason": native.reason(spoken, _REASONS)}
    if spoken.stop_sequence is not None:
        finish["sequence"] = spoken.stop_sequence
    data = {"text": spoken.text, "tokens": [_token(piece) for piece in spoken.pieces]}
    prompt = body["prompt"]
    read = [_token(prompt[at : at + 4]) for at in range(0, 4 * speech.count_tokens(prompt), 4)]
    return {
        "id": 1234,
        "prompt": {"text": prompt, "tokens": read},
        "completions": [{"data": data, "finishReason": finish}],
    }


def documents(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> list[dict[str, Any]]:
    raise AssertionError("it does not stream")


def _token(text: str) -> dict[str, Any]:
    return {"generatedToken": {"token": text, "logprob": -0.1}, "topTokens": None, "textRange": None}
