"""A neutral request to the body of Converse and ConverseStream (the same for both)."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_api.snapshot.settings import PLAIN, Settings
from pilothouse_proxy.call import Call
from pilothouse_proxy.capabilities import bedrock as capabilities
from pilothouse_proxy.dialects.bedrock_converse import guarding, media, reasoning, refusal, structured, tools, turns
from pilothouse_proxy.exchange.capabilities import Capabilities, Sampling
from pilothouse_proxy.exchange.request import Request

MODEST_OUTPUT: Final = 8_192
"""maxTokens where nobody has named one: without it Bedrock sets the model's maximum aside from the token quota."""

UNKNOWN_OUTPUT: Final = 4_096
"""The same for a model whose ceiling is not known; asking for more than the ceiling is refused."""

STOP_SEQUENCE: Final = "/stop_sequence"
"""Where Anthropic's models name the sequence that they have stopped at."""

_TIERS: Final = frozenset({"default", "flex", "priority"})
_METADATA: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}")
_METADATA_PAIRS: Final = 16

_HINTS: Final[Mapping[str, str]] = {
    "n": "ask once for each answer",
    "functions": "send `tools`",
    "function_call": "send `tool_choice`",
    "response_format": "send a schema (`json_schema`) to a model that takes one, or ask for JSON in the prompt",
    "store": "answers are not stored",
}

# A member of an enum is looked up anew at each use.
_NEITHER: Final = Sampling.NONE
_ONE: Final = Sampling.ONE


def body(request: Request, call: Call) -> bytes:
    """The body; the model is in the path. What the model cannot stream is not asked for as a stream: `call.streams`.

    Raises:
        GatewayError: UNSUPPORTED or INVALID_REQUEST that names the parameter.
    """
    model = call.model
    caps, settings = capabilities.of(model), model.settings or PLAIN
    limit = model.max_output_tokens if request.max_output_tokens is None else request.max_output_tokens
    reasons = reasoning.ask(request, caps, limit)
    thinks = tools.Thinks.YES if reasons.active else tools.Thinks.NO
    tooling = structured.offered(request, caps, tools.ask(request, caps, thinks), thinks)
    if not caps.streaming or (tooling.config is not None and not caps.stream_tools):
        call.streams = False
    asked = _prompt(request, caps, tooling, reasons)
    document: dict[str, object] = {name: asked.pop(name) for name in ("messages", "system") if name in asked}
    inference = _inference(request, caps, limit, reasons)
    if inference:
        document["inferenceConfig"] = inference
    document.update(asked)
    paths = [*reasons.response_paths, *_stop_paths(request, caps)]
    if paths:
        document["additionalModelResponseFieldPaths"] = paths
    output = _output(request, caps, reasons)
    if output:
        document["outputConfig"] = output
    if request.metadata:
        document["requestMetadata"] = _metadata(request.metadata)
    document.update(_settings(request, caps, settings, call))
    return msgspec.json.encode(document)


def prompt(request: Request, model: Model) -> dict[str, object]:
    """What the model reads of a request: the members of Converse whose tokens can be counted.

    Raises:
        GatewayError: as `body`.
    """
    caps = capabilities.of(model)
    reasons = reasoning.ask(request, caps, request.max_output_tokens)
    thinks = tools.Thinks.YES if reasons.active else tools.Thinks.NO
    tooling = structured.offered(request, caps, tools.ask(request, caps, thinks), thinks)
    return _prompt(request, caps, tooling, reasons)


def _prompt(request: Request, caps: Capabilities, tooling: tools.Asked, reasons: reasoning.Asked) -> dict[str, object]:
    media.check(request.turns, caps)
    system, messages = turns.encode(request.turns, caps, tooling.rendering)
    turns.limit_cache_points(tooling.specs, system, messages)
    asked: dict[str, object] = {"messages": messages}
    if system:
        asked["system"] = system
    if tooling.config is not None:
        asked["toolConfig"] = tooling.config
    fields = {**_extras(request, caps), **tooling.fields, **reasons.fields}
    if fields:
        asked["additionalModelRequestFields"] = fields
    return asked


