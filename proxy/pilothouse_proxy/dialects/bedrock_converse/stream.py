"""The events of ConverseStream to neutral ones.

    messageStart · (contentBlockStart?) contentBlockDelta… contentBlockStop · … · messageStop · metadata

Only tool blocks have a start event. The index counts blocks, with gaps, not tools. Only messageStop proves that the
answer is whole; the token counts come after it.
"""

import binascii
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from pilothouse_proxy import errors
from pilothouse_proxy.call import Call
from pilothouse_proxy.capabilities import bedrock as capabilities
from pilothouse_proxy.dialects.bedrock_converse import decode, guarding, mould, names, structured, wire
from pilothouse_proxy.errors import Failure, Kind
from pilothouse_proxy.exchange import estimate, events
from pilothouse_proxy.exchange.parts import RedactedThinking, Thinking
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.framing import eventstream, exceptions
from pilothouse_proxy.http.messages import Headers

_start: Final = msgspec.json.Decoder(wire.ContentBlockStart)
_delta: Final = msgspec.json.Decoder(wire.ContentBlockDelta)
_stop: Final = msgspec.json.Decoder(wire.ContentBlockStop)
_message_stop: Final = msgspec.json.Decoder(wire.MessageStop)
_metadata: Final = msgspec.json.Decoder(wire.Metadata)


class _Block:
    """A content block that is open. `call` is the index of a tool call, None for reasoning and for what stands in."""

    def __init__(self, *, call: int | None = None, answer: bool = False) -> None:
        self.call = call
        self.empty = True
        """No piece of the call's arguments has come yet."""
        self.answer = answer
        """Its arguments are the answer."""
        self.text: list[str] = []
        self.signature: list[str] = []
        self.redacted: list[str] = []


