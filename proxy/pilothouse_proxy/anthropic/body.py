"""A neutral request to the body of Messages, for each place that takes it."""

import enum
from collections.abc import Mapping

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.anthropic import capabilities, reasoning, refusal, tools, turns
from pilothouse_proxy.exchange.capabilities import Capabilities, Sampling
from pilothouse_proxy.exchange.parts import RemoteImage, ToolResult
from pilothouse_proxy.exchange.request import Request

INVOKE_VERSION = "bedrock-2023-05-31"
"""The one version of Messages that InvokeModel takes, and demands."""

MODEST_OUTPUT = 8_192
"""max_tokens, which must be sent, where nobody has named a limit."""

_TIERS = {"default": "standard_only", "standard_only": "standard_only"}
"""OpenAI's name and Anthropic's for what costs the usual price; unasked, Anthropic takes what there is (`auto`)."""

_HINTS: Mapping[str, str] = {
    "n": "ask once for each answer",
    "functions": "send `tools`",
    "function_call": "send `tool_choice`",
    "response_format": "send a schema (`json_schema`) to a model that takes one, or ask for JSON in the prompt",
    "store": "answers are not stored",
}


class Surface(enum.Enum):
    """Where the body goes."""

    MESSAGES = "messages"
    """Anthropic's API, and what speaks it."""
    INVOKE = "invoke"
    """Bedrock's InvokeModel: the model is in the path, whether to stream too."""


class Delivery(enum.Enum):
    """How the answer is to come."""

    WHOLE = "whole"
    STREAM = "stream"


def encode(request: Request, model: Model, surface: Surface, delivery: Delivery) -> bytes:
    """The body.

    Raises:
        GatewayError: UNSUPPORTED or INVALID_REQUEST that names the parameter.
    """
    caps = capabilities.of(model)
    limit = model.max_output_tokens if request.max_output_tokens is None else request.max_output_tokens
    reasons = reasoning.ask(request, caps, limit)
    tooling = tools.ask(request, caps, tools.Thinks.YES if reasons.active else tools.Thinks.NO)
    system, messages = turns.encode(request.turns, caps, tooling.rendering, tooling.tools or ())
    document = _address(request, model, caps, surface, delivery)
    document["max_tokens"] = _modest(caps, reasons) if limit is None else limit
    if system:
        document["system"] = system
    if tooling.tools is not None:
        document["tools"] = tooling.tools
    if tooling.choice is not None:
        document["tool_choice"] = tooling.choice
    document["messages"] = messages
    if reasons.thinking is not None:
        document["thinking"] = reasons.thinking
    output = _output(request, caps, reasons)
    if output:
        document["output_config"] = output
    document.update(_sampling(request, caps))
    stop = _stop(request, caps)
    if stop:
        document["stop_sequences"] = stop
    document.update(_extras(request, caps))
    if request.metadata:
        document["metadata"] = _metadata(request.metadata, caps)
    return msgspec.json.encode(document)


def _address(
    request: Request, model: Model, caps: Capabilities, surface: Surface, delivery: Delivery
) -> dict[str, object]:
    """What differs between the places."""
    tier = request.service_tier
    if surface is Surface.INVOKE:
        if tier not in {None, *_TIERS}:
            raise refusal.unsupported(caps, "service_tier")
        _refuse_remote_images(request, caps)
        return {"anthropic_version": INVOKE_VERSION}
    document: dict[str, object] = {"model": model.upstream}
    if delivery is Delivery.STREAM:
        document["stream"] = True
    if tier is not None:
        if tier not in _TIERS:
            raise refusal.unsupported(caps, "service_tier", "it takes default")
        document["service_tier"] = _TIERS[tier]
    return document


def _refuse_remote_images(request: Request, caps: Capabilities) -> None:
    """Bedrock fetches nothing."""
    for turn in request.turns:
        for index, part in enumerate(turn.parts):
            inside = part.content if isinstance(part, ToolResult) else (part,)
            if any(isinstance(each, RemoteImage) for each in inside):
                param = f"messages[{turn.at}].content[{index}].image_url.url"
                raise refusal.unsupported(caps, param, "images are not fetched for the model; send a data URL")


def _modest(caps: Capabilities, reasons: reasoning.Asked) -> int:
    """The limit where nobody has named one. Thinking counts towards it: an answer must still fit beside that."""
    modest = MODEST_OUTPUT + reasons.room
    return modest if caps.output_ceiling is None else min(modest, caps.output_ceiling)


def _output(request: Request, caps: Capabilities, reasons: reasoning.Asked) -> dict[str, object]:
    output: dict[str, object] = {}
    if reasons.effort is not None:
        output["effort"] = reasons.effort
    schema = request.answer_schema
    if schema is not None:
        if not caps.answer_schema:
            raise refusal.unsupported(caps, "response_format", "it has no structured output")
        output["format"] = {"type": "json_schema", "schema": schema.schema}
    return output


def _sampling(request: Request, caps: Capabilities) -> dict[str, object]:
    """Temperature and top_p. 1 is what every model does unasked, so it gives way where it is not taken."""
    asked = {"temperature": request.temperature, "top_p": request.top_p}
    told = {param: value for param, value in asked.items() if value is not None}
    for param, value in told.items():
        if not 0 <= value <= 1:
            raise refusal.invalid(param, f"`{param}` must be between 0 and 1 for Claude models")
        if caps.sampling is Sampling.NONE and value != 1:
            raise refusal.unsupported(caps, param)
    if caps.sampling is Sampling.NONE:
        return {}
    if caps.sampling is Sampling.ONE and len(told) == len(asked):
        told = {param: value for param, value in told.items() if value != 1} or {"temperature": 1}
        if len(told) == len(asked):
            raise refusal.unsupported(caps, "top_p", "not together with `temperature`")
    return dict(told)


def _stop(request: Request, caps: Capabilities) -> list[str]:
    stop = [sequence for sequence in request.stop if sequence]
    if any(not sequence.strip() for sequence in stop):
        raise refusal.unsupported(caps, "stop", "a sequence of blanks alone is refused")
    return stop


def _extras(request: Request, caps: Capabilities) -> dict[str, object]:
    names = dict(caps.extras)
    fields: dict[str, object] = {}
    for name, raw in request.others.items():
        if name not in names:
            raise refusal.unsupported(caps, name, _HINTS.get(name, ""))
        fields[names[name]] = raw
    return fields


def _metadata(metadata: Mapping[str, str], caps: Capabilities) -> Mapping[str, str]:
    for key in metadata:
        if key != "user_id":
            raise refusal.unsupported(caps, f"metadata.{key}", "it takes user_id alone")
    return metadata