def _settings(request: Request, caps: Capabilities, settings: Settings, call: Call) -> dict[str, object]:
    """What the manifest has set, as far as the client does not say it itself."""
    if request.service_tier is not None and request.service_tier not in _TIERS:
        raise refusal.unsupported(caps, "service_tier", f"it takes {', '.join(sorted(_TIERS))}")
    tier = request.service_tier or settings.service_tier
    found: dict[str, object] = {} if tier is None else {"serviceTier": {"type": tier}}
    if settings.latency is not None:
        found["performanceConfig"] = {"latency": settings.latency}
    guardrail = settings.guardrail
    if guardrail is not None:
        found["guardrailConfig"] = guarding.stream_config(guardrail) if call.streams else guarding.config(guardrail)
    return found


def _inference(request: Request, caps: Capabilities, limit: int | None, reasons: reasoning.Asked) -> dict[str, object]:
    inference: dict[str, object] = {}
    if reasons.limits:
        inference["maxTokens"] = _modest(caps, reasons) if limit is None else limit
    if (request.max_output_tokens or caps.least_output) < caps.least_output:
        raise refusal.unsupported(caps, "max_completion_tokens", f"it must be at least {caps.least_output}")
    temperature, top_p = _sampling(request, caps)
    if temperature is not None:
        inference["temperature"] = temperature
    if top_p is not None:
        inference["topP"] = top_p
    stop = [sequence for sequence in request.stop if sequence]
    if stop:
        if len(stop) > caps.stop_sequences:
            raise refusal.unsupported(caps, "stop", f"at most {caps.stop_sequences}" if caps.stop_sequences else "")
        if any(not sequence.strip() for sequence in stop):
            raise refusal.unsupported(caps, "stop", "a sequence of blanks alone is refused")
        inference["stopSequences"] = stop
    return inference


def _stop_paths(request: Request, caps: Capabilities) -> list[str]:
    """Of several sequences, which one it was must be asked for."""
    several = len({sequence for sequence in request.stop if sequence}) > 1
    return [STOP_SEQUENCE] if several and caps.tells_stop else []


def _modest(caps: Capabilities, reasons: reasoning.Asked) -> int:
    """The limit where nobody has named one. Thinking counts towards it: an answer must still fit beside that."""
    if caps.output_ceiling is None:
        return UNKNOWN_OUTPUT
    return min(MODEST_OUTPUT + reasons.room, caps.output_ceiling)


def _sampling(request: Request, caps: Capabilities) -> tuple[float | None, float | None]:
    """Temperature and topP. 1 is what every model does unasked, so it gives way where it is not taken."""
    temperature, top_p, sampling = request.temperature, request.top_p, caps.sampling
    for param, value in (("temperature", temperature), ("top_p", top_p)):
        if value is None:
            continue
        if not 0 <= value <= 1:
            raise refusal.invalid(param, f"`{param}` must be between 0 and 1 for models on Amazon Bedrock")
        if sampling is _NEITHER and value != 1:
            raise refusal.unsupported(caps, param)
    if sampling is _NEITHER:
        return None, None
    if sampling is _ONE and temperature is not None and top_p is not None:
        if top_p == 1:
            return temperature, None
        if temperature == 1:
            return None, top_p
        raise refusal.unsupported(caps, "top_p", "not together with `temperature`")
    return temperature, top_p


def _extras(request: Request, caps: Capabilities) -> dict[str, object]:
    names = dict(caps.extras)
    fields: dict[str, object] = {}
    for name, raw in request.others.items():
        if name not in names:
            raise refusal.unsupported(caps, name, _HINTS.get(name, ""))
        fields[names[name]] = raw
    return fields


def _output(request: Request, caps: Capabilities, reasons: reasoning.Asked) -> dict[str, object]:
    output: dict[str, object] = {}
    schema = request.answer_schema
    if schema is not None and caps.answer_schema:
        described: dict[str, object] = {"schema": bytes(schema.schema).decode(), "name": schema.name}
        if schema.description.strip():
            described["description"] = schema.description
        output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": described}}
    if reasons.effort is not None:
        output["effort"] = reasons.effort
    return output


def _metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    if len(metadata) > _METADATA_PAIRS:
        raise refusal.invalid("metadata", f"`metadata` holds more than {_METADATA_PAIRS} pairs")
    for key, value in metadata.items():
        if not key or not _METADATA.fullmatch(key) or not _METADATA.fullmatch(value):
            raise refusal.invalid(
                f"metadata.{key}",
                "keys and values of `metadata` are at most 256 letters, digits, blanks or any of :_@$#=/+,-. here",
            )
    return metadata
