"""A client's chat request to the exchange.

What the exchange has no word for goes to `Request.others`, so that the target refuses it by name, unless its value asks
for nothing.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_chat import messages, wire
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import reading
from pilothouse_proxy.exchange.members import Members
from pilothouse_proxy.exchange.request import (
    ParallelCalls,
    Request,
    Schema,
    Strict,
    Tool,
    ToolChoice,
    ToolMode,
)

T = TypeVar("T")

_Tools = list[wire.FunctionTool | wire.CustomTool]

_messages: Final = msgspec.json.Decoder(list[wire.Message])
_tools: Final[msgspec.json.Decoder[_Tools | None]] = msgspec.json.Decoder(_Tools | None)
_tool_choice: Final[msgspec.json.Decoder[wire.ToolChoice | None]] = msgspec.json.Decoder(wire.ToolChoice | None)
_response_format: Final[msgspec.json.Decoder[wire.ResponseFormat | None]] = msgspec.json.Decoder(
    wire.ResponseFormat | None
)
_cache_options: Final[msgspec.json.Decoder[wire.CacheOptions | None]] = msgspec.json.Decoder(wire.CacheOptions | None)
_stream_options: Final[msgspec.json.Decoder[wire.StreamOptions | None]] = msgspec.json.Decoder(
    wire.StreamOptions | None
)
_number: Final[msgspec.json.Decoder[float | None]] = msgspec.json.Decoder(float | None)
_switch: Final[msgspec.json.Decoder[bool | None]] = msgspec.json.Decoder(bool | None)
_text: Final[msgspec.json.Decoder[str | None]] = msgspec.json.Decoder(str | None)
_texts: Final[msgspec.json.Decoder[str | list[str] | None]] = msgspec.json.Decoder(str | list[str] | None)
_pairs: Final[msgspec.json.Decoder[dict[str, str] | None]] = msgspec.json.Decoder(dict[str, str] | None)
_MODES: Final = {"none": ToolMode.NONE, "auto": ToolMode.AUTO, "required": ToolMode.ANY}

_TRANSLATED: Final = frozenset(
    {
        "model", "messages", "stream", "stream_options", "max_completion_tokens", "max_tokens", "temperature", "top_p",
        "stop", "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "service_tier",
        "metadata", "prompt_cache_options",
        # About the caller, not the answer: they serve identity and routing, and no model sees them.
        "user", "safety_identifier", "prompt_cache_key",
    }
)  # fmt: skip

_NEUTRAL: Final[Mapping[str, object]] = {
    "n": 1,
    "logprobs": False,
    "top_logprobs": 0,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": {},
    "store": False,
    "modalities": ["text"],
    "prompt_cache_retention": "in_memory",
    "functions": [],
}
"""Values that ask for nothing; null does so everywhere."""

_OPAQUE: Final = frozenset({"parameters", "schema"})
"""JSON schemas: null has a meaning of its own in there."""

_ALLOWED: Final = ParallelCalls.ALLOWED
"""A member of an enum is looked up anew at each use."""


def decode(call: Call) -> Request:
    """The neutral request of a call.

    Raises:
        GatewayError: INVALID_REQUEST or UNSUPPORTED that names the parameter, down to `messages[2].content[0]`.
    """
    members = call.peek.members
    _read(members, "stream_options", _stream_options)
    options = _read(members, "prompt_cache_options", _cache_options)
    tools = _decode_tools(_read(members, "tools", _tools))
    others = {name: raw for name, raw in members.items() if name not in _TRANSLATED and not _asks_nothing(name, raw)}
    response_format = _read(members, "response_format", _response_format)
    if response_format is not None and isinstance(response_format, wire.ObjectFormat):
        others["response_format"] = members["response_format"]
    choice = _read(members, "tool_choice", _tool_choice)
    tier = _read(members, "service_tier", _text)
    stop = _read(members, "stop", _texts)
    metadata = _read(members, "metadata", _pairs)
    turns = _read(members, "messages", _messages)
    return Request(
        turns=messages.decode(turns or (), default_ttl=options.ttl if options else None),
        tools=tools,
        tool_choice=_decode_choice(choice, tools),
        parallel_calls=(
            ParallelCalls.FORBIDDEN if tools and _read(members, "parallel_tool_calls", _switch) is False else _ALLOWED
        ),
        max_output_tokens=call.peek.max_output_tokens,
        temperature=_read(members, "temperature", _number),
        top_p=_read(members, "top_p", _number),
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        effort=_read(members, "reasoning_effort", _text),
        answer_schema=None if response_format is None else _decode_schema(response_format),
        service_tier=None if tier == "auto" else tier,
        metadata=metadata or {},
        others=others,
    )


def _decode_tools(tools: _Tools | None) -> tuple[Tool, ...]:
    decoded = []
    for at, tool in enumerate(tools or ()):
        if isinstance(tool, wire.CustomTool):
            raise GatewayError(
                Kind.UNSUPPORTED, "this model takes tools of type `function` only", param=f"tools[{at}].type"
            )
        function = tool.function
        decoded.append(
            Tool(
                name=function.name,
                description=function.description or "",
                schema=None if wire.absent(function.parameters) else function.parameters,
                strict=Strict.YES if function.strict else Strict.NO,
            )
        )
    return tuple(decoded)


def _decode_choice(choice: wire.ToolChoice | None, tools: tuple[Tool, ...]) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, wire.CustomChoice):
        raise GatewayError(Kind.UNSUPPORTED, "this model takes tools of type `function` only", param="tool_choice")
    if not tools and choice in ("none", "auto"):
        return None
    if not tools:
        raise GatewayError(Kind.INVALID_REQUEST, "`tool_choice` needs `tools`", param="tool_choice")
    if isinstance(choice, str):
        return ToolChoice(mode=_MODES[choice])
    names: tuple[str, ...]
    if isinstance(choice, wire.NamedFunction):
        mode, names = ToolMode.NAMED, (choice.function.name,)
    else:
        mode = _MODES[choice.allowed_tools.mode]
        names = tuple(tool.function.name for tool in choice.allowed_tools.tools)
    missing = set(names) - {tool.name for tool in tools}
    if missing or not names:
        named = ", ".join(f"`{name}`" for name in sorted(missing)) or "no tool"
        raise GatewayError(
            Kind.INVALID_REQUEST, f"`tool_choice` names {named}, which `tools` does not hold", param="tool_choice"
        )
    return ToolChoice(mode=mode, names=names)


def _decode_schema(response_format: wire.ResponseFormat) -> Schema | None:
    if not isinstance(response_format, wire.SchemaFormat):
        return None
    asked = response_format.json_schema
    if wire.absent(asked.schema):
        param = "response_format.json_schema.schema"
        raise GatewayError(Kind.INVALID_REQUEST, f"missing required parameter: `{param}`", param=param)
    return Schema(name=asked.name, description=asked.description or "", schema=asked.schema)


def _asks_nothing(name: str, raw: msgspec.Raw) -> bool:
    return reading.is_null(raw) or (name in _NEUTRAL and reading.equals(raw, name, _NEUTRAL[name]))


def _read(members: Members, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    return reading.read(members, name, decoder, opaque=_OPAQUE)
