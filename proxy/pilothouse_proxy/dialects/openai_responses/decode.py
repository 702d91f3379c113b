"""A client's request to the exchange, as far as it needs no memory.

What the exchange has no word for goes to `Request.others` under the name that chat completions has for it, so that a
target takes it or refuses it by name.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_responses import items, schemas, wire
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import reading
from pilothouse_proxy.exchange.members import Members
from pilothouse_proxy.exchange.parts import Text
from pilothouse_proxy.exchange.request import (
    ParallelCalls,
    Request,
    Role,
    Schema,
    Tool,
    ToolChoice,
    ToolMode,
    Turn,
)

T = TypeVar("T")

ENCRYPTED_REASONING = "reasoning.encrypted_content"

_input: msgspec.json.Decoder[str | list[msgspec.Raw] | None] = msgspec.json.Decoder(str | list[msgspec.Raw] | None)
_tools: msgspec.json.Decoder[list[msgspec.Raw] | None] = msgspec.json.Decoder(list[msgspec.Raw] | None)
_tool = msgspec.json.Decoder(wire.FunctionTool)
_view = msgspec.json.Decoder(wire.ItemView)
_tool_choice: msgspec.json.Decoder[wire.ToolChoice | None] = msgspec.json.Decoder(wire.ToolChoice | None)
_text_options: msgspec.json.Decoder[wire.TextOptions | None] = msgspec.json.Decoder(wire.TextOptions | None)
_reasoning: msgspec.json.Decoder[wire.ReasoningOptions | None] = msgspec.json.Decoder(wire.ReasoningOptions | None)
_cache_options: msgspec.json.Decoder[wire.CacheOptions | None] = msgspec.json.Decoder(wire.CacheOptions | None)
_stream_options: msgspec.json.Decoder[wire.StreamOptions | None] = msgspec.json.Decoder(wire.StreamOptions | None)
_number: msgspec.json.Decoder[float | None] = msgspec.json.Decoder(float | None)
_switch: msgspec.json.Decoder[bool | None] = msgspec.json.Decoder(bool | None)
_text: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)
_texts: msgspec.json.Decoder[list[str] | None] = msgspec.json.Decoder(list[str] | None)
_pairs: msgspec.json.Decoder[dict[str, str] | None] = msgspec.json.Decoder(dict[str, str] | None)
_MODES = {"none": ToolMode.NONE, "auto": ToolMode.AUTO, "required": ToolMode.ANY}

_TRANSLATED = frozenset(
    {
        "model", "input", "instructions", "stream", "stream_options", "max_output_tokens", "temperature", "top_p",
        "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning", "include", "service_tier", "metadata",
        "prompt_cache_options",
        # About the caller, not the answer: they serve identity and routing, and no model sees them.
        "user", "safety_identifier", "prompt_cache_key",
    }
)  # fmt: skip

_NEUTRAL: Mapping[str, object] = {
    "background": False,
    "store": False,
    "top_logprobs": 0,
    "truncation": "disabled",
    "prompt_cache_retention": "in_memory",
    "context_management": [],
}
"""Values that ask for nothing; null does so everywhere."""

_WHOLE_CONVERSATION = "answers are not stored: send the whole conversation in `input`"
_STATEFUL: Mapping[str, str] = {
    "previous_response_id": _WHOLE_CONVERSATION,
    "conversation": _WHOLE_CONVERSATION,
    "store": "answers are not stored: leave it out or send false",
    "background": "an answer is there when the request ends: leave it out, and stream what takes long",
    "prompt": "prompts are not stored: send its text in `instructions` and `input`",
    "max_tool_calls": "there are no built-in tools that it could limit: leave it out",
    "context_management": "shorten `input` yourself",
    "truncation": "shorten `input` yourself",
    "top_logprobs": "probabilities of tokens are not told",
}
"""What needs OpenAI's own memory or tools, and what to do instead."""

_EMPTY_INCLUDES = frozenset(
    {
        "web_search_call.results", "web_search_call.action.sources", "file_search_call.results",
        "code_interpreter_call.outputs", "computer_call_output.output.image_url", "message.input_image.image_url",
    }
)  # fmt: skip
"""What only answers with built-in tools could hold: there are none, and so nothing to include."""


def decode(call: Call) -> Request:
    """The neutral request of a call.

    Raises:
        GatewayError: INVALID_REQUEST or UNSUPPORTED that names the parameter, down to `input[2].content[0]`.
    """
    members = call.peek.members
    others = {name: raw for name, raw in members.items() if name not in _TRANSLATED and not _asks_nothing(name, raw)}
    for name, instead in _STATEFUL.items():
        if name in others:
            raise GatewayError(Kind.UNSUPPORTED, f"`{name}` is not supported with this model: {instead}", param=name)
    _read(members, "stream_options", _stream_options)
    include = _read(members, "include", _texts)
    _check_include(include or [])
    text = _read(members, "text", _text_options) or wire.TextOptions()
    if isinstance(text.format, wire.ObjectFormat):
        others["response_format"] = msgspec.Raw(b'{"type":"json_object"}')
    if text.verbosity is not None and text.verbosity != "medium":
        others["verbosity"] = msgspec.Raw(b'"%b"' % text.verbosity.encode())
    reasoning = _read_reasoning(members)
    offered = _read(members, "tools", _tools)
    tools = _decode_tools(offered or [])
    choice = _read_choice(members)
    metadata = _read(members, "metadata", _pairs)
    tier = _read(members, "service_tier", _text)
    serial = bool(tools) and _read(members, "parallel_tool_calls", _switch) is False
    return Request(
        turns=_turns(members),
        tools=tools,
        tool_choice=_decode_choice(choice, tools),
        parallel_calls=ParallelCalls.FORBIDDEN if serial else ParallelCalls.ALLOWED,
        max_output_tokens=call.peek.max_output_tokens,
        temperature=_read(members, "temperature", _number),
        top_p=_read(members, "top_p", _number),
        effort=None if reasoning is None else reasoning.effort,
        answer_schema=_decode_schema(text.format) if isinstance(text.format, wire.SchemaFormat) else None,
        service_tier=None if tier == "auto" else tier,
        metadata=metadata or {},
        others=others,
    )


