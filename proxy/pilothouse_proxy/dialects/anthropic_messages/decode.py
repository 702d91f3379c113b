"""A client's request to the exchange.

What the exchange has no word for goes to `Request.others`, so that the target refuses it by name, unless its value asks
for nothing.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.anthropic_messages import blocks, versions
from pilothouse_proxy.dialects.anthropic_messages import wire_requests as wire
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import reading
from pilothouse_proxy.exchange.members import Members
from pilothouse_proxy.exchange.parts import Audio, CacheMark, Part, RedactedThinking, Text, Thinking, ToolResult
from pilothouse_proxy.exchange.request import (
    ParallelCalls,
    Request,
    Schema,
    Strict,
    Tool,
    ToolChoice,
    ToolMode,
    Turn,
)
from pilothouse_proxy.operations import Operation

T = TypeVar("T")

_messages = msgspec.json.Decoder(list[wire.Message])
_system: msgspec.json.Decoder[str | list[wire.TextBlock] | None] = msgspec.json.Decoder(
    str | list[wire.TextBlock] | None
)
_tools: msgspec.json.Decoder[list[msgspec.Raw] | None] = msgspec.json.Decoder(list[msgspec.Raw] | None)
_tool_kind = msgspec.json.Decoder(wire.ToolKind)
_tool = msgspec.json.Decoder(wire.Tool)
_choice: msgspec.json.Decoder[wire.ToolChoice | None] = msgspec.json.Decoder(wire.ToolChoice | None)
_thinking: msgspec.json.Decoder[wire.ThinkingConfig | None] = msgspec.json.Decoder(wire.ThinkingConfig | None)
_output: msgspec.json.Decoder[wire.OutputConfig | None] = msgspec.json.Decoder(wire.OutputConfig | None)
_cache: msgspec.json.Decoder[wire.CacheControl | None] = msgspec.json.Decoder(wire.CacheControl | None)
_metadata: msgspec.json.Decoder[wire.Metadata | None] = msgspec.json.Decoder(wire.Metadata | None)
_number: msgspec.json.Decoder[float | None] = msgspec.json.Decoder(float | None)
_texts: msgspec.json.Decoder[list[str] | None] = msgspec.json.Decoder(list[str] | None)
_text: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)

_TRANSLATED = frozenset(
    {
        "model", "messages", "system", "max_tokens", "stream", "stop_sequences", "temperature", "top_p", "tools",
        "tool_choice", "thinking", "output_config", "cache_control", "metadata", "service_tier",
    }
)  # fmt: skip

_NEUTRAL: Mapping[str, object] = {"speed": "standard", "mcp_servers": [], "context_management": {"edits": []}}
"""Values that ask for nothing; null does so everywhere."""

_SAMPLING = ("temperature", "top_p", "top_k")
_OPAQUE = frozenset({"input_schema", "schema", "input"})
"""JSON schemas and arguments: null has a meaning of its own in there."""

_MODES: Mapping[type, ToolMode] = {
    wire.AutoChoice: ToolMode.AUTO,
    wire.AnyChoice: ToolMode.ANY,
    wire.NoChoice: ToolMode.NONE,
}
_TIERS = {"auto": None, "standard_only": "default"}
_DEFAULT_EFFORT = "high"
"""What Anthropic's models do where nobody says otherwise."""

ANSWER_NAME = "response"
"""Of the answer's schema, which has no name here."""


