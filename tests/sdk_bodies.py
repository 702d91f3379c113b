"""The OpenAI SDK's own types of request bodies: what they do not have, OpenAI's servers do not take."""

from collections.abc import Iterable
from typing import Any

import pydantic
from openai.types.chat.completion_create_params import CompletionCreateParams as ChatParams

COMPATIBLE = frozenset({"reasoning_content", "thinking_blocks", "top_k"})
"""Members that compatible servers have beyond OpenAI's own."""

_CHAT: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(ChatParams)


def chat_body(body: dict[str, Any]) -> None:
    """Raises for a chat body that breaks the types or holds a member that they do not have."""
    known = _without(body, COMPATIBLE)
    read = _exhausted(_CHAT.validate_python(known))
    assert read == known, "a member that the SDK does not know"


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without(member, names) for name, member in value.items() if name not in names}
    return [_without(element, names) for element in value] if isinstance(value, list) else value


def _exhausted(value: Any) -> Any:
    """Iterables are checked while they are read, not before."""
    if isinstance(value, dict):
        return {name: _exhausted(member) for name, member in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_exhausted(element) for element in value]
    return value
