"""The frames of InvokeModelWithResponseStream to neutral events.

    chunk{bytes: base64 of one JSON document of the family} · … · chunk with amazon-bedrock-invocationMetrics

Only the family's stop reason proves that the answer is whole; the token counts come with it or behind it.
"""

import base64

import msgspec

from pilothouse_proxy import errors
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke import counting, reading, wire
from pilothouse_proxy.dialects.bedrock_invoke.said import CallPiece, Counts, Family, Said
from pilothouse_proxy.dialects.bedrock_invoke.thoughts import Splitter
from pilothouse_proxy.errors import Failure, Kind
from pilothouse_proxy.exchange import events
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.framing import eventstream, exceptions
from pilothouse_proxy.http.messages import Headers

_chunk = msgspec.json.Decoder(wire.Chunk)


class _Open:
    """A tool call that is being written; `index` counts the calls."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.empty = True


class Decoder:
    """One stream."""

    def __init__(self, family: Family, request: Request, call: Call, headers: Headers) -> None:
        self._family = family
        self._request = request
        self._call = call
        self._request_id = errors.visible_id(
            next((value for key, value in headers if key == b"x-amzn-requestid"), None)
        )
        self._frames = eventstream.Decoder()
        self._splitter = Splitter(family.thoughts) if family.thoughts is not None else None
        self._trims = reading.trims(family, request)
        self._calls: dict[int, _Open] = {}
        self._shown = 0
        self._counts: Counts | None = None
        self._billed: Counts | None = None
        self._started = False
        self._stopped = False
        self._over = False

    def feed(self, received: bytes) -> list[events.Event]:
        """The events that are whole now; nothing after Settled or Failed."""
        told: list[events.Event] = []
        if self._over:
            return told
        for message in self._frames.feed(received):
            try:
                self._read(message, told)
            except (ValueError, RecursionError) as error:
                self._fail(told, Failure(kind=Kind.STREAM_BROKEN, message=f"an event is not as promised: {error}"))
            if self._over:
                return told
        if self._frames.broken is not None:
            self._fail(told, Failure(kind=Kind.STREAM_BROKEN, message=str(self._frames.broken)))
        return told

    def end(self) -> list[events.Event]:
        """Without a stop reason the stream was cut; without metrics the model's own counts are what is known."""
        told: list[events.Event] = []
        if self._over:
            return told
        if self._stopped:
            self._settle(told)
            return told
        self._frames.end()
        broken = self._frames.broken
        reason = str(broken) if broken else "the provider's stream ended before it was complete (no stop reason)"
        self._fail(told, Failure(kind=Kind.STREAM_BROKEN, message=reason))
        return told

    def _read(self, message: eventstream.Message, told: list[events.Event]) -> None:
        headers = message.headers
        kind = headers.get(":message-type")
        if kind == "event":
            name = headers.get(":event-type")
            if name == "chunk":
                self._document(base64.b64decode(_chunk.decode(message.payload).bytes), told)
            else:
                told.append(events.Unknown(f"event.{str(name)[:64]}"))
        elif kind == "exception":
            name = str(headers.get(":exception-type", ""))
            self._fail(told, exceptions.from_exception(name, message.payload, request_id=self._request_id))
        else:
            code, text = str(headers.get(":error-code", "")), str(headers.get(":error-message", ""))
            self._fail(told, exceptions.from_error_frame(code, text, request_id=self._request_id))

    def _document(self, document: bytes, told: list[events.Event]) -> None:
        said = self._family.document(document)
        if not self._started:
            self._started = True
            told.append(events.Started())
        told += [events.Unknown(name) for name in said.unknown]
        self._counts = counting.together(self._counts, said.counts)
        if not self._stopped:
            self._tell(said, told)
        if self._over:
            return
        self._billed = counting.of_document(document) or self._billed
        if self._billed is not None and self._stopped:
            self._settle(told)

    def _tell(self, said: Said, told: list[events.Event]) -> None:
        if self._splitter is not None:
            thinking, text = self._splitter.feed(said.text)
            self._tell_words(said.thinking + thinking, text, told)
        else:
            self._tell_words(said.thinking, said.text, told)
        for piece in said.calls:
            self._tell_call(piece, told)
        if said.reason is not None:
            self._stop(said, said.reason, told)

    def _tell_words(self, thinking: str, text: str, told: list[events.Event]) -> None:
        if self._trims:
            text = text.lstrip()
            self._trims = not text
        self._shown += len(thinking) + len(text)
        if thinking:
            told.append(events.ThinkingDelta(thinking))
        if text:
            told.append(events.TextDelta(text))

    def _tell_call(self, piece: CallPiece, told: list[events.Event]) -> None:
        opened = self._calls.get(piece.index)
        if opened is None:
            if not piece.name:
                return  # of a call that has not begun: nobody could run it
            opened = self._calls[piece.index] = _Open(len(self._calls))
            identity = piece.id or reading.made_id(self._request, opened.index, piece.name)
            told.append(events.ToolCallStarted(opened.index, identity, piece.name))
        if piece.arguments:
            opened.empty = False
            self._shown += len(piece.arguments)
            told.append(events.ToolCallDelta(opened.index, piece.arguments))

    def _stop(self, said: Said, reason: str, told: list[events.Event]) -> None:
        if reason in self._family.failures:
            message = f"the model has failed to answer ({reason})"
            self._fail(told, Failure(kind=Kind.PROVIDER_ERROR, message=message, code=reason))
            return
        if self._splitter is not None:
            thinking, text = self._splitter.end()
            self._tell_words(thinking, text, told)
        for opened in self._calls.values():
            if opened.empty:
                told.append(events.ToolCallDelta(opened.index, "{}"))
        unknown: list[str] = []
        finish = reading.finish_of(self._family, reason, unknown, calls=len(self._calls))
        told += [events.Unknown(name) for name in unknown]
        self._stopped = True
        told.append(events.Finished(finish, said.stop_sequence))

    def _settle(self, told: list[events.Event]) -> None:
        self._over = True
        usage = counting.completed(self._call, self._billed, counting.told(self._counts), self._shown)
        told.append(events.Settled(usage))

    def _fail(self, told: list[events.Event], failure: Failure) -> None:
        self._over = True
        told.append(events.Failed(failure))
