"""The events of a streamed response to neutral ones. The last one has the whole response; the rest of it was told."""

from collections.abc import Callable, Mapping

import msgspec

from pilothouse_proxy.dialects.openai_responses import answer, errors, filters, reasoning, views
from pilothouse_proxy.errors import Failure, Kind
from pilothouse_proxy.exchange import events
from pilothouse_proxy.framing import sse

_piece = msgspec.json.Decoder(views.Piece)
_settled = msgspec.json.Decoder(views.Settled)
_failed = msgspec.json.Decoder(views.Failed)

_TOLD_OTHERWISE = frozenset(
    {
        "response.queued", "response.in_progress", "response.content_part.added", "response.content_part.done",
        "response.output_text.done", "response.refusal.done", "response.reasoning_summary_part.done",
        "response.reasoning_summary_text.done", "response.reasoning_text.done", "keepalive",
    }
)  # fmt: skip
"""Events that say nothing which others do not."""
_KINDS = frozenset({"message", "function_call", "reasoning"})


class _Open:
    """A function call whose arguments are coming."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.empty = True


class Decoder:
    """One stream."""

    def __init__(self) -> None:
        self._events = sse.Decoder()
        self._calls: dict[int, _Open] = {}
        """By the item's place in the output."""
        self._called = 0
        self._refusals: list[str] = []
        self._shown_bytes = 0
        self._over = False

    def feed(self, received: bytes) -> list[events.Event]:
        """The events that are whole now; nothing after Settled or Failed."""
        told: list[events.Event] = []
        if self._over:
            return told
        for event in self._events.feed(received):
            if event.data:
                self._read(event, told)
            if self._over:
                return told
        if self._events.broken is not None:
            self._fail(told, Failure(kind=Kind.STREAM_BROKEN, message=str(self._events.broken)))
        return told

    def end(self) -> list[events.Event]:
        """A stream that has not said how it ended is broken."""
        told: list[events.Event] = []
        if not self._over:
            message = "the provider's stream ended before it was complete (no response.completed)"
            self._fail(told, Failure(kind=Kind.STREAM_BROKEN, message=message))
        return told

    def _read(self, event: sse.Event, told: list[events.Event]) -> None:
        try:
            name = event.name.decode() or errors.name_of(event.data)
            read = _READERS.get(name)
            if read is not None:
                read(self, event.data, told)
            elif name not in _TOLD_OTHERWISE:
                told.append(events.Unknown(f"event.{name.removeprefix('response.')[:64]}"))
        except (ValueError, RecursionError) as error:
            self._fail(told, Failure(kind=Kind.STREAM_BROKEN, message=f"an event is not as promised: {error}"))

    def _created(self, _: bytes, told: list[events.Event]) -> None:
        told.append(events.Started())

    def _item_added(self, data: bytes, told: list[events.Event]) -> None:
        event = _piece.decode(data)
        item = event.item
        if item is None:
            return
        if item.type == "function_call":
            self._calls[event.output_index] = _Open(self._called)
            told.append(events.ToolCallStarted(self._called, item.call_id, item.name))
            self._called += 1
        elif item.type not in _KINDS:
            told.append(events.Unknown(f"output.{item.type[:64]}"))

    def _item_done(self, data: bytes, told: list[events.Event]) -> None:
        event = _piece.decode(data)
        item = event.item
        if item is None:
            return
        if item.type == "function_call":
            self._end_call(event.output_index, item.arguments, told)
        elif item.type == "reasoning" and item.encrypted_content:
            told.append(events.ThinkingEnded(reasoning.hidden(item, item.encrypted_content)))

    def _text_grew(self, data: bytes, told: list[events.Event]) -> None:
        piece = _piece.decode(data).delta
        if piece:
            self._shown_bytes += len(piece)
            told.append(events.TextDelta(piece))

    def _refusal_grew(self, data: bytes, told: list[events.Event]) -> None:
        """It is told when it is whole, with the end."""
        piece = _piece.decode(data).delta
        self._shown_bytes += len(piece)
        self._refusals.append(piece)

    def _thought_grew(self, data: bytes, told: list[events.Event]) -> None:
        piece = _piece.decode(data).delta
        if piece:
            told.append(events.ThinkingDelta(piece))

    def _summary_part_added(self, data: bytes, told: list[events.Event]) -> None:
        if _piece.decode(data).summary_index:
            told.append(events.ThinkingDelta("\n\n"))

    def _call_grew(self, data: bytes, told: list[events.Event]) -> None:
        event = _piece.decode(data)
        call = self._calls.get(event.output_index)
        if call is not None and event.delta:
            call.empty = False
            self._shown_bytes += len(event.delta)
            told.append(events.ToolCallDelta(call.index, event.delta))

    def _call_done(self, data: bytes, told: list[events.Event]) -> None:
        event = _piece.decode(data)
        self._end_call(event.output_index, event.arguments, told)

    def _end_call(self, output_index: int, arguments: str, told: list[events.Event]) -> None:
        """Arguments that did not come in pieces come now."""
        call = self._calls.pop(output_index, None)
        if call is not None and call.empty:
            told.append(events.ToolCallDelta(call.index, arguments or "{}"))

    def _annotated(self, _: bytes, told: list[events.Event]) -> None:
        told.append(events.Unknown("citation"))

    def _settle(self, data: bytes, told: list[events.Event]) -> None:
        response = _settled.decode(data).response
        unknown: list[str] = []
        refusal = "".join(self._refusals)
        finish = answer.finish_of(response, unknown, called=self._called > 0, refused=bool(refusal))
        told += [events.Unknown(name) for name in unknown]
        findings = filters.decode(response.content_filters)
        if findings:
            told.append(events.Judged(findings))
        told.append(events.Finished(finish, refusal=refusal or None))
        told.append(events.Settled(answer.usage_of(response, self._shown_bytes), response.service_tier))
        self._over = True

    def _response_failed(self, data: bytes, told: list[events.Event]) -> None:
        self._fail(told, errors.failure(_settled.decode(data).response.error))

    def _error(self, data: bytes, told: list[events.Event]) -> None:
        self._fail(told, errors.from_event(_failed.decode(data)))

    def _fail(self, told: list[events.Event], failure: Failure) -> None:
        self._over = True
        told.append(events.Failed(failure))


_READERS: Mapping[str, Callable[[Decoder, bytes, list[events.Event]], None]] = {
    "response.created": Decoder._created,
    "response.output_item.added": Decoder._item_added,
    "response.output_item.done": Decoder._item_done,
    "response.output_text.delta": Decoder._text_grew,
    "response.refusal.delta": Decoder._refusal_grew,
    "response.reasoning_summary_part.added": Decoder._summary_part_added,
    "response.reasoning_summary_text.delta": Decoder._thought_grew,
    "response.reasoning_text.delta": Decoder._thought_grew,
    "response.function_call_arguments.delta": Decoder._call_grew,
    "response.function_call_arguments.done": Decoder._call_done,
    "response.output_text.annotation.added": Decoder._annotated,
    "response.completed": Decoder._settle,
    "response.incomplete": Decoder._settle,
    "response.failed": Decoder._response_failed,
    "error": Decoder._error,
}
