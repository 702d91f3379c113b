"""Tools and the choice between them."""

import enum
from dataclasses import dataclass

import msgspec

from pilothouse_proxy.anthropic import marks, names, refusal, wire
from pilothouse_proxy.exchange import members
from pilothouse_proxy.exchange.capabilities import Capabilities
from pilothouse_proxy.exchange.request import ParallelCalls, Request, Strict, Tool, ToolMode

_NO_ARGUMENTS = msgspec.Raw(b'{"type":"object","properties":{}}')

_schema = msgspec.json.Decoder(wire.SchemaView)


class Rendering(enum.Enum):
    """How calls and results of the history are told: as blocks, which need `tools` beside them, or as text."""

    BLOCKS = "blocks"
    TEXT = "text"


class Thinks(enum.Enum):
    """Whether the model will reason before it answers."""

    YES = "yes"
    NO = "no"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request says about tools; None: not sent."""

    rendering: Rendering
    tools: list[dict[str, object]] | None = None
    choice: dict[str, object] | None = None


_NOTHING = Asked(rendering=Rendering.TEXT)


def ask(request: Request, caps: Capabilities, thinks: Thinks) -> Asked:
    """What to send.

    Raises:
        GatewayError: UNSUPPORTED or INVALID_REQUEST that names the tool or the parameter.
    """
    choice = request.tool_choice
    if not request.tools:
        return _NOTHING
    offered = list(enumerate(request.tools))
    if choice is not None and choice.names and choice.mode is not ToolMode.NAMED:
        offered = [(at, tool) for at, tool in offered if tool.name in choice.names]
    put = _choice(request, caps)
    forced = put is not None and put["type"] in {"any", "tool"}
    if forced and thinks is Thinks.YES and not caps.forced_while_reasoning:
        raise refusal.unsupported(caps, "tool_choice", "a tool cannot be forced while the model reasons")
    if request.parallel_calls is ParallelCalls.FORBIDDEN and (put is None or put["type"] != "none"):
        put = {**(put or {"type": "auto"}), "disable_parallel_tool_use": True}
    return Asked(rendering=Rendering.BLOCKS, tools=_tools(offered, caps), choice=put)


def _choice(request: Request, caps: Capabilities) -> dict[str, object] | None:
    choice = request.tool_choice
    if choice is None:
        return None
    mode = choice.mode
    if mode in {ToolMode.ANY, ToolMode.NAMED} and mode not in caps.tools:
        raise refusal.unsupported(caps, "tool_choice", "tools cannot be forced, send `auto`")
    if mode is ToolMode.NAMED:
        return {"type": "tool", "name": names.tool_name(choice.names[0])}
    return {"type": mode.value}


def _tools(offered: list[tuple[int, Tool]], caps: Capabilities) -> list[dict[str, object]]:
    encoded: list[dict[str, object]] = []
    seen: set[str] = set()
    for at, tool in offered:
        if tool.name in seen:
            raise refusal.invalid(f"tools[{at}].function.name", f"two tools have the name `{tool.name}`")
        seen.add(tool.name)
        document: dict[str, object] = {"name": names.tool_name(tool.name)}
        if tool.description.strip():
            document["description"] = tool.description
        document["input_schema"] = _object_schema(tool.schema, f"tools[{at}].function.parameters")
        if tool.strict is Strict.YES:
            if not caps.strict_tools:
                raise refusal.unsupported(caps, f"tools[{at}].function.strict")
            document["strict"] = True
        if tool.cache is not None:
            document[marks.NAME] = marks.value(tool.cache, caps, f"tools[{at}]")
        encoded.append(document)
    return encoded


def _object_schema(schema: msgspec.Raw | None, param: str) -> msgspec.Raw:
    """The schema as it came, but for the type at its top, which Messages wants and JSON schema leaves out."""
    if schema is None:
        return _NO_ARGUMENTS
    try:
        kind = bytes(_schema.decode(schema).type)
    except (ValueError, RecursionError):
        raise refusal.invalid(param, f"`{param}` must be a JSON schema of type object") from None
    if kind == b'"object"':
        return schema
    if kind:
        raise refusal.invalid(param, f"`{param}` must be a JSON schema of type object, not {kind.decode()}")
    return msgspec.Raw(members.replaced(members.read(bytes(schema)), type="object"))
