"""Anthropic's Messages."""

from typing import Any

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from pilothouse_proxy.framing import sse
from tests.conformance.contents import ARGUMENTS, HELLO, PDF, PNG, QUESTION, SCHEMA
from tests.conformance.features import Feature
from tests.conformance.said import Said

_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
_TOOL = {"name": "get_weather", "description": "Weather", "input_schema": SCHEMA}
_TEXT = {"type": "text", "text": HELLO}
_FINISHES = {"end_turn": "stop", "stop_sequence": "stop", "tool_use": "tool_calls", "max_tokens": "length"}

_MEMBERS: dict[Feature, dict[str, Any]] = {
    Feature.TEXT: {},
    Feature.STREAM: {"stream": True},
    Feature.SYSTEM: {"system": "Be brief"},
    Feature.SAMPLING: {"temperature": 0.5},
    Feature.STOP: {"stop_sequences": ["there"]},
    Feature.TOOLS: {"tools": [_TOOL]},
    Feature.TOOLS_STREAMED: {"tools": [_TOOL], "stream": True},
    Feature.TOOL_RESULTS: {"tools": [_TOOL]},
    Feature.FORCED_TOOL: {"tools": [_TOOL], "tool_choice": {"type": "tool", "name": "get_weather"}},
    Feature.IMAGE: {},
    Feature.DOCUMENT: {},
    Feature.SCHEMA: {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    Feature.REASONING: {"thinking": {"type": "enabled", "budget_tokens": 1_024}, "max_tokens": 4_000},
}
_CONTENTS: dict[Feature, Any] = {
    Feature.TOOLS: QUESTION,
    Feature.TOOLS_STREAMED: QUESTION,
    Feature.IMAGE: [_TEXT, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}],
    Feature.DOCUMENT: [
        _TEXT,
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
    ],
}


def asks(feature: Feature, model: str) -> dict[str, Any] | None:
    """The body of a request."""
    if feature not in _MEMBERS:
        return None
    messages: list[Any] = [{"role": "user", "content": _CONTENTS.get(feature, HELLO)}]
    if feature is Feature.TOOL_RESULTS:
        use = {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": ARGUMENTS}
        result = {"type": "tool_result", "tool_use_id": "call_1", "content": "rain"}
        messages += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    return {"model": model, "max_tokens": 2_000, "messages": messages, **_MEMBERS[feature]}


def reads(body: bytes, streamed: bool) -> Said:
    """What it says."""
    pieces = 1
    if streamed:
        message: Any = None
        arguments: dict[int, bytes] = {}
        pieces = 0
        for event in sse.Decoder().feed(body):
            if event.data and event.name != b"ping":
                told = _EVENT.validate_json(event.data)
                pieces += told.type == "content_block_delta"
                message = accumulate_event(event=told, current_snapshot=message, json_bufs=arguments)
    else:
        message = Message.model_validate_json(body)
    usage = message.usage
    return Said(
        text="".join(block.text for block in message.content if block.type == "text"),
        calls=tuple((block.name, block.input) for block in message.content if block.type == "tool_use"),
        thought=any(block.type in {"thinking", "redacted_thinking"} for block in message.content),
        finish=_FINISHES.get(message.stop_reason, message.stop_reason),
        tokens=usage.input_tokens + usage.output_tokens,
        pieces=pieces,
    )
