"""Amazon Nova's `messages-v1`: blocks as Converse has them, checked by the same rules.

https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tests.simulators.bedrock import converse, semantics, shapes
from tests.simulators.bedrock.invoke import native
from tests.simulators.bedrock.invoke.native import Asked, Counts, Member, Refused
from tests.simulators.models import BedrockModel
from tests.simulators.speech import Ended, Speech

_REASONS: Final = {
    Ended.END: "end_turn",
    Ended.TOOLS: "tool_use",
    Ended.LENGTH: "max_tokens",
    Ended.STOP_SEQUENCE: "stop_sequence",
}


def asked(body: Any, model: BedrockModel, *, streamed: bool) -> Asked:
    checked = native.check(
        body,
        {
            "schemaVersion": native.text(choices=("messages-v1",)),
            "messages": Member(types=(list,), required=True),
            "system": native.LIST,
            "inferenceConfig": native.OBJECT,
            "toolConfig": native.OBJECT,
        },
    )
    inference = native.check(
        checked.get("inferenceConfig", {}),
        {
            "maxTokens": native.whole_number(1, model.max_output_tokens),
            "temperature": native.number(0, 1),
            "topP": native.number(0, 1),
            "topK": native.whole_number(0, 128),
            "stopSequences": native.texts(4),
        },
        "#/inferenceConfig",
    )
    same = {name: checked[name] for name in ("messages", "system", "toolConfig") if name in checked}
    same["inferenceConfig"] = {name: value for name, value in inference.items() if name != "topK"}
    problems = shapes.check("Converse", same)
    if problems:
        raise Refused("Malformed input request: " + "; ".join(problems))
    refused = semantics.refusal(same, model=model, streamed=False)
    if refused is not None:
        raise Refused(refused)
    prompt = converse.prompt(same, model=model, model_id=model.id, streamed=False)
    return Asked(
        said=prompt.text,
        turns=prompt.turns,
        system=prompt.system,
        results=prompt.results,
        images=prompt.images,
        documents=prompt.documents,
        tools=prompt.tools,
        choice=prompt.choice,
        named_tool=prompt.named_tool,
        facts=native.facts(inference, "maxTokens", "temperature", "topP", "topK"),
        max_tokens=prompt.max_tokens,
        stops=prompt.stops,
    )


def whole(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = [{"text": spoken.text}] if spoken.pieces or not spoken.calls else []
    blocks += [
        {"toolUse": {"toolUseId": _id(at), "name": name, "input": arguments}}
        for at, (name, arguments) in enumerate(spoken.calls)
    ]
    return {
        "output": {"message": {"content": blocks, "role": "assistant"}},
        "stopReason": native.reason(spoken, _REASONS),
        "usage": {**_usage(counts), "totalTokens": counts.read + counts.written},
    }


def documents(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = [{"messageStart": {"role": "assistant"}}]
    said += [{"contentBlockDelta": {"delta": {"text": piece}, "contentBlockIndex": 0}} for piece in spoken.pieces]
    said.append({"contentBlockStop": {"contentBlockIndex": 0}})
    for at, (name, arguments) in enumerate(spoken.calls):
        place = {"contentBlockIndex": at + 1}
        written = msgspec.json.encode(arguments).decode()
        said.append({"contentBlockStart": {"start": {"toolUse": {"toolUseId": _id(at), "name": name}}, **place}})
        said.append({"contentBlockDelta": {"delta": {"toolUse": {"input": written}}, **place}})
        said.append({"contentBlockStop": place})
    said.append({"messageStop": {"stopReason": native.reason(spoken, _REASONS)}})
    return [*said, {"metadata": {"usage": _usage(counts), "metrics": {}, "trace": {}}}]


def _id(at: int) -> str:
    return f"tooluse_{at:04d}"


def _usage(counts: Counts) -> dict[str, int]:
    return {
        "inputTokens": counts.read,
        "outputTokens": counts.written,
        "cacheReadInputTokenCount": 0,
        "cacheWriteInputTokenCount": 0,
    }
