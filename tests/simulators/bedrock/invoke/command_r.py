"""Cohere Command R and R+. …/model-parameters-cohere-command-r-plus.html"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tests.simulators.bedrock.invoke import command, native
from tests.simulators.bedrock.invoke.native import Asked, Counts, Member
from tests.simulators.models import BedrockModel
from tests.simulators.speech import Speech

_TYPES: Final = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
}
_TURN: Final = {"role": native.text(required=True, choices=("USER", "CHATBOT")), "message": native.text(required=True)}
_TOOL: Final = {
    "name": native.text(required=True),
    "description": native.text(required=True),
    "parameter_definitions": native.OBJECT,
}
_DEFINITION: Final = {
    "description": native.text(),
    "type": native.text(required=True, choices=tuple(_TYPES)),
    "required": Member(types=(bool,)),
}
_RESULT: Final = {"call": Member(types=(dict,), required=True), "outputs": Member(types=(list,), required=True)}


def asked(body: Any, model: BedrockModel, *, streamed: bool) -> Asked:
    checked = native.check(
        body,
        {
            "message": native.text(required=True),
            "chat_history": native.LIST,
            "documents": native.LIST,
            "preamble": native.text(),
            "max_tokens": native.whole_number(1, model.max_output_tokens),
            "temperature": native.number(0, 1),
            "p": native.number(0, 1),
            "k": native.number(0, 500),
            "prompt_truncation": native.text(choices=("OFF", "AUTO_PRESERVE_ORDER")),
            "frequency_penalty": native.number(0, 1),
            "presence_penalty": native.number(0, 1),
            "seed": native.whole_number(0),
            "return_prompt": Member(types=(bool,)),
            "search_queries_only": Member(types=(bool,)),
            "raw_prompting": Member(types=(bool,)),
            "tools": native.LIST,
            "tool_results": native.LIST,
            "stop_sequences": native.texts(5),
        },
    )
    history = checked.get("chat_history", [])
    for at, turn in enumerate(history):
        native.check(turn, _TURN, f"#/chat_history/{at}")
    tools = {}
    for at, tool in enumerate(checked.get("tools", ())):
        native.check(tool, _TOOL, f"#/tools/{at}")
        definitions = tool.get("parameter_definitions", {})
        for name, definition in definitions.items():
            native.check(definition, _DEFINITION, f"#/tools/{at}/parameter_definitions/{name}")
        tools[tool["name"]] = _schema(definitions)
    results = checked.get("tool_results", [])
    for at, result in enumerate(results):
        native.check(result, _RESULT, f"#/tool_results/{at}")
    return Asked(
        said=checked["message"],
        turns=len(history) + 1,
        system=checked.get("preamble", ""),
        results=tuple(_told(output) for result in results for output in result["outputs"]),
        tools=tools,
        facts=native.facts(checked, "temperature", "p", "max_tokens", "seed"),
        max_tokens=checked.get("max_tokens"),
        stops=tuple(checked.get("stop_sequences", ())),
    )


def _schema(definitions: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": _TYPES[definition["type"]]} for name, definition in definitions.items()},
        "required": [name for name, definition in definitions.items() if definition.get("required")],
    }


def _told(output: Any) -> str:
    return (
        output["text"] if isinstance(output, dict) and set(output) == {"text"} else msgspec.json.encode(output).decode()
    )


def whole(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> dict[str, Any]:
    history = [
        *body.get("chat_history", []),
        {"role": "USER", "message": body["message"]},
        {"role": "CHATBOT", "message": spoken.text},
    ]
    answer: dict[str, Any] = {
        "response_id": "r1",
        "text": spoken.text,
        "generation_id": "g1",
        "chat_history": history,
        "finish_reason": native.reason(spoken, command.REASONS),
    }
    return {**answer, "tool_calls": _calls(spoken)} if spoken.calls else answer


def documents(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = [{"event_type": "stream-start", "is_finished": False, "generation_id": "g1"}]
    said += [{"event_type": "text-generation", "is_finished": False, "text": piece} for piece in spoken.pieces]
    if spoken.calls:
        said.append({"event_type": "tool-calls-generation", "is_finished": False, "tool_calls": _calls(spoken)})
    reason = native.reason(spoken, command.REASONS)
    end = {"event_type": "stream-end", "is_finished": True, "finish_reason": reason}
    return [*said, {**end, "response": whole(body, spoken, counts)}]


def _calls(spoken: Speech) -> list[dict[str, Any]]:
    return [{"name": name, "parameters": arguments} for name, arguments in spoken.calls]
