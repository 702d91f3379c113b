"""OpenAI's Responses held to the types of its SDK, which construct leniently unless they are told to validate."""

from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from pilothouse_proxy.framing import sse

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
_EXTRA = {"store", "content_filters"}
"""What the service sends and the SDK's type has no member for."""
_EXTRA_OF_EVENTS = {"response.function_call_arguments.done": {"name"}}


def response(document: bytes | dict[str, Any]) -> Response:
    """Raises ValidationError or AssertionError."""
    validate = Response.model_validate_json if isinstance(document, bytes) else Response.model_validate
    found: Response = validate(document)  # type: ignore[arg-type]
    assert set(found.model_extra or {}) <= _EXTRA
    return found


def events(stream: bytes) -> list[Any]:
    """All of a stream, in order: numbered from 0, each named as its `type`, without [DONE]."""
    decoder = sse.Decoder()
    told = []
    for raw in [*decoder.feed(stream), *decoder.end()]:
        if not raw.data:
            continue
        event = _EVENT.validate_json(raw.data)
        assert raw.name.decode() == event.type
        assert event.sequence_number == len(told)
        assert set(event.model_extra or {}) <= _EXTRA_OF_EVENTS.get(event.type, set())
        told.append(event)
    return told


def in_order(told: list[Any]) -> None:
    """Raises AssertionError unless items come one after the other, each with its own events between its two ends."""
    assert [event.type for event in told[:2]] == ["response.created", "response.in_progress"]
    open_item: str | None = None
    count = 0
    for event in told[2:]:
        if event.type == "response.output_item.added":
            assert open_item is None
            assert event.output_index == count
            open_item = event.item.id
        elif event.type == "response.output_item.done":
            assert (event.output_index, event.item.id) == (count, open_item)
            open_item, count = None, count + 1
        elif hasattr(event, "output_index"):
            assert (event.output_index, event.item_id) == (count, open_item)
