"""What a response repeats of its request: the members that are the same in every event of a stream."""

import msgspec

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_responses import schemas, wire
from pilothouse_proxy.exchange import reading
from pilothouse_proxy.exchange.request import Strict

_NULL = msgspec.Raw(b"null")
_ABSENT_AS_NULL = (
    "instructions", "max_output_tokens", "prompt_cache_key", "safety_identifier", "temperature", "top_p", "user",
)  # fmt: skip

_options: msgspec.json.Decoder[dict[str, msgspec.Raw] | None] = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_tools: msgspec.json.Decoder[list[wire.FunctionTool] | None] = msgspec.json.Decoder(list[wire.FunctionTool] | None)
_includes: msgspec.json.Decoder[list[str] | None] = msgspec.json.Decoder(list[str] | None)
_reasoning: msgspec.json.Decoder[wire.ReasoningOptions | None] = msgspec.json.Decoder(wire.ReasoningOptions | None)


def response_id(call: Call) -> str:
    """The answer's `id`, by which it is found in the gateway's log."""
    return f"resp_{call.request_id}"


def head(call: Call) -> bytes:
    """The beginning of the JSON object, up to the members that change, without a comma."""
    sent = call.peek.members
    text = _object(call, "text")
    text.setdefault("format", msgspec.Raw(b'{"type":"text"}'))
    reasoning = _object(call, "reasoning")
    repeated: dict[str, object] = {
        "id": response_id(call),
        "object": "response",
        "created_at": call.created,
        "model": call.peek.model,
        "background": False,
        "max_tool_calls": None,
        "metadata": sent.get("metadata", {}),
        "parallel_tool_calls": sent.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "store": False,
        "text": text,
        "tool_choice": sent.get("tool_choice", "auto"),
        "tools": [_tool(tool) for tool in (_read(call, "tools", _tools) or ())],
        "top_logprobs": 0,
        "truncation": "disabled",
    }
    for name, default in (("metadata", {}), ("parallel_tool_calls", True), ("tool_choice", "auto")):
        if bytes(sent.get(name, _NULL)) == b"null":
            repeated[name] = default
    for name in _ABSENT_AS_NULL:
        repeated[name] = sent.get(name)
    encoded = msgspec.json.encode(repeated)
    if b"\n" in encoded or b"\r" in encoded:
        # The client's own line breaks would cut an event in two.
        encoded = msgspec.json.format(encoded, indent=-1)
    return encoded[:-1]


def wants_encrypted_reasoning(call: Call) -> bool:
    """Whether reasoning shall come in a form that can be sent back."""
    return "reasoning.encrypted_content" in (_read(call, "include", _includes) or ())


def wants_summary(call: Call) -> bool:
    """Whether reasoning is told as a summary; else it is told as the text that it is."""
    options = _read(call, "reasoning", _reasoning)
    return options is not None and (options.summary or options.generate_summary) is not None


def _tool(tool: wire.FunctionTool) -> dict[str, object]:
    schema = None if wire.absent(tool.parameters) else tool.parameters
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": schema,
        "strict": schemas.strictness(tool.strict, schema) is not Strict.NO,
    }


def _object(call: Call, name: str) -> dict[str, msgspec.Raw]:
    return _read(call, name, _options) or {}


def _read(call: Call, name: str, decoder: "msgspec.json.Decoder[reading.T]") -> "reading.T | None":
    return reading.read(call.peek.members, name, decoder, opaque=wire.OPAQUE)
