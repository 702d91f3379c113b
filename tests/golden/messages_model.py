"""Anthropic's own description of Messages, as its SDK carries it: what it does not know, nobody may send or answer."""

from typing import Any

from anthropic.types import Message, MessageCreateParams, RawMessageStreamEvent
from pydantic import TypeAdapter, ValidationError

SAMPLING = frozenset({"temperature", "top_p", "top_k"})
"""What the version 2023-06-01 of the API takes besides; the SDK describes the version 2026-10-21."""

_params: TypeAdapter[Any] = TypeAdapter(MessageCreateParams)
_event: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def problems_of_request(body: dict[str, Any]) -> str:
    """Everything in a body that the SDK's types have no place for; empty if there is nothing."""
    sent = {name: value for name, value in body.items() if name not in SAMPLING}
    try:
        known = _listed(_params.validate_python(sent))
    except ValidationError as error:
        return str(error)
    return "" if known == sent else f"a member that the SDK does not know: of {sent} it takes {known}"


def problems_of_reply(body: dict[str, Any]) -> str:
    """What breaks the SDK's types in an answer."""
    return _problems(TypeAdapter(Message), body)


def problems_of_event(event: dict[str, Any]) -> str:
    """The same of an event of a stream."""
    return _problems(_event, event)


def _listed(value: Any) -> Any:
    """pydantic checks what is iterable only as it is read, and leaves out unknown members further down."""
    if isinstance(value, dict):
        return {name: _listed(member) for name, member in value.items()}
    if isinstance(value, str | int | float | None):
        return value
    return [_listed(element) for element in value]


def _problems(adapter: TypeAdapter[Any], value: dict[str, Any]) -> str:
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        return str(error)
    return ""