class Decoder:
    """One stream."""

    def __init__(self, request: Request, call: Call, headers: Headers) -> None:
        self._request = request
        self._call = call
        self._caps = capabilities.of(call.model)
        self._originals = names.originals(request)
        self._stand_in = structured.stand_in(request, self._caps)
        self._answered = False
        self._held: list[str] = []
        """Text that comes out only if no answer that holds to the schema does."""
        self._request_id = errors.visible_id(
            next((value for key, value in headers if key == b"x-amzn-requestid"), None)
        )
        self._frames = eventstream.Decoder()
        self._headers: Mapping[str, eventstream.Value] = {}
        self._reader: Callable[[Decoder, bytes, list[events.Event]], None] | None = None
        """Of the message before, and what reads such a one."""
        self._mould = mould.Mould()
        self._blocks: dict[int, _Block] = {}
        self._calls = 0
        self._shown_bytes = 0
        self._reasoning_tokens = 0
        self._metadata: wire.Metadata | None = None
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
        """Without messageStop the stream was cut; without metadata only the token counts are missing."""
        told: list[events.Event] = []
        if self._over:
            return told
        if self._stopped:
            self._settle(told, self._estimated(), None)
            return told
        self._frames.end()
        broken = self._frames.broken
        reason = str(broken) if broken else "the provider's stream ended before it was complete (no messageStop)"
        self._fail(told, Failure(kind=Kind.STREAM_BROKEN, message=reason))
        return told

    def _read(self, message: eventstream.Message, told: list[events.Event]) -> None:
        headers = message.headers
        if headers is not self._headers:
            self._headers = headers
            name = headers.get(":event-type")
            self._reader = None
            if headers.get(":message-type") == "event" and isinstance(name, str):
                self._reader = _READERS.get(name)
        if self._reader is not None:
            self._reader(self, message.payload, told)
            return
        kind = headers.get(":message-type")
        if kind == "event":
            told.append(events.Unknown(f"event.{str(headers.get(':event-type'))[:64]}"))
        elif kind == "exception":
            name = str(headers.get(":exception-type", ""))
            self._fail(told, exceptions.from_exception(name, message.payload, request_id=self._request_id))
        else:
            code, text = str(headers.get(":error-code", "")), str(headers.get(":error-message", ""))
            self._fail(told, exceptions.from_error_frame(code, text, request_id=self._request_id))

    def _message_started(self, _: bytes, told: list[events.Event]) -> None:
        told.append(events.Started())

    def _block_started(self, payload: bytes, told: list[events.Event]) -> None:
        event = _start.decode(payload)
        call = event.start.toolUse
        if call is None or call.type == wire.SERVER_TOOL:
            told.append(events.Unknown("contentBlockStart" if call is None else "toolUse.server"))
            return
        if call.name == self._stand_in:
            self._answer_started(event.contentBlockIndex, told)
            return
        self._blocks[event.contentBlockIndex] = _Block(call=self._calls)
        name = self._originals.get(call.name, call.name)
        told.append(events.ToolCallStarted(self._calls, call.toolUseId, name))
        self._calls += 1

    def _answer_started(self, index: int, told: list[events.Event]) -> None:
        if self._answered:
            told.append(events.Unknown("toolUse.answer"))
            return
        self._answered = True
        self._blocks[index] = _Block(answer=True)
        if self._held:
            self._held = []
            told.append(events.Unknown("text.beside_answer"))

    def _text_grew(self, text: str, told: list[events.Event]) -> None:
        if self._stand_in is None:
            self._shown_bytes += len(text)
            told.append(events.TextDelta(text))
        elif not self._answered:
            self._held.append(text)

    def _block_grew(self, payload: bytes, told: list[events.Event]) -> None:
        text = self._mould.text(payload)
        if text:
            self._text_grew(text, told)
            return
        event = _delta.decode(payload)
        delta = event.delta
        if delta.text is not None:
            if delta.text:
                self._mould.learn(payload, delta.text)
                self._text_grew(delta.text, told)
        elif delta.toolUse is not None:
            self._call_grew(event.contentBlockIndex, delta.toolUse.input, told)
        elif delta.reasoningContent is not None:
            self._thought_grew(event.contentBlockIndex, delta.reasoningContent, told)
        else:
            told.append(events.Unknown("contentBlockDelta"))

    def _call_grew(self, index: int, piece: str, told: list[events.Event]) -> None:
        block = self._blocks.get(index)
        if block is None or not piece:
            return  # of a call that Bedrock runs itself
        if block.answer:
            told.append(events.TextDelta(piece))
        elif block.call is not None:
            told.append(events.ToolCallDelta(block.call, piece))
        else:
            return
        block.empty = False
        self._shown_bytes += len(piece)

    def _thought_grew(self, index: int, piece: wire.ReasoningDelta, told: list[events.Event]) -> None:
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = _Block()
        if piece.text:
            block.text.append(piece.text)
            self._shown_bytes += len(piece.text)
            told.append(events.ThinkingDelta(piece.text))
        if piece.signature:
            block.signature.append(piece.signature)
        if piece.redactedContent:
            block.redacted.append(piece.redactedContent)

    def _block_stopped(self, payload: bytes, told: list[events.Event]) -> None:
        self._close(_stop.decode(payload).contentBlockIndex, told)

    def _close(self, index: int, told: list[events.Event]) -> None:
        block = self._blocks.pop(index, None)
        if block is None:
            return
        if block.call is not None:
            if block.empty:
                told.append(events.ToolCallDelta(block.call, "{}"))
        elif block.answer:
            if block.empty:
                told.append(events.TextDelta("{}"))
        elif block.redacted:
            told.append(events.ThinkingEnded(RedactedThinking(base64=_joined(block.redacted))))
        elif block.signature:
            thinking = Thinking(text="".join(block.text), signature="".join(block.signature))
            told.append(events.ThinkingEnded(thinking))

    def _message_stopped(self, payload: bytes, told: list[events.Event]) -> None:
        event = _message_stop.decode(payload)
        if event.stopReason in wire.MALFORMED:
            message = f"the model's answer was malformed ({event.stopReason})"
            self._fail(told, Failure(kind=Kind.PROVIDER_ERROR, message=message, code=event.stopReason))
            return
        for index in list(self._blocks):
            self._close(index, told)
        if self._held:
            # The model has refused, or was cut short: better than nothing.
            told.append(events.TextDelta("".join(self._held)))
        unknown: list[str] = []
        finish = decode.finish_of(event.stopReason, unknown)
        told += [events.Unknown(name) for name in unknown]
        if finish is Finish.TOOL_CALLS and not self._calls:
            finish = Finish.STOP
        if event.additionalModelResponseFields is not None:
            self._reasoning_tokens = event.additionalModelResponseFields.reasoning_tokens
        self._stopped = True
        stopped_at = decode.stopped_at(event.stopReason, self._request, event.additionalModelResponseFields)
        told.append(events.Finished(finish, stopped_at))
        if self._metadata is not None:
            self._settle_by(self._metadata, told)

    def _metadata_came(self, payload: bytes, told: list[events.Event]) -> None:
        self._metadata = _metadata.decode(payload)
        if self._stopped:
            self._settle_by(self._metadata, told)

    def _settle_by(self, metadata: wire.Metadata, told: list[events.Event]) -> None:
        self._call.invoked = wire.invoked(metadata.trace)
        found = guarding.findings(metadata.trace)
        if found:
            told.append(events.Judged(found))
        usage = wire.tokens(metadata.usage, self._caps, self._reasoning_tokens)
        self._settle(told, usage, metadata.serviceTier.type if metadata.serviceTier else None)

    def _settle(self, told: list[events.Event], usage: Usage, tier: str | None) -> None:
        self._over = True
        told.append(events.Settled(usage, tier))

    def _fail(self, told: list[events.Event], failure: Failure) -> None:
        self._over = True
        told.append(events.Failed(failure))

    def _estimated(self) -> Usage:
        return Usage(
            input_tokens=estimate.input_tokens(self._call.peek.members),
            output_tokens=estimate.output_tokens(self._shown_bytes),
            estimated=True,
        )


def _joined(pieces: list[str]) -> str:
    """Base64 of several pieces as that of the whole: each one is padded for itself."""
    if len(pieces) == 1:
        return pieces[0]
    return binascii.b2a_base64(b"".join(binascii.a2b_base64(piece) for piece in pieces), newline=False).decode()


_READERS: Final[dict[str, Callable[[Decoder, bytes, list[events.Event]], None]]] = {
    "messageStart": Decoder._message_started,
    "contentBlockStart": Decoder._block_started,
    "contentBlockDelta": Decoder._block_grew,
    "contentBlockStop": Decoder._block_stopped,
    "messageStop": Decoder._message_stopped,
    "metadata": Decoder._metadata_came,
}
