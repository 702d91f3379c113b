"""A neutral request to the body of a response that is not stored."""

import re
from collections.abc import Mapping

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_responses import history, schemas
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.request import ParallelCalls, Request, Strict, Tool, ToolChoice, ToolMode

LEAST_OUTPUT = 16
"""Responses refuse a smaller `max_output_tokens`."""

_REASONS = re.compile(r"(^|[^a-z0-9])(o[1-9]|gpt-?[5-9](?![0-9.]*-chat)|gpt-oss)|codex|deep-research", re.IGNORECASE)
_NO_ARGUMENTS = msgspec.Raw(b'{"type":"object","properties":{}}')
_MODES = {ToolMode.AUTO: "auto", ToolMode.NONE: "none", ToolMode.ANY: "required"}
_BUDGETS = ((2_048, "low"), (8_192, "medium"))
"""Up to so many tokens of thinking are this effort; more are `high`."""

_ABOUT_THE_CALLER = ("prompt_cache_key", "safety_identifier", "user")
"""By the same names in chat completions."""

_HINTS: Mapping[str, str] = {
    "n": "ask once for each answer",
    "functions": "send `tools`",
    "function_call": "send `tool_choice`",
    "store": "answers are not stored",
    "stop": "cut the answer yourself",
    "temperature": "only with `reasoning_effort` none",
    "top_p": "only with `reasoning_effort` none",
    "logprobs": "it tells no probabilities of tokens",
    "top_logprobs": "it tells no probabilities of tokens",
}


def body(request: Request, call: Call) -> bytes:
    """The body.

    Raises:
        GatewayError: UNSUPPORTED or INVALID_REQUEST that names the parameter as chat completions does.
    """
    reasons = reasons_of(call.model)
    document: dict[str, object] = {
        "model": call.model.upstream,
        "input": history.items(request.turns),
        "store": False,
    }
    if call.streams:
        document["stream"] = True
    if reasons:
        # Models that do not reason refuse it.
        document["include"] = ["reasoning.encrypted_content"]
    effort = _effort(request)
    if effort is not None:
        document["reasoning"] = {"effort": effort}
    _add_limits(request, reasons=reasons, document=document)
    if request.tools:
        document["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice is not None:
            document["tool_choice"] = _choice(request.tool_choice)
        if request.parallel_calls is ParallelCalls.FORBIDDEN:
            document["parallel_tool_calls"] = False
    _add_others(request, document)
    if request.service_tier is not None:
        document["service_tier"] = request.service_tier
    if request.metadata:
        document["metadata"] = request.metadata
    for name in _ABOUT_THE_CALLER:
        if bytes(call.peek.members.get(name, b"null")) != b"null":
            document[name] = call.peek.members[name]
    return msgspec.json.encode(document)


def reasons_of(model: Model) -> bool:
    """Whether the model reasons: its reasoning is asked for then, encrypted, so that it can be sent back."""
    return _REASONS.search(model.family or model.upstream) is not None


def _effort(request: Request) -> str | None:
    allowance = request.thinking_tokens
    if allowance is None:
        return request.effort
    return next((effort for most, effort in _BUDGETS if allowance <= most), "high")


def _add_limits(request: Request, *, reasons: bool, document: dict[str, object]) -> None:
    limit = request.max_output_tokens
    if limit is not None:
        if limit < LEAST_OUTPUT:
            message = f"`max_completion_tokens` must be at least {LEAST_OUTPUT} with this model"
            raise GatewayError(Kind.INVALID_REQUEST, message, param="max_completion_tokens")
        document["max_output_tokens"] = limit
    for name, value in (("temperature", request.temperature), ("top_p", request.top_p)):
        # 1 is what every model does unasked; while they reason, models refuse to be told.
        if value is None or (reasons and value == 1):
            continue
        if reasons and request.effort != "none":
            raise _unsupported(name)
        document[name] = value
    if any(request.stop):
        raise _unsupported("stop")


def _add_others(request: Request, document: dict[str, object]) -> None:
    """What chat completions has by other names, and what neither has."""
    text: dict[str, object] = {}
    schema = request.answer_schema
    if schema is not None:
        text["format"] = {
            "type": "json_schema",
            "name": schema.name,
            **({"description": schema.description} if schema.description else {}),
            "schema": schema.schema,
            "strict": schemas.is_closed(schema.schema),
        }
    for name, raw in request.others.items():
        if name == "response_format":
            text["format"] = {"type": "json_object"}
        elif name == "verbosity":
            text["verbosity"] = raw
        elif name == "prompt_cache_retention":
            document[name] = raw
        else:
            raise _unsupported(name)
    if text:
        document["text"] = text


def _tool(tool: Tool) -> dict[str, object]:
    made: dict[str, object] = {"type": "function", "name": tool.name}
    if tool.description:
        made["description"] = tool.description
    made["parameters"] = _NO_ARGUMENTS if tool.schema is None else tool.schema
    # Absent would mean yes.
    made["strict"] = tool.strict is not Strict.NO
    return made


def _choice(choice: ToolChoice) -> object:
    if choice.mode is ToolMode.NAMED:
        return {"type": "function", "name": choice.names[0]}
    if choice.names:
        tools = [{"type": "function", "name": name} for name in choice.names]
        return {"type": "allowed_tools", "mode": _MODES[choice.mode], "tools": tools}
    return _MODES[choice.mode]


def _unsupported(param: str) -> GatewayError:
    message = f"`{param}` is not supported by this model's Responses API"
    hint = _HINTS.get(param)
    return GatewayError(Kind.UNSUPPORTED, f"{message}: {hint}" if hint else message, param=param)
