"""Answers that hold to a schema, by models that have no structured output: a tool stands in whose input is the answer.

It is no tool of the client's: its call comes out as text, and what a model writes beside it does not come out at all.
"""

from dataclasses import replace
from typing import Final

from pilothouse_proxy.dialects.bedrock_converse import names, refusal, tools
from pilothouse_proxy.dialects.bedrock_converse.tools import Asked, Thinks
from pilothouse_proxy.exchange.capabilities import Capabilities
from pilothouse_proxy.exchange.request import Request, Schema, ToolMode

_NAME: Final = "json_answer"
_DESCRIPTION: Final = "Gives the answer. Call it once, with all of the answer."
_PARAM: Final = "response_format"
_NONE: Final = "it has no structured output through Converse"


def stand_in(request: Request, caps: Capabilities) -> str | None:
    """The name, on the wire, of the tool whose input is the answer; None where none is needed."""
    if request.answer_schema is None or caps.answer_schema:
        return None
    taken = {names.tool_name(tool.name) for tool in request.tools}
    name = _NAME
    while name in taken:
        name += "_"
    return name


def offered(request: Request, caps: Capabilities, asked: Asked, thinks: Thinks) -> Asked:
    """What is said about tools, with the one that stands in, where one is needed.

    Raises:
        GatewayError: UNSUPPORTED, the model cannot be made to call it; INVALID_REQUEST, no tool has such a schema.
    """
    name, schema = stand_in(request, caps), request.answer_schema
    if name is None or schema is None:
        return asked
    _check(request, caps, asked, thinks)
    spec = _spec(name, schema)
    if asked.config is None:
        put: dict[str, object] = {"tool": {"name": name}} if ToolMode.NAMED in caps.tools else {"any": {}}
        alone = [spec]
        return replace(asked, config={"tools": alone, "toolChoice": put}, specs=alone)
    fields = asked.fields
    if "tool_choice" in fields:
        # toolChoice is sent now: Bedrock writes the type, and refuses a second one.
        fields = {**fields, "tool_choice": {"disable_parallel_tool_use": True}}
    both = [*asked.specs, spec]
    return replace(asked, config={"tools": both, "toolChoice": {"any": {}}}, specs=both, fields=fields)


def _check(request: Request, caps: Capabilities, asked: Asked, thinks: Thinks) -> None:
    choice = request.tool_choice
    beside_tools = asked.config is not None
    if beside_tools and choice is not None and choice.mode is not ToolMode.AUTO:
        raise refusal.unsupported(caps, _PARAM, f"{_NONE}, and a tool stands in: send `tool_choice` auto")
    if not caps.tools & ({ToolMode.ANY} if beside_tools else {ToolMode.ANY, ToolMode.NAMED}):
        raise refusal.unsupported(
            caps, _PARAM, f"{_NONE}, and cannot be made to call a tool instead: ask for JSON in the prompt"
        )
    if thinks is Thinks.YES and not caps.forced_while_reasoning:
        raise refusal.unsupported(
            caps, _PARAM, f"{_NONE}, and cannot be made to call a tool while it reasons: leave `reasoning_effort` out"
        )


def _spec(name: str, schema: Schema) -> dict[str, object]:
    document = tools.object_schema(schema.schema, f"{_PARAM}.json_schema.schema")
    described = schema.description.strip() and schema.description
    return {"toolSpec": {"name": name, "description": described or _DESCRIPTION, "inputSchema": {"json": document}}}
