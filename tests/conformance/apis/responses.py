"""OpenAI's Responses."""

import json
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from pilothouse_proxy.framing import sse
from tests.conformance.contents import ARGUMENTS, HELLO, PDF, PNG, QUESTION, SCHEMA
from tests.conformance.features import Feature
from tests.conformance.said import Said

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
_TOOL = {"type": "function", "name": "get_weather", "description": "Weather", "parameters": SCHEMA, "strict": False}
_TEXT = {"type": "input_text", "text": HELLO}

_MEMBERS: dict[Feature, dict[str, Any]] = {
    Feature.TEXT: {},
    Feature.STREAM: {"stream": True},
    Feature.SYSTEM: {"instructions": "Be brief"},
    Feature.SAMPLING: {"temperature": 0.5},
    Feature.TOOLS: {"tools": [_TOOL]},
    Feature.TOOLS_STREAMED: {"tools": [_TOOL], "stream": True},
    Feature.TOOL_RESULTS: {"tools": [_TOOL]},
    Feature.FORCED_TOOL: {"tools": [_TOOL], "tool_choice": {"type": "function", "name": "get_weather"}},
    Feature.IMAGE: {},
    Feature.DOCUMENT: {},
    Feature.SCHEMA: {"text": {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}}},
    Feature.REASONING: {"reasoning": {"effort": "low"}, "max_output_tokens": 4_000},
}
_CONTENTS: dict[Feature, Any] = {
    Feature.TOOLS: QUESTION,
    Feature.TOOLS_STREAMED: QUESTION,
    Feature.IMAGE: [_TEXT, {"type": "input_image", "image_url": "data:image/png;base64," + PNG, "detail": "auto"}],
    Feature.DOCUMENT: [
        _TEXT,
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64," + PDF},
    ],
}


def asks(feature: Feature, model: str) -> dict[str, Any] | None:
    """The body of a request."""
    if feature not in _MEMBERS:
        return None
    items: list[Any] = [{"role": "user", "content": _CONTENTS.get(feature, HELLO)}]
    if feature is Feature.TOOL_RESULTS:
        items += [
            {
                "type": "function_call",
                "call_id": "call_1",
                "name": "get_weather",
                "arguments": json.dumps(ARGUMENTS),
            },
            {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
        ]
    return {"model": model, "input": items, "max_output_tokens": 2_000, **_MEMBERS[feature]}


def reads(body: bytes, streamed: bool) -> Said:
    """What it says."""
    pieces = 1
    if streamed:
        events = [_EVENT.validate_json(event.data) for event in sse.Decoder().feed(body) if event.data]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        pieces = sum(event.type.endswith(".delta") for event in events)
        response = events[-1].response
    else:
        response = Response.model_validate_json(body)
    calls = [item for item in response.output if item.type == "function_call"]
    usage = response.usage
    assert usage is not None
    return Said(
        text=response.output_text,
        calls=tuple((call.name, json.loads(call.arguments)) for call in calls),
        thought=any(item.type == "reasoning" for item in response.output)
        or usage.output_tokens_details.reasoning_tokens > 0,
        finish="tool_calls" if calls else "stop" if response.status == "completed" else "length",
        tokens=usage.total_tokens,
        pieces=pieces,
    )
