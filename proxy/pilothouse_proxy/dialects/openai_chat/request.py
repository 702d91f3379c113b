"""A neutral request to the body of a chat completion, as OpenAI, Azure OpenAI and compatible servers take it."""

import enum
from collections.abc import Mapping

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.openai_chat import lookup, names, turns
from pilothouse_proxy.dialects.openai_chat.refusal import unsupported
from pilothouse_proxy.dialects.openai_chat.rules import Rules
from pilothouse_proxy.exchange.capabilities import Sampling
from pilothouse_proxy.exchange.request import ParallelCalls, Request, Schema, Strict, Tool, ToolChoice, ToolMode


class Streams(enum.Enum):
    """Whether the answer is to be streamed."""

    YES = "yes"
    NO = "no"


_MODES: Mapping[ToolMode, str] = {ToolMode.AUTO: "auto", ToolMode.NONE: "none", ToolMode.ANY: "required"}

_BUDGETS: Mapping[str, int] = {"none": 0, "minimal": 512, "low": 2_048, "medium": 8_192, "high": 24_576}
"""Tokens of thinking that an effort is worth, where the client has named a number."""

_HINTS: Mapping[str, str] = {
    "n": "ask once for each answer",
    "functions": "send `tools`",
    "function_call": "send `tool_choice`",
}


def body(request: Request, model: Model, streams: Streams) -> bytes:
    """The body. A stream is always asked for its usage, on which all accounting rests.

    Raises:
        GatewayError: UNSUPPORTED that names the parameter.
    """
    known = lookup.rules(model)
    document: dict[str, object] = {"model": model.upstream, "messages": turns.encode(request.turns, known)}
    if request.max_output_tokens is not None:
        document[known.limit] = request.max_output_tokens
    effort = _effort(request, known)
    if effort is not None:
        document["reasoning_effort"] = effort
    document.update(_sampling(request, known, effort))
    document.update(_tooling(request, known))
    if request.answer_schema is not None:
        if not known.answer_schema:
            raise unsupported(known, "response_format", "it holds to no schema")
        document["response_format"] = _format(request.answer_schema)
    if request.service_tier is not None:
        document["service_tier"] = request.service_tier
    document.update(_others(request, known))
    if streams is Streams.YES:
        document["stream"] = True
        document["stream_options"] = {"include_usage": True}
    return msgspec.json.encode(document)


def _sampling(request: Request, known: Rules, effort: str | None) -> dict[str, object]:
    """Temperature, top_p and stop. 1 is what every model does unasked, so it gives way where it is not taken."""
    sampled: dict[str, object] = {}
    refused = known.sampling is Sampling.NONE and not (known.sampled_unreasoned and effort in {None, "none"})
    for param, value in (("temperature", request.temperature), ("top_p", request.top_p)):
        if value is None or (refused and value == 1):
            continue
        if refused:
            hint = "only with `reasoning_effort` none" if known.sampled_unreasoned else ""
            raise unsupported(known, param, hint)
        sampled[param] = value
    stop = [sequence for sequence in request.stop if sequence]
    if stop:
        if known.stop_sequences is not None and len(stop) > known.stop_sequences:
            raise unsupported(known, "stop", f"at most {known.stop_sequences}" if known.stop_sequences else "")
        sampled["stop"] = stop
    return sampled


def _effort(request: Request, known: Rules) -> str | None:
    """The client's own number of thinking tokens goes before an effort: the nearest that the model has."""
    if request.thinking_tokens is not None:
        return _nearest(request.thinking_tokens, known)
    effort = request.effort
    if effort is None or known.efforts is None or effort in known.efforts:
        return effort
    if effort == "none" and not known.efforts:
        return None
    if effort == "minimal" and "low" in known.efforts:
        return "low"
    hint = f"it takes {', '.join(known.efforts)}" if known.efforts else ""
    raise unsupported(known, "reasoning_effort", hint)


def _nearest(tokens: int, known: Rules) -> str | None:
    efforts = ("low", "medium", "high") if known.efforts is None else known.efforts
    if not efforts:
        if tokens == 0:
            return None
        raise unsupported(known, "reasoning_effort", "it does not reason")
    # Efforts above high have no number: whoever wants them has to name them.
    numbered = [
        (abs(_BUDGETS[effort] - tokens), at)
        for at, effort in enumerate(efforts)
        # Who wants little thinking still wants some.
        if effort in _BUDGETS and not (tokens and effort == "none")
    ]
    return efforts[min(numbered)[1]]


def _tooling(request: Request, known: Rules) -> dict[str, object]:
    if not request.tools:
        return {}
    if not known.tools:
        raise unsupported(known, "tools")
    choice = request.tool_choice
    offered = request.tools
    tooling: dict[str, object] = {}
    if choice is not None:
        narrowed = choice.names and choice.mode in {ToolMode.AUTO, ToolMode.ANY}
        if narrowed and not known.allowed_tools:
            offered = tuple(tool for tool in offered if tool.name in choice.names)
            choice = ToolChoice(mode=choice.mode)
        tooling["tool_choice"] = _choice(choice)
    tooling["tools"] = [_tool(tool) for tool in offered]
    if request.parallel_calls is ParallelCalls.FORBIDDEN:
        if not known.parallel_tool_calls:
            raise unsupported(known, "parallel_tool_calls")
        tooling["parallel_tool_calls"] = False
    return tooling


def _tool(tool: Tool) -> dict[str, object]:
    function: dict[str, object] = {"name": names.tool_name(tool.name)}
    if tool.description:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    if tool.strict is Strict.YES:
        function["strict"] = True
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice) -> object:
    named = [{"type": "function", "function": {"name": names.tool_name(name)}} for name in choice.names]
    if choice.mode is ToolMode.NAMED:
        return named[0]
    mode = _MODES[choice.mode]
    if named and choice.mode is not ToolMode.NONE:
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": named}}
    return mode


def _format(schema: Schema) -> dict[str, object]:
    described: dict[str, object] = {"name": schema.name, "schema": schema.schema, "strict": True}
    if schema.description:
        described["description"] = schema.description
    return {"type": "json_schema", "json_schema": described}


def _others(request: Request, known: Rules) -> dict[str, object]:
    """Metadata belongs to an answer that is stored: OpenAI refuses it with any other, which nobody will look for."""
    sent: dict[str, object] = {}
    for name, raw in request.others.items():
        if name not in known.others:
            raise unsupported(known, name, _HINTS.get(name, ""))
        sent[name] = raw
    if request.metadata and "store" in sent:
        sent["metadata"] = request.metadata
    return sent
