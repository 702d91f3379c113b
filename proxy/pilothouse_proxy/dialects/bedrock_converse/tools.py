"""Tools and the choice between them."""

import enum
from dataclasses import dataclass, field
from typing import Final

import msgspec

from pilothouse_proxy.dialects.bedrock_converse import caching, names, refusal, wire
from pilothouse_proxy.exchange import members
from pilothouse_proxy.exchange.capabilities import Capabilities
from pilothouse_proxy.exchange.request import ParallelCalls, Request, Strict, Tool, ToolMode

_NO_ARGUMENTS: Final = msgspec.Raw(b'{"type":"object","properties":{}}')
_EMPTY: Final[dict[str, object]] = {}


_schema: Final = msgspec.json.Decoder(wire.SchemaView)


class Rendering(enum.Enum):
    """How calls and results of the history are told: as blocks, which need a toolConfig beside them, or as text."""

    BLOCKS = "blocks"
    TEXT = "text"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request says about tools."""

    rendering: Rendering
    config: dict[str, object] | None = None
    """toolConfig."""
    specs: list[dict[str, object]] = field(default_factory=list)
    """Its `tools`, cache points among them."""
    fields: dict[str, object] = field(default_factory=dict)
    """For additionalModelRequestFields."""


_NOTHING: Final = Asked(rendering=Rendering.TEXT)


class Thinks(enum.Enum):
    """Whether the model will reason before it answers."""

    YES = "yes"
    NO = "no"


def ask(request: Request, caps: Capabilities, thinks: Thinks) -> Asked:
    """What to send.

    Raises:
        GatewayError: UNSUPPORTED or INVALID_REQUEST that names the tool or the parameter.
    """
    choice = request.tool_choice
    if not request.tools or (choice is not None and choice.mode is ToolMode.NONE):
        return _NOTHING
    if not caps.tools:
        raise refusal.unsupported(caps, "tools")
    offered = list(enumerate(request.tools))
    if choice is not None and choice.names:
        offered = [(at, tool) for at, tool in offered if tool.name in choice.names]
    put, offered = _choice(request, caps, offered)
    if put is not None and "auto" not in put and thinks is Thinks.YES and not caps.forced_while_reasoning:
        raise refusal.unsupported(caps, "tool_choice", "a tool cannot be forced while the model reasons")
    if choice is not None and choice.mode is ToolMode.NAMED:
        # The others stay on offer: only where the choice cannot name a tool is the list cut down to it.
        offered = list(enumerate(request.tools)) if put is not None and "tool" in put else offered
    specs = _specs(offered, caps)
    config: dict[str, object] = {"tools": specs}
    if put is not None:
        config["toolChoice"] = put
    return Asked(rendering=Rendering.BLOCKS, config=config, specs=specs, fields=_serial(request, caps, put))


def _choice(
    request: Request, caps: Capabilities, offered: list[tuple[int, Tool]]
) -> tuple[dict[str, object] | None, list[tuple[int, Tool]]]:
    """toolChoice, and the tools from which it chooses."""
    choice = request.tool_choice
    if choice is None:
        return None, offered
    if choice.mode is ToolMode.AUTO:
        return {"auto": _EMPTY}, offered
    # One tool by name, or any of one tool, is the same wish: whichever word the model has.
    by_name = len(offered) == 1 and (choice.mode is ToolMode.NAMED or ToolMode.ANY not in caps.tools)
    if by_name and ToolMode.NAMED in caps.tools:
        return {"tool": {"name": names.tool_name(offered[0][1].name)}}, offered
    if ToolMode.ANY in caps.tools:
        return {"any": _EMPTY}, offered
    raise refusal.unsupported(caps, "tool_choice", "tools cannot be forced, send `auto`")


def _serial(request: Request, caps: Capabilities, put: dict[str, object] | None) -> dict[str, object]:
    if request.parallel_calls is ParallelCalls.ALLOWED:
        return {}
    if not caps.serial_calls:
        raise refusal.unsupported(caps, "parallel_tool_calls", "calls cannot be kept to one at a time")
    serial: dict[str, object] = {"disable_parallel_tool_use": True}
    # Anthropic's tool_choice needs its type; where toolChoice is sent, Bedrock writes it and refuses a second one.
    return {"tool_choice": serial if put is not None else {"type": "auto", **serial}}


def _specs(offered: list[tuple[int, Tool]], caps: Capabilities) -> list[dict[str, object]]:
    specs: list[dict[str, object]] = []
    seen: set[str] = set()
    for at, tool in offered:
        if tool.name in seen:
            raise refusal.invalid(f"tools[{at}].function.name", f"two tools have the name `{tool.name}`")
        seen.add(tool.name)
        spec: dict[str, object] = {"name": names.tool_name(tool.name)}
        if tool.description.strip():
            spec["description"] = tool.description
        spec["inputSchema"] = {"json": object_schema(tool.schema, f"tools[{at}].function.parameters")}
        if tool.strict is Strict.YES:
            if not caps.strict_tools:
                raise refusal.unsupported(caps, f"tools[{at}].function.strict")
            spec["strict"] = True
        elif tool.strict is Strict.PREFERRED and caps.strict_tools:
            spec["strict"] = True
        specs.append({"toolSpec": spec})
        if tool.cache is not None:
            if not caps.tool_caching:
                raise refusal.unsupported(caps, f"tools[{at}].prompt_cache_breakpoint")
            specs += caching.point(tool.cache, caps, f"tools[{at}]")
    return specs


def object_schema(schema: msgspec.Raw | None, param: str) -> msgspec.Raw:
    """The schema as it came, but for what Converse wants at its top and JSON schema leaves out.

    Raises:
        GatewayError: INVALID_REQUEST, it is of no object.
    """
    if schema is None:
        return _NO_ARGUMENTS
    try:
        top = _schema.decode(schema)
    except (ValueError, RecursionError):
        raise refusal.invalid(param, f"`{param}` must be a JSON schema of type object") from None
    kind, properties = bytes(top.type), bytes(top.properties)
    if kind not in {b"", b'"object"'}:
        raise refusal.invalid(param, f"`{param}` must be a JSON schema of type object, not {kind.decode()}")
    missing: dict[str, object] = {}
    if not kind:
        missing["type"] = "object"
    if not properties:
        missing["properties"] = _EMPTY
    return msgspec.Raw(members.replaced(members.read(bytes(schema)), **missing)) if missing else schema
