"""What Messages refuses: first what the SDK's types have no place for, then what its documentation forbids.

https://platform.claude.com/docs/en/api/messages and the guides on tool use, extended and adaptive thinking, prompt
caching, structured outputs, vision; "Migrating to 2026-10-21" for what the newer version of the API refuses.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from anthropic.types import MessageCountTokensParams, MessageCreateParams
from pydantic import TypeAdapter, ValidationError

from tests.simulators.anthropic import sealing
from tests.simulators.anthropic.errors import BadRequest
from tests.simulators.models import AnthropicModel, Reasoning, Sampling

VERSIONS: Final = ("2023-06-01", "2026-10-21")
_NEW: Final = "2026-10-21"
_SAMPLING: Final = ("temperature", "top_p", "top_k")
_NAME: Final = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
_ID: Final = re.compile(r"^[a-zA-Z0-9_-]+$")
_STARTS: Final = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}
_LEAST_BUDGET: Final = 1024

_create: Final[TypeAdapter[Any]] = TypeAdapter(MessageCreateParams)
_count: Final[TypeAdapter[Any]] = TypeAdapter(MessageCountTokensParams)


def message(body: Any, *, model: AnthropicModel, version: str) -> Mapping[str, Any]:
    """A request for an answer. Raises BadRequest."""
    checked = _typed(_create, body)
    if body["max_tokens"] > model.max_output_tokens:
        raise BadRequest(
            f"max_tokens: {body['max_tokens']} > {model.max_output_tokens}, which is the maximum allowed number of "
            f"output tokens for {model.id}"
        )
    if body["max_tokens"] < 1:
        raise BadRequest("max_tokens: Input should be greater than or equal to 1")
    _sampling(body, model, version)
    for at, sequence in enumerate(body.get("stop_sequences") or ()):
        if not sequence.strip():
            raise BadRequest(f"stop_sequences.{at}: each stop sequence must contain non-whitespace")
    _asked(checked, model, version)
    return checked


def count(body: Any, *, model: AnthropicModel, version: str) -> Mapping[str, Any]:
    """A request for a count. Raises BadRequest."""
    checked = _typed(_count, body)
    _asked(checked, model, version)
    return checked


def thinks(body: Mapping[str, Any], model: AnthropicModel) -> bool:
    """Whether the model reasons before it answers."""
    kind = (body.get("thinking") or {}).get("type")
    return kind in {"enabled", "adaptive"} or (model.thinks_unasked and kind != "disabled")


def _typed(adapter: TypeAdapter[Any], body: Any) -> Mapping[str, Any]:
    """The body with its contents as lists of blocks."""
    if not isinstance(body, dict):
        raise BadRequest("Input should be a valid dictionary")
    sent = {name: value for name, value in body.items() if name not in _SAMPLING}
    try:
        if _listed(adapter.validate_python(sent)) != sent:
            raise BadRequest(f"{_stranger(body)}: Extra inputs are not permitted")
    except ValidationError as problem:
        first = problem.errors()[0]
        path = [str(step) for step in first["loc"] if not re.search(r"[A-Z\[]", str(step))]
        raise BadRequest(f"{'.'.join(path) or 'body'}: {first['msg']}") from None
    return {
        **body,
        "system": _blocks(body.get("system") or ()),
        "messages": [{**turn, "content": _blocks(turn["content"])} for turn in body["messages"]],
    }


def _listed(value: Any) -> Any:
    """pydantic checks what is iterable only as it is read, and leaves out unknown members further down."""
    if isinstance(value, dict):
        return {name: _listed(member) for name, member in value.items()}
    return value if isinstance(value, str | int | float | None) else [_listed(element) for element in value]


def _stranger(body: Mapping[str, Any]) -> str:
    for at, turn in enumerate(body["messages"]):
        if set(turn) - {"role", "content"}:
            return f"messages.{at}"
    return "messages"


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else [dict(block) for block in content]


def _sampling(body: Mapping[str, Any], model: AnthropicModel, version: str) -> None:
    sent = [name for name in _SAMPLING if name in body]
    if sent and version == _NEW:
        raise BadRequest(f"{sent[0]}: Extra inputs are not permitted")
    if sent and model.sampling is Sampling.NONE:
        raise BadRequest(f"`{sent[0]}` is not supported by {model.id}.")
    if {"temperature", "top_p"} <= set(sent) and model.sampling is Sampling.ONE:
        raise BadRequest("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    for name in sent:
        value = body[name]
        if not isinstance(value, int | float) or value < 0 or (name != "top_k" and value > 1):
            raise BadRequest(f"{name}: range: 0..1")
    if thinks(body, model) and body.get("temperature", 1) != 1:
        raise BadRequest("`temperature` may only be set to 1 when thinking is enabled.")


def _asked(body: Mapping[str, Any], model: AnthropicModel, version: str) -> None:
    _thinking(body, model)
    _output(body, model)
    _tools(body, model)
    _turns(body, model, version)
    _marks(body)


def _thinking(body: Mapping[str, Any], model: AnthropicModel) -> None:
    thinking = body.get("thinking") or {}
    kind = thinking.get("type")
    if kind == "enabled":
        if model.reasoning is not Reasoning.BUDGET:
            raise BadRequest(f"thinking.type: `enabled` is not supported by {model.id}.")
        if thinking["budget_tokens"] < _LEAST_BUDGET:
            raise BadRequest("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if thinking["budget_tokens"] >= body.get("max_tokens", 1 << 30):
            raise BadRequest("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if kind == "adaptive" and model.reasoning is not Reasoning.ADAPTIVE:
        raise BadRequest(f"thinking.type: `adaptive` is not supported by {model.id}.")
    if kind == "disabled" and model.always_thinks:
        raise BadRequest(f"thinking.type: `disabled` is not supported by {model.id}.")


def _output(body: Mapping[str, Any], model: AnthropicModel) -> None:
    output = body.get("output_config") or {}
    effort = output.get("effort")
    if effort is not None and effort not in model.efforts:
        raise BadRequest(f"output_config.effort: `{effort}` is not supported by {model.id}.")
    if output.get("format") is not None:
        if not model.structured:
            raise BadRequest(f"output_config.format: structured outputs are not supported by {model.id}.")
        for path, schema in _objects(output["format"]["schema"], "output_config.format.schema"):
            if schema.get("additionalProperties") is not False:
                raise BadRequest(f"{path}: For 'object' type, 'additionalProperties' must be explicitly set to false")


def _objects(schema: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield path, schema
        for name, member in schema.items():
            yield from _objects(member, f"{path}.{name}")


def _tools(body: Mapping[str, Any], model: AnthropicModel) -> None:
    names: list[str] = []
    for at, tool in enumerate(body.get("tools") or ()):
        if tool.get("type", "custom") != "custom":
            raise BadRequest(f"tools.{at}: server tools are not simulated")
        if not _NAME.match(tool["name"]):
            raise BadRequest(f"tools.{at}.custom.name: String should match pattern '{_NAME.pattern}'")
        if tool["input_schema"].get("type") != "object":
            raise BadRequest(f"tools.{at}.custom.input_schema.type: Field required")
        if tool.get("strict") and not model.structured:
            raise BadRequest(f"tools.{at}.custom.strict: not supported by {model.id}.")
        if tool["name"] in names:
            raise BadRequest("tools: Tool names must be unique.")
        names.append(tool["name"])
    _choice(body, model, names)


def _choice(body: Mapping[str, Any], model: AnthropicModel, names: Sequence[str]) -> None:
    choice = body.get("tool_choice")
    if choice is None:
        return
    if not names:
        raise BadRequest("tool_choice: may only be specified while providing `tools`.")
    if choice["type"] in {"any", "tool"}:
        if not model.forced_tools:
            raise BadRequest(f"tool_choice: forced tool use is not supported by {model.id}.")
        if (body.get("thinking") or {}).get("type") == "enabled":
            raise BadRequest("Thinking may not be enabled when tool_choice forces tool use.")
    if choice["type"] == "tool" and choice["name"] not in names:
        raise BadRequest(f"Tool '{choice['name']}' not found in provided tools")


def _turns(body: Mapping[str, Any], model: AnthropicModel, version: str) -> None:
    turns = body["messages"]
    if not turns:
        raise BadRequest("messages: at least one message is required")
    if turns[0]["role"] != "user":
        raise BadRequest('messages: first message must use the "user" role')
    if turns[-1]["role"] == "assistant":
        if not model.prefill or thinks(body, model):
            raise BadRequest(
                "This model does not support assistant message prefill. The conversation must end with a user message."
            )
        if turns[-1]["content"] and str(turns[-1]["content"][-1].get("text", "")).endswith((" ", "\n")):
            raise BadRequest("messages: final assistant content cannot end with trailing whitespace")
    for at, turn in enumerate(turns):
        if turn["role"] == "system" and not model.mid_system:
            raise BadRequest(f"messages.{at}.role: role 'system' is not supported by {model.id}.")
        if not turn["content"] and at < len(turns) - 1:
            raise BadRequest(
                f"messages.{at}: all messages must have non-empty content except for the optional final "
                "assistant message"
            )
        for index, block in enumerate(turn["content"]):
            _block(block, turn["role"], f"messages.{at}.content.{index}", version)
    _pairs(body, turns)
    _opened(body, turns)


def _block(block: Mapping[str, Any], role: str, path: str, version: str) -> None:
    kind = block["type"]
    if kind == "text":
        if not block["text"]:
            raise BadRequest("messages: text content blocks must be non-empty")
        if not block["text"].strip():
            raise BadRequest("messages: text content blocks must contain non-whitespace text")
        if version == _NEW and role == "user" and block.get("citations"):
            raise BadRequest(f"{path}.citations: Extra inputs are not permitted")
    elif kind == "image":
        _image(block["source"], path)
    elif kind == "document" and version == _NEW and role == "assistant":
        raise BadRequest(f"{path}: `document` blocks are not permitted in assistant messages")
    elif kind == "thinking" and not sealing.is_signed(block["thinking"], block["signature"]):
        raise BadRequest(f"{path}: Invalid `signature` in `thinking` block")
    elif kind == "redacted_thinking" and not sealing.is_redacted(block["data"]):
        raise BadRequest(f"{path}: Invalid `data` in `redacted_thinking` block")
    elif kind == "tool_use" and not (_ID.match(block["id"]) and _NAME.match(block["name"])):
        raise BadRequest(f"{path}.tool_use: String should match pattern '{_ID.pattern}'")
    elif kind == "tool_result" and isinstance(block.get("content"), list):
        for index, inner in enumerate(block["content"]):
            _block(inner, role, f"{path}.content.{index}", version)


def _image(source: Mapping[str, Any], path: str) -> None:
    if source["type"] == "url":
        if not source["url"].startswith(("https://", "http://")):
            raise BadRequest(f"{path}.image.source.url: Only HTTPS URLs are supported.")
    elif source["type"] == "base64":
        try:
            content = base64.b64decode(source["data"], validate=True)
        except (binascii.Error, ValueError):
            raise BadRequest(f"{path}.image.source.base64: invalid base64 data") from None
        if not content.startswith(_STARTS[source["media_type"]]):
            raise BadRequest(
                f"{path}.image.source.base64.data: Image does not match the provided media type {source['media_type']}"
            )


def _pairs(body: Mapping[str, Any], turns: Sequence[Mapping[str, Any]]) -> None:
    """Each call is answered at the head of the very next turn, and nothing else is."""
    asked: list[str] = []
    for at, turn in enumerate(turns):
        blocks = turn["content"]
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if results and [block["type"] for block in blocks[: len(results)]] != ["tool_result"] * len(results):
            raise BadRequest(f"messages.{at}: `tool_result` blocks must come first in the content")
        missing = [call for call in asked if call not in results]
        if missing:
            raise BadRequest(
                f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        for call in results:
            if call not in asked:
                raise BadRequest(f"messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {call}.")
        asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if (asked or results) and not body.get("tools"):
            raise BadRequest("Requests which include `tool_use` or `tool_result` blocks must define tools")
    if asked:
        raise BadRequest(f"messages: `tool_use` ids were found without `tool_result` blocks: {', '.join(asked)}")


def _opened(body: Mapping[str, Any], turns: Sequence[Mapping[str, Any]]) -> None:
    """With a budget of thinking, a turn whose calls are being answered opens with its thinking."""
    if (body.get("thinking") or {}).get("type") != "enabled" or len(turns) < 2:
        return
    calling, last = turns[-2], turns[-1]
    if any(block["type"] == "tool_result" for block in last["content"]):
        first = calling["content"][0]["type"]
        if first not in {"thinking", "redacted_thinking"}:
            raise BadRequest(
                f"messages.{len(turns) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
                f"`{first}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block."
            )


def _marks(body: Mapping[str, Any]) -> None:
    marks = [block["cache_control"] for block in parts(body) if block.get("cache_control")]
    if len(marks) > 4:
        raise BadRequest(f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}.")
    longs = [mark.get("ttl") == "1h" for mark in marks]
    if longs != sorted(longs, reverse=True):
        raise BadRequest("cache_control: a ttl='1h' cache_control block must not come after a ttl='5m' one")


def parts(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Whatever may be marked, in the order in which the prompt is put together."""
    yield from body.get("tools") or ()
    yield from body["system"]
    for turn in body["messages"]:
        yield from turn["content"]
