"""What a chat or embeddings request may hold, as tables, and the refusals that follow.

https://platform.openai.com/docs/api-reference/chat/create; what Azure's reasoning models refuse:
https://learn.microsoft.com/azure/ai-services/openai/how-to/reasoning.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.simulators.models import Kind, OpenAIModel
from tests.simulators.openai_chat.errors import BadRequest

_MAX_TOOLS: Final = 128
_MAX_INPUTS: Final = 2048
_TOOL_NAME: Final = re.compile(r"\A[a-zA-Z0-9_-]{1,64}\Z")
_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")

Rule = Callable[[Any], str | None]
"""What is wrong with a value, or None."""


def _number(low: float, high: float) -> Rule:
    def rule(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"expected a number, but got {_kind(value)} instead."
        if not low <= value <= high:
            side = f"above the minimum value: {low}" if value < low else f"below the maximum value: {high}"
            return f"expected a value {side}, but got {value} instead."
        return None

    return rule


def _integer(low: int, high: int) -> Rule:
    bounded = _number(low, high)

    def rule(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return f"expected an integer, but got {_kind(value)} instead."
        return bounded(value)

    return rule


def _of(*types: type) -> Rule:
    wanted = " or ".join(_NAMES[t] for t in types)

    def rule(value: Any) -> str | None:
        return None if isinstance(value, types) else f"expected {wanted}, but got {_kind(value)} instead."

    return rule


def _one_of(*values: str) -> Rule:
    def rule(value: Any) -> str | None:
        allowed = ", ".join(f"'{value}'" for value in values)
        return None if value in values else f"Supported values are: {allowed}."

    return rule


_NAMES: Final[Mapping[type, str]] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
}


def _kind(value: Any) -> str:
    return "null" if value is None else _NAMES.get(type(value), "something else")


_CHAT: Final[Mapping[str, Rule]] = {
    "model": _of(str),
    "messages": _of(list),
    "audio": _of(dict),
    "frequency_penalty": _number(-2, 2),
    "function_call": _of(str, dict),
    "functions": _of(list),
    "logit_bias": _of(dict),
    "logprobs": _of(bool),
    "max_completion_tokens": _integer(1, 10_000_000),
    "max_tokens": _integer(1, 10_000_000),
    "metadata": _of(dict),
    "modalities": _of(list),
    "n": _integer(1, 128),
    "parallel_tool_calls": _of(bool),
    "prediction": _of(dict),
    "presence_penalty": _number(-2, 2),
    "prompt_cache_key": _of(str),
    "prompt_cache_retention": _of(str),
    "reasoning_effort": _one_of("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    "response_format": _of(dict),
    "safety_identifier": _of(str),
    "seed": _integer(-(2**63), 2**63 - 1),
    "service_tier": _one_of("auto", "default", "flex", "priority", "scale"),
    "stop": _of(str, list),
    "store": _of(bool),
    "stream": _of(bool),
    "stream_options": _of(dict),
    "temperature": _number(0, 2),
    "tool_choice": _of(str, dict),
    "tools": _of(list),
    "top_logprobs": _integer(0, 20),
    "top_p": _number(0, 1),
    "user": _of(str),
    "verbosity": _one_of("low", "medium", "high"),
    "web_search_options": _of(dict),
}
AZURE_EXTRAS: Final = frozenset({"data_sources", "user_security_context"})
_NOT_NULL: Final = frozenset({"model", "messages"})
_REASONING_FIXED: Final[Mapping[str, Any]] = {
    "temperature": 1,
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
}
_REASONING_UNSUPPORTED: Final = ("logprobs", "top_logprobs", "logit_bias")
_COMPLETIONS: Final[Mapping[str, Rule]] = {
    "model": _of(str),
    "prompt": _of(str, list),
    "best_of": _integer(1, 20),
    "echo": _of(bool),
    "frequency_penalty": _number(-2, 2),
    "logit_bias": _of(dict),
    "logprobs": _integer(0, 5),
    "max_tokens": _integer(0, 10_000_000),
    "n": _integer(1, 128),
    "presence_penalty": _number(-2, 2),
    "seed": _integer(-(2**63), 2**63 - 1),
    "stop": _of(str, list),
    "stream": _of(bool),
    "stream_options": _of(dict),
    "suffix": _of(str),
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "user": _of(str),
}
_EMBEDDINGS: Final[Mapping[str, Rule]] = {
    "model": _of(str),
    "input": _of(str, list),
    "dimensions": _integer(1, 1_000_000),
    "encoding_format": _one_of("float", "base64"),
    "user": _of(str),
}
_RERANK: Final[Mapping[str, Rule]] = {
    "model": _of(str),
    "query": _of(str),
    "documents": _of(list),
    "top_n": _integer(1, 1_000_000),
    "return_documents": _of(bool),
    "max_tokens_per_doc": _integer(1, 1_000_000),
}


def chat(body: Any, *, model: OpenAIModel, extras: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The body, if it is a right chat request for this model. Raises BadRequest."""
    checked = _table(body, _CHAT, extras)
    for name in ("messages",):
        if name not in checked:
            raise BadRequest(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    if model.kind is Kind.EMBEDDING:
        raise BadRequest(
            "The chatCompletion operation does not work with the specified model, "
            f"{model.reported}. Please choose different model and try again.",
            code="OperationNotSupported",
        )
    if checked.get("stream_options") is not None and not checked.get("stream"):
        raise BadRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    _sampling(checked, model)
    _tools(checked)
    _response_format(checked)
    _messages(checked["messages"], reasoning=model.kind is Kind.REASONING)
    return checked


def completions(body: Any, *, model: OpenAIModel) -> dict[str, Any]:
    """The body, if it is a right legacy completion request for this model. Raises BadRequest."""
    checked = _table(body, _COMPLETIONS, frozenset())
    prompt = checked.get("prompt")
    if isinstance(prompt, list) and (not prompt or not _inputs_agree(prompt)):
        raise BadRequest("'$.prompt' is invalid. Please check the API reference.", param="prompt")
    if checked.get("stream_options") is not None and not checked.get("stream"):
        raise BadRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    n, best_of = checked.get("n") or 1, checked.get("best_of")
    if best_of is not None and best_of < n:
        raise BadRequest(
            f"You requested that the server return more choices than it will generate (best_of must be "
            f"greater than or equal to n): n={n}, best_of={best_of}.",
            param="best_of",
        )
    if best_of is not None and best_of > 1 and checked.get("stream"):
        raise BadRequest("You cannot stream results with best_of > n.", param="best_of")
    if checked.get("suffix") is not None:
        raise BadRequest("Unrecognized request argument supplied: suffix")
    asked = checked.get("max_tokens")
    if asked is not None and asked > model.max_output_tokens:
        raise BadRequest(f"max_tokens is too large: {asked}.", param="max_tokens", code="invalid_value")
    return checked


def embeddings(body: Any, *, model: OpenAIModel) -> dict[str, Any]:
    """The body, if it is a right embeddings request for this model. Raises BadRequest."""
    checked = _table(body, _EMBEDDINGS, frozenset())
    if model.kind is not Kind.EMBEDDING:
        raise BadRequest(
            f"The embeddings operation does not work with the specified model, {model.reported}. "
            "Please choose different model and try again.",
            code="OperationNotSupported",
        )
    inputs = checked.get("input")
    if inputs is None:
        raise BadRequest("Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
    wanted = checked.get("dimensions")
    if wanted is not None and not model.shortens:
        raise BadRequest("This model does not support specifying dimensions.", param="dimensions")
    if wanted is not None and wanted > model.dimensions:
        raise BadRequest(
            f"Invalid value for 'dimensions' = {wanted}. Must be less than or equal to {model.dimensions}.",
            param="dimensions",
        )
    if not inputs or (isinstance(inputs, list) and (len(inputs) > _MAX_INPUTS or not _inputs_agree(inputs))):
        raise BadRequest("'$.input' is invalid. Please check the API reference.", param="input")
    return checked


def rerank(body: Any, *, model: OpenAIModel) -> dict[str, Any]:
    """The body, if it is a right rerank request for this model. Raises BadRequest."""
    checked = _table(body, _RERANK, frozenset())
    if model.kind is not Kind.RERANK:
        raise BadRequest(f"The model {model.reported} does not support reranking.", code="OperationNotSupported")
    for name in ("query", "documents"):
        if not checked.get(name):
            raise BadRequest(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    for document in checked["documents"]:
        if not isinstance(document, str) and not (isinstance(document, dict) and isinstance(document.get("text"), str)):
            raise BadRequest("A document is a string, or an object with a text.", param="documents")
    return checked


def _inputs_agree(inputs: list[Any]) -> bool:
    """All strings (none empty), all token ids, or all non-empty lists of token ids."""
    if all(isinstance(item, str) and item for item in inputs):
        return True
    if all(isinstance(item, int) for item in inputs):
        return True
    return all(isinstance(item, list) and item and all(isinstance(token, int) for token in item) for item in inputs)


def _table(body: Any, table: Mapping[str, Rule], extras: frozenset[str]) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise BadRequest("We could not parse the JSON body of your request. The API expects a JSON object.")
    for name, value in body.items():
        rule = table.get(name)
        if rule is None:
            if name in extras:
                continue
            raise BadRequest(f"Unrecognized request argument supplied: {name}")
        if value is None and name not in _NOT_NULL:
            continue
        wrong = rule(value)
        if wrong is not None:
            raise BadRequest(f"Invalid value for '{name}': {wrong}", param=name, code="invalid_value")
    return body


def _sampling(body: Mapping[str, Any], model: OpenAIModel) -> None:
    asked = body.get("max_completion_tokens") or body.get("max_tokens")
    if model.kind is Kind.REASONING:
        _reasoning(body)
    elif body.get("reasoning_effort") is not None:
        raise BadRequest("Unrecognized request argument supplied: reasoning_effort")
    if asked is not None and asked > model.max_output_tokens:
        name = "max_completion_tokens" if body.get("max_completion_tokens") else "max_tokens"
        raise BadRequest(
            f"{name} is too large: {asked}. This model supports at most {model.max_output_tokens} completion tokens, "
            f"whereas you provided {asked}.",
            param=name,
            code="invalid_value",
        )
    if body.get("top_logprobs") and not body.get("logprobs"):
        raise BadRequest("'top_logprobs' is only allowed when 'logprobs' is enabled.", param="top_logprobs")
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > 4:
        raise BadRequest("Invalid 'stop': array too long. Expected an array with maximum length 4.", param="stop")


def _reasoning(body: Mapping[str, Any]) -> None:
    if body.get("max_tokens") is not None:
        raise BadRequest(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        )
    for name in _REASONING_UNSUPPORTED:
        if body.get(name):
            raise BadRequest(
                f"Unsupported parameter: '{name}' is not supported with this model.",
                param=name,
                code="unsupported_parameter",
            )
    if body.get("parallel_tool_calls") is not None:
        raise BadRequest(
            "Unsupported parameter: 'parallel_tool_calls' is not supported with this model.",
            param="parallel_tool_calls",
            code="unsupported_parameter",
        )
    for name, only in _REASONING_FIXED.items():
        value = body.get(name)
        if value is not None and value != only:
            raise BadRequest(
                f"Unsupported value: '{name}' does not support {value} with this model. "
                f"Only the default ({only}) value is supported.",
                param=name,
                code="unsupported_value",
            )


def _tools(body: Mapping[str, Any]) -> None:
    tools = body.get("tools")
    if tools is not None and not tools:
        raise BadRequest("Invalid 'tools': empty array. Expected an array with minimum length 1.", param="tools")
    if tools is not None and len(tools) > _MAX_TOOLS:
        raise BadRequest(f"Invalid 'tools': array too long. Expected maximum length {_MAX_TOOLS}.", param="tools")
    names = []
    for position, tool in enumerate(tools or ()):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or tool.get("type") != "function":
            raise BadRequest(f"Missing required parameter: 'tools[{position}].function'.", param=f"tools[{position}]")
        if not isinstance(function.get("name"), str) or not _TOOL_NAME.match(function["name"]):
            raise BadRequest(
                f"Invalid 'tools[{position}].function.name': string does not match pattern. Expected a string that "
                "matches the pattern '^[a-zA-Z0-9_-]+$'.",
                param=f"tools[{position}].function.name",
                code="invalid_value",
            )
        names.append(function["name"])
    choice = body.get("tool_choice")
    if choice is not None and tools is None:
        raise BadRequest("'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
    if isinstance(choice, str) and choice not in ("none", "auto", "required"):
        raise BadRequest(f"Invalid value: '{choice}'.", param="tool_choice", code="invalid_value")
    if isinstance(choice, dict) and choice.get("type") == "function":
        name = choice.get("function", {}).get("name")
        if name not in names:
            raise BadRequest(
                f"Invalid value for 'tool_choice': no function named '{name}' was specified in the 'tools' parameter."
            )
    if body.get("parallel_tool_calls") is not None and tools is None:
        raise BadRequest(
            "'parallel_tool_calls' is only allowed when 'tools' are specified.", param="parallel_tool_calls"
        )


def _response_format(body: Mapping[str, Any]) -> None:
    wanted = body.get("response_format")
    if wanted is None:
        return
    kind = wanted.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise BadRequest(
            f"Invalid value: '{kind}'. Supported values are: 'json_object', 'json_schema', and 'text'.",
            param="response_format.type",
            code="invalid_value",
        )
    if kind == "json_schema" and not isinstance(wanted.get("json_schema"), dict):
        raise BadRequest(
            "Missing required parameter: 'response_format.json_schema'.", param="response_format.json_schema"
        )
    if kind == "json_object" and "json" not in str(body["messages"]).lower():
        raise BadRequest(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            param="messages",
        )


def _messages(messages: list[Any], *, reasoning: bool) -> None:
    if not messages:
        raise BadRequest(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            param="messages",
            code="empty_array",
        )
    open_calls: list[str] = []
    roles = set()
    for position, message in enumerate(messages):
        where = f"messages[{position}]"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            role = message.get("role") if isinstance(message, dict) else None
            raise BadRequest(
                f"Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', "
                "and 'developer'.",
                param=f"{where}.role",
                code="invalid_value",
            )
        role = message["role"]
        roles.add(role)
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise BadRequest(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    param=f"{where}.role",
                )
            open_calls.remove(message["tool_call_id"])
        elif open_calls:
            raise _unanswered(open_calls)
        _content(message, where)
        open_calls += [call["id"] for call in message.get("tool_calls") or ()]
    if open_calls:
        raise _unanswered(open_calls)
    if reasoning and {"system", "developer"} <= roles:
        raise BadRequest("Invalid messages: 'system' and 'developer' must not be used together.", param="messages")


def _unanswered(open_calls: list[str]) -> BadRequest:
    return BadRequest(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {', '.join(open_calls)}",
        param="messages",
    )


def _content(message: Mapping[str, Any], where: str) -> None:
    content = message.get("content")
    if content is None:
        if message["role"] == "assistant" and (message.get("tool_calls") or message.get("function_call")):
            return
        raise BadRequest(
            f"Invalid value for 'content': expected a string, got null. ({where}.content)",
            param=f"{where}.content",
        )
    if isinstance(content, str):
        return
    if not isinstance(content, list) or not content:
        raise BadRequest(f"Invalid type for '{where}.content'.", param=f"{where}.content", code="invalid_type")
    for position, part in enumerate(content):
        _part(part, f"{where}.content[{position}]", role=message["role"])


def _part(part: Any, where: str, *, role: str) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in ("text", "image_url", "input_audio", "file", "refusal"):
        raise BadRequest(f"Invalid value: '{kind}'. ({where}.type)", param=f"{where}.type", code="invalid_value")
    if kind == "text" and not isinstance(part.get("text"), str):
        raise BadRequest(f"Missing required parameter: '{where}.text'.", param=f"{where}.text")
    if kind != "image_url":
        return
    if role != "user":
        raise BadRequest(f"Image URLs are only allowed for messages with role 'user'. ({where})", param=where)
    url = part.get("image_url", {}).get("url") if isinstance(part.get("image_url"), dict) else None
    if not isinstance(url, str) or not url.startswith(("https://", "http://", "data:image/")):
        raise BadRequest(f"Invalid image URL. ({where})", param=where, code="invalid_image_url")
    if url.startswith("data:"):
        header, _, encoded = url.partition(",")
        try:
            base64.b64decode(encoded, validate=True)
        except binascii.Error as exc:
            raise BadRequest("Invalid base64 image_url.", param=where, code="invalid_base64") from exc
        if not header.endswith(";base64"):
            raise BadRequest("Invalid image data URL.", param=where, code="invalid_image_url")
