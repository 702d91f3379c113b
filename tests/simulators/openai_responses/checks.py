"""What a request may hold, and the refusals that follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.simulators.models import Kind, OpenAIModel
from tests.simulators.openai_chat.checks import Rule, _integer, _number, _of, _one_of, _table
from tests.simulators.openai_chat.errors import BadRequest
from tests.simulators.openai_responses import encryption

_REQUEST: Final[Mapping[str, Rule]] = {
    "model": _of(str),
    "input": _of(str, list),
    "background": _of(bool),
    "conversation": _of(str, dict),
    "include": _of(list),
    "instructions": _of(str),
    "max_output_tokens": _integer(16, 10_000_000),
    "max_tool_calls": _integer(1, 10_000),
    "metadata": _of(dict),
    "parallel_tool_calls": _of(bool),
    "previous_response_id": _of(str),
    "prompt": _of(dict),
    "prompt_cache_key": _of(str),
    "prompt_cache_retention": _of(str),
    "reasoning": _of(dict),
    "safety_identifier": _of(str),
    "service_tier": _one_of("auto", "default", "flex", "priority", "scale"),
    "store": _of(bool),
    "stream": _of(bool),
    "stream_options": _of(dict),
    "temperature": _number(0, 2),
    "text": _of(dict),
    "tool_choice": _of(str, dict),
    "tools": _of(list),
    "top_logprobs": _integer(0, 20),
    "top_p": _number(0, 1),
    "truncation": _one_of("auto", "disabled"),
    "user": _of(str),
}
_ITEMS: Final = ("message", "function_call", "function_call_output", "reasoning", "item_reference")
_PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "assistant": ("output_text", "refusal"),
    "user": ("input_text", "input_image", "input_file"),
    "system": ("input_text",),
    "developer": ("input_text",),
}
_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def responses(body: Any, *, model: OpenAIModel) -> dict[str, Any]:
    """The body, if it is a right request for this model. Raises BadRequest."""
    checked = _table(body, _REQUEST, frozenset())
    if "input" not in checked and "previous_response_id" not in checked:
        raise _missing("input")
    if model.kind is Kind.EMBEDDING:
        raise BadRequest(f"The requested operation is unsupported by {model.reported}.", code="OperationNotSupported")
    if checked.get("background") and checked.get("store") is False:
        raise BadRequest("Background mode requires `store` to be true.", param="background")
    _sampling(checked, model)
    _tools(checked)
    given = checked.get("input")
    for position, item in enumerate(given if isinstance(given, list) else ()):
        _item(item, f"input[{position}]", model)
    return checked


def _missing(param: str) -> BadRequest:
    return BadRequest(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def _unsupported(param: str) -> BadRequest:
    message = f"Unsupported parameter: '{param}' is not supported with this model."
    return BadRequest(message, param=param, code="unsupported_parameter")


def _sampling(body: Mapping[str, Any], model: OpenAIModel) -> None:
    reasons = model.kind is Kind.REASONING
    reasoning = body.get("reasoning") or {}
    effort = reasoning.get("effort")
    if effort is not None and not reasons:
        raise _unsupported("reasoning.effort")
    if effort is not None and effort not in _EFFORTS:
        raise BadRequest(f"Invalid value: '{effort}'.", param="reasoning.effort", code="invalid_value")
    if "reasoning.encrypted_content" in (body.get("include") or ()) and not reasons:
        raise BadRequest("Encrypted content is not supported with this model.", param="include")
    for name in ("temperature", "top_p"):
        if reasons and body.get(name) is not None:
            raise _unsupported(name)
    limit = body.get("max_output_tokens")
    if limit is not None and limit > model.max_output_tokens:
        raise BadRequest(
            f"max_output_tokens is too large: {limit}. This model supports at most {model.max_output_tokens}.",
            param="max_output_tokens",
            code="invalid_value",
        )


def _tools(body: Mapping[str, Any]) -> None:
    names = []
    for position, tool in enumerate(body.get("tools") or ()):
        where = f"tools[{position}]"
        if tool.get("type") == "web_search":
            continue
        if tool.get("type") != "function":
            raise BadRequest(f"Invalid value: '{tool.get('type')}'.", param=f"{where}.type", code="invalid_value")
        if "function" in tool or not isinstance(tool.get("name"), str):
            raise _missing(f"{where}.name")
        # A function is held to its schema unless it says otherwise; only one that asks for it can break that.
        schema = tool.get("parameters")
        if tool.get("strict") is True and not (isinstance(schema, dict) and _closed(schema)):
            raise BadRequest(
                f"Invalid schema for function '{tool['name']}': In context=(), 'additionalProperties' is required to "
                "be supplied and to be false.",
                param=f"{where}.parameters",
                code="invalid_function_parameters",
            )
        names.append(tool["name"])
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "function" and choice.get("name") not in names:
        raise BadRequest(f"Tool choice '{choice.get('name')}' not found in 'tools' parameter.", param="tool_choice")


def _closed(schema: Mapping[str, Any]) -> bool:
    required = set(schema.get("required", ()))
    return schema.get("additionalProperties") is False and required == set(schema.get("properties", {}))


def _item(item: Any, where: str, model: OpenAIModel) -> None:
    kind = item.get("type", "message") if isinstance(item, dict) else None
    if kind not in _ITEMS:
        raise BadRequest(f"Invalid value: '{kind}'.", param=f"{where}.type", code="invalid_value")
    if kind == "message":
        _message(item, where)
    elif kind == "reasoning":
        _reasoning(item, where, model)
    for name in ("call_id", "name", "arguments") if kind == "function_call" else ():
        if not isinstance(item.get(name), str):
            raise _missing(f"{where}.{name}")
    if kind == "function_call_output" and not isinstance(item.get("output"), str | list):
        raise _missing(f"{where}.output")


def _message(item: Mapping[str, Any], where: str) -> None:
    known = _PARTS.get(item.get("role", ""))
    if known is None:
        raise BadRequest(f"Invalid value: '{item.get('role')}'.", param=f"{where}.role", code="invalid_value")
    content = item.get("content")
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise _missing(f"{where}.content")
    for position, part in enumerate(content):
        if part.get("type") not in known:
            supported = ", ".join(f"'{name}'" for name in known)
            raise BadRequest(
                f"Invalid value: '{part.get('type')}'. Supported values are: {supported}.",
                param=f"{where}.content[{position}].type",
                code="invalid_value",
            )


def _reasoning(item: Mapping[str, Any], where: str, model: OpenAIModel) -> None:
    if not isinstance(item.get("summary"), list):
        raise _missing(f"{where}.summary")
    encrypted = item.get("encrypted_content")
    if encrypted is None:
        raise BadRequest(
            f"Item with id '{item.get('id')}' not found. Items are not persisted when `store` is set to false. Try "
            "again with `store` set to true, or remove this item from your input.",
            param="input",
        )
    if not encryption.verified(item, model=model.id):
        raise BadRequest(
            f"The encrypted content for item {item.get('id')} could not be verified. Reason: Encrypted content could "
            "not be decrypted or parsed.",
            code="invalid_encrypted_content",
        )


def unanswered(items: list[Mapping[str, Any]]) -> None:
    """Each call has its output and each output its call. Raises BadRequest."""
    calls = {item["call_id"] for item in items if item.get("type") == "function_call"}
    outputs = {item["call_id"] for item in items if item.get("type") == "function_call_output"}
    for call_id in sorted(calls - outputs):
        raise BadRequest(f"No tool output found for function call {call_id}.", param="input")
    for call_id in sorted(outputs - calls):
        raise BadRequest(f"No tool call found for function call output with call_id {call_id}.", param="input")