def _turns(members: Members) -> tuple[Turn, ...]:
    options = _read(members, "prompt_cache_options", _cache_options)
    given = _read(members, "input", _input)
    if not given:
        raise GatewayError(Kind.INVALID_REQUEST, "missing required parameter: `input`", param="input")
    turns = []
    instructions = _read(members, "instructions", _text)
    if instructions:
        turns.append(Turn(role=Role.SYSTEM, parts=(Text(text=instructions),), at=items.INSTRUCTIONS))
    if isinstance(given, str):
        turns.append(Turn(role=Role.USER, parts=(Text(text=given),), at=0))
    else:
        turns += items.Reader(options.ttl if options else None).read(given)
    return tuple(turns)


def _decode_tools(tools: list[msgspec.Raw]) -> tuple[Tool, ...]:
    decoded = []
    for at, raw in enumerate(tools):
        path = f"tools[{at}]"
        kind = reading.value(raw, path, _view, opaque=wire.OPAQUE).type
        if kind != "function":
            message = f"this model takes tools of type `function` only, not `{str(kind)[:64]}`"
            raise GatewayError(Kind.UNSUPPORTED, message, param=f"{path}.type")
        tool = reading.value(raw, path, _tool, opaque=wire.OPAQUE)
        for name, wish in (("async", tool.async_), ("defer_loading", tool.defer_loading)):
            if wish:
                param = f"{path}.{name}"
                raise GatewayError(Kind.UNSUPPORTED, f"`{param}` is not supported with this model", param=param)
        schema = None if wire.absent(tool.parameters) else tool.parameters
        decoded.append(
            Tool(
                name=tool.name,
                description=tool.description or "",
                schema=schema,
                strict=schemas.strictness(tool.strict, schema),
            )
        )
    return tuple(decoded)


def _read_reasoning(members: Members) -> wire.ReasoningOptions | None:
    options = _read(members, "reasoning", _reasoning)
    if options is not None:
        for name, value, neutral in (("mode", options.mode, "standard"), ("context", options.context, "auto")):
            if value is not None and value != neutral:
                param = f"reasoning.{name}"
                message = f"`{param}` is not supported with this model: leave it out"
                raise GatewayError(Kind.UNSUPPORTED, message, param=param)
    return options


def _read_choice(members: Members) -> wire.ToolChoice | None:
    raw = members.get("tool_choice")
    if raw is not None and bytes(raw).startswith(b"{"):
        kind = reading.value(raw, "tool_choice", _view, opaque=wire.OPAQUE).type
        if kind not in {"function", "allowed_tools"}:
            message = f"this model takes tools of type `function` only, not `{str(kind)[:64]}`"
            raise GatewayError(Kind.UNSUPPORTED, message, param="tool_choice")
    return _read(members, "tool_choice", _tool_choice)


def _decode_choice(choice: wire.ToolChoice | None, tools: tuple[Tool, ...]) -> ToolChoice | None:
    if choice is None or (not tools and choice in ("none", "auto")):
        return None
    if not tools:
        raise GatewayError(Kind.INVALID_REQUEST, "`tool_choice` needs `tools`", param="tool_choice")
    if isinstance(choice, str):
        return ToolChoice(mode=_MODES[choice])
    names: tuple[str, ...]
    if isinstance(choice, wire.NamedTool):
        mode, names = ToolMode.NAMED, (choice.name,)
    else:
        mode, names = _MODES[choice.mode], tuple(tool.name for tool in choice.tools)
    missing = set(names) - {tool.name for tool in tools}
    if missing or not names:
        named = ", ".join(f"`{name}`" for name in sorted(missing)) or "no tool"
        message = f"`tool_choice` names {named}, which `tools` does not hold"
        raise GatewayError(Kind.INVALID_REQUEST, message, param="tool_choice")
    return ToolChoice(mode=mode, names=names)


def _decode_schema(asked: wire.SchemaFormat) -> Schema:
    if wire.absent(asked.schema):
        param = "text.format.schema"
        raise GatewayError(Kind.INVALID_REQUEST, f"missing required parameter: `{param}`", param=param)
    return Schema(name=asked.name, description=asked.description or "", schema=asked.schema)


def _check_include(include: list[str]) -> None:
    for at, name in enumerate(include):
        if name != ENCRYPTED_REASONING and name not in _EMPTY_INCLUDES:
            param = f"include[{at}]"
            message = f"`{param}`: `{name[:64]}` is not supported with this model"
            raise GatewayError(Kind.UNSUPPORTED, message, param=param)


def _asks_nothing(name: str, raw: msgspec.Raw) -> bool:
    return reading.is_null(raw) or (name in _NEUTRAL and reading.equals(raw, name, _NEUTRAL[name]))


def _read(members: Members, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    return reading.read(members, name, decoder, opaque=wire.OPAQUE)