def decode(call: Call) -> Request:
    """The neutral request of a call, for a message or for the count of its tokens.

    Raises:
        GatewayError: INVALID_REQUEST or UNSUPPORTED that names the parameter, down to `messages[2].content[0]`.
    """
    members = call.peek.members
    strict = call.headers.get(versions.VERSION) == versions.STRICT
    if strict:
        _refuse_sampling(members)
    if call.operation is Operation.MESSAGES and call.peek.max_output_tokens == 0:
        raise GatewayError(
            Kind.UNSUPPORTED, "`max_tokens`: this model cannot fill its cache without answering", param="max_tokens"
        )
    _read(members, "metadata", _metadata)
    tools = _decode_tools(_read(members, "tools", _tools))
    choice = _read(members, "tool_choice", _choice)
    output = _read(members, "output_config", _output) or wire.OutputConfig()
    thinking = _read(members, "thinking", _thinking)
    others = {name: raw for name, raw in members.items() if name not in _TRANSLATED and not _asks_nothing(name, raw)}
    effort = _effort(thinking, output, members, others)
    messages = _read(members, "messages", _messages) or []
    if strict:
        _refuse_citations(messages)
    turns = [*blocks.system(_read(members, "system", _system)), *blocks.turns(messages)]
    stop = _read(members, "stop_sequences", _texts)
    control = _read(members, "cache_control", _cache)
    if control is not None:
        _mark_last(turns, blocks.mark(control))
    return Request(
        turns=tuple(turns),
        tools=tools,
        tool_choice=_decode_choice(choice, tools),
        parallel_calls=_parallel(choice, tools),
        max_output_tokens=call.peek.max_output_tokens or None,
        temperature=_read(members, "temperature", _number),
        top_p=_read(members, "top_p", _number),
        stop=tuple(stop or ()),
        effort=effort,
        thinking_tokens=thinking.budget_tokens if isinstance(thinking, wire.EnabledThinking) else None,
        answer_schema=None if output.format is None else Schema(name=ANSWER_NAME, schema=output.format.schema),
        service_tier=_tier(_read(members, "service_tier", _text)),
        others=others,
    )


def _refuse_sampling(members: Members) -> None:
    """Even of values that ask for nothing, as the API does."""
    for name in _SAMPLING:
        if name in members:
            raise GatewayError(
                Kind.INVALID_REQUEST,
                f"`{name}` is not a parameter of version {versions.STRICT.decode()}: leave it out, or send "
                f"`anthropic-version: {versions.FIRST.decode()}`",
                param=name,
            )


def _refuse_citations(messages: list[wire.Message]) -> None:
    """And documents, where the newer version does not take them any more."""
    for at, message in enumerate(messages):
        content = message.content
        for index, block in enumerate(() if isinstance(content, str) else content):
            path = f"messages[{at}].content[{index}]"
            if isinstance(block, wire.DocumentBlock) and isinstance(message, wire.AssistantMessage):
                raise GatewayError(Kind.INVALID_REQUEST, f"`{path}`: assistant messages hold no documents", param=path)
            if isinstance(block, wire.TextBlock) and block.citations and isinstance(message, wire.UserMessage):
                param = f"{path}.citations"
                raise GatewayError(
                    Kind.INVALID_REQUEST, f"`{param}`: text of user messages has no citations", param=param
                )


def _decode_tools(tools: list[msgspec.Raw] | None) -> tuple[Tool, ...]:
    decoded = []
    for at, raw in enumerate(tools or ()):
        path = f"tools[{at}]"
        kind = reading.value(raw, path, _tool_kind, opaque=_OPAQUE).type
        if kind not in {None, "custom"}:
            raise GatewayError(
                Kind.UNSUPPORTED, f"`{path}.type`: this model takes tools of type `custom` only", param=f"{path}.type"
            )
        tool = reading.value(raw, path, _tool, opaque=_OPAQUE)
        if tool.defer_loading:
            raise _unsupported(f"{path}.defer_loading")
        if tool.allowed_callers not in (None, ["direct"]):
            raise _unsupported(f"{path}.allowed_callers")
        decoded.append(
            Tool(
                name=tool.name,
                description=tool.description or "",
                schema=None if wire.absent(tool.input_schema) else tool.input_schema,
                strict=Strict.YES if tool.strict else Strict.NO,
                cache=blocks.mark(tool.cache_control),
            )
        )
    return tuple(decoded)


