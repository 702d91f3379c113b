"""Amazon Titan Text. https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-text.html"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.simulators.bedrock.invoke import native
from tests.simulators.bedrock.invoke.native import Asked, Counts
from tests.simulators.models import BedrockModel
from tests.simulators.speech import Ended, Speech

_MEMBERS: Final = {"inputText": native.text(required=True), "textGenerationConfig": native.OBJECT}
_REASONS: Final = {Ended.END: "FINISH", Ended.LENGTH: "LENGTH", Ended.STOP_SEQUENCE: "STOP_CRITERIA_MET"}


def asked(body: Any, model: BedrockModel, *, streamed: bool) -> Asked:
    checked = native.check(body, _MEMBERS)
    config = native.check(
        checked.get("textGenerationConfig", {}),
        {
            "temperature": native.number(0, 1),
            "topP": native.number(0, 1),
            "maxTokenCount": native.whole_number(1, model.max_output_tokens),
            "stopSequences": native.texts(16),
        },
        "#/textGenerationConfig",
    )
    return Asked(
        **native.prompted(checked["inputText"], r"^User: ", r"^Bot:"),
        facts=native.facts(config, "temperature", "topP", "maxTokenCount"),
        max_tokens=config.get("maxTokenCount", 512),
        stops=tuple(config.get("stopSequences", ())),
    )


def whole(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> dict[str, Any]:
    reason = native.reason(spoken, _REASONS)
    result = {"tokenCount": counts.written, "outputText": spoken.text, "completionReason": reason}
    return {"inputTextTokenCount": counts.read, "results": [result]}


def documents(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> list[dict[str, Any]]:
    pieces = list(spoken.pieces) or [""]
    said: list[dict[str, Any]] = [
        {
            "outputText": piece,
            "index": 0,
            "totalOutputTextTokenCount": None,
            "completionReason": None,
            "inputTextTokenCount": counts.read if at == 0 else None,
        }
        for at, piece in enumerate(pieces)
    ]
    last = {"totalOutputTextTokenCount": counts.written, "completionReason": native.reason(spoken, _REASONS)}
    return [*said[:-1], {**said[-1], **last}]
