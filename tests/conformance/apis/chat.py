"""OpenAI's chat completions."""

import json
from typing import Any

from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from pilothouse_proxy.framing import sse
from tests.conformance.contents import ARGUMENTS, HELLO, PDF, PNG, QUESTION, SCHEMA
from tests.conformance.features import Feature
from tests.conformance.said import Said

_TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": SCHEMA}}
_CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": json.dumps(ARGUMENTS)}}
_TEXT = {"type": "text", "text": HELLO}

_MEMBERS: dict[Feature, dict[str, Any]] = {
    Feature.TEXT: {},
    Feature.STREAM: {"stream": True, "stream_options": {"include_usage": True}},
    Feature.SYSTEM: {},
    Feature.SAMPLING: {"temperature": 0.5},
    Feature.STOP: {"stop": ["there"]},
    Feature.TOOLS: {"tools": [_TOOL]},
    Feature.TOOLS_STREAMED: {"tools": [_TOOL], "stream": True, "stream_options": {"include_usage": True}},
    Feature.TOOL_RESULTS: {"tools": [_TOOL]},
    Feature.FORCED_TOOL: {"tools": [_TOOL], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
    Feature.IMAGE: {},
    Feature.DOCUMENT: {},
    Feature.SCHEMA: {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
        }
    },
    Feature.REASONING: {"reasoning_effort": "low", "max_completion_tokens": 4_000},
}
_CONTENTS: dict[Feature, Any] = {
    Feature.TOOLS: QUESTION,
    Feature.TOOLS_STREAMED: QUESTION,
    Feature.IMAGE: [_TEXT, {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PNG}}],
    Feature.DOCUMENT: [
        _TEXT,
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64," + PDF}},
    ],
}


def asks(feature: Feature, model: str) -> dict[str, Any] | None:
    """The body of a request."""
    if feature not in _MEMBERS:
        return None
    messages: list[Any] = [{"role": "user", "content": _CONTENTS.get(feature, HELLO)}]
    if feature is Feature.SYSTEM:
        messages.insert(0, {"role": "system", "content": "Be brief"})
    elif feature is Feature.TOOL_RESULTS:
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        ]
    return {"model": model, "max_completion_tokens": 2_000, "messages": messages, **_MEMBERS[feature]}


def reads(body: bytes, streamed: bool) -> Said:
    """What it says."""
    completion, pieces = _put_together(body) if streamed else (ChatCompletion.model_validate_json(body), 1)
    (choice,) = completion.choices
    message, usage = choice.message, completion.usage
    details = usage.completion_tokens_details if usage else None
    return Said(
        text=message.content or "",
        calls=tuple((call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()),
        thought=bool((message.model_extra or {}).get("reasoning_content"))
        or bool(details and details.reasoning_tokens),
        finish=choice.finish_reason,
        tokens=usage.total_tokens if usage else 0,
        pieces=pieces,
    )


def _put_together(body: bytes) -> tuple[Any, int]:
    events = [event.data for event in sse.Decoder().feed(body) if event.data]
    assert events[-1] == b"[DONE]"
    state = ChatCompletionStreamState()
    pieces = 0
    for data in events[:-1]:
        if b'"object":""' in data.replace(b" ", b""):
            continue  # what Azure's filter says of the prompt, in a chunk that is none of OpenAI's
        chunk = ChatCompletionChunk.model_validate_json(data)
        state.handle_chunk(chunk)
        pieces += any(choice.delta and choice.delta.model_dump(exclude_none=True) for choice in chunk.choices)
    return state.current_completion_snapshot, pieces