def _decode_choice(choice: wire.ToolChoice | None, tools: tuple[Tool, ...]) -> ToolChoice | None:
    if choice is None or (not tools and isinstance(choice, wire.AutoChoice | wire.NoChoice)):
        return None
    if not tools:
        raise GatewayError(Kind.INVALID_REQUEST, "`tool_choice` needs `tools`", param="tool_choice")
    if isinstance(choice, wire.NamedChoice):
        if all(tool.name != choice.name for tool in tools):
            raise GatewayError(
                Kind.INVALID_REQUEST,
                f"`tool_choice` names `{choice.name}`, which `tools` does not hold",
                param="tool_choice",
            )
        return ToolChoice(mode=ToolMode.NAMED, names=(choice.name,))
    return ToolChoice(mode=_MODES[type(choice)])


def _parallel(choice: wire.ToolChoice | None, tools: tuple[Tool, ...]) -> ParallelCalls:
    serial = choice is not None and not isinstance(choice, wire.NoChoice) and choice.disable_parallel_tool_use
    return ParallelCalls.FORBIDDEN if serial and tools else ParallelCalls.ALLOWED


def _effort(
    thinking: wire.ThinkingConfig | None,
    output: wire.OutputConfig,
    members: Members,
    others: dict[str, msgspec.Raw],
) -> str | None:
    """How hard to think; to `others` goes what there is no neutral word for."""
    if isinstance(thinking, wire.EnabledThinking | wire.AdaptiveThinking) and thinking.display == "omitted":
        others["thinking.display"] = members["thinking"]
    if isinstance(thinking, wire.ThinkingBetweenTools):
        others["thinking"] = members["thinking"]
    if isinstance(thinking, wire.NoThinking):
        if output.effort not in {None, _DEFAULT_EFFORT}:
            # How much to write without thinking is nothing that others know.
            others["output_config.effort"] = members["output_config"]
        return "none"
    if isinstance(thinking, wire.AdaptiveThinking):
        return output.effort or _DEFAULT_EFFORT
    return output.effort


def _tier(tier: str | None) -> str | None:
    if tier is None or tier in _TIERS:
        return None if tier is None else _TIERS[tier]
    raise GatewayError(Kind.INVALID_REQUEST, "`service_tier` must be `auto` or `standard_only`", param="service_tier")


def _mark_last(turns: list[Turn], cache: CacheMark | None) -> None:
    """Of the whole request the last part that can be cached; what has a mark of its own keeps it."""
    for place in range(len(turns) - 1, -1, -1):
        parts = list(turns[place].parts)
        for index in range(len(parts) - 1, -1, -1):
            part = _cacheable(parts[index], cache)
            if part is not None:
                parts[index] = part
                turns[place] = replace(turns[place], parts=tuple(parts))
                return


def _cacheable(part: Part, cache: CacheMark | None) -> Part | None:
    if isinstance(part, Thinking | RedactedThinking | Audio) or (isinstance(part, Text) and not part.text.strip()):
        return None
    if isinstance(part, ToolResult):
        content = part.content or (Text(text=""),)
        last = content[-1]
        return part if last.cache is not None else replace(part, content=(*content[:-1], replace(last, cache=cache)))
    return part if part.cache is not None else replace(part, cache=cache)


def _asks_nothing(name: str, raw: msgspec.Raw) -> bool:
    return reading.is_null(raw) or (name in _NEUTRAL and reading.equals(raw, name, _NEUTRAL[name]))


def _read(members: Members, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    try:
        return reading.read(members, name, decoder, opaque=_OPAQUE)
    except GatewayError as error:
        # A block, a tool or a choice of a type that is Anthropic's own.
        if error.param is not None and error.param.endswith(".type") and "Invalid value" in error.message:
            raise _unsupported(error.param) from None
        raise


def _unsupported(param: str) -> GatewayError:
    return GatewayError(Kind.UNSUPPORTED, f"`{param}` is not supported with this model", param=param)
