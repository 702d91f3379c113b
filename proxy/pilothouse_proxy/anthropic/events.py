"""The events of a stream of Messages to neutral ones, whatever frames them.

    message_start · content_block_start content_block_delta… content_block_stop · … · message_delta · message_stop

Pings come between any two. The index counts blocks, not tools. Figures of message_delta are sums. Only message_stop
proves that the answer is whole: what message_delta says is told with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from pilothouse_proxy.anthropic import errors, names, reply, wire
from pilothouse_proxy.errors import Failure, Kind
from pilothouse_proxy.exchange import events
from pilothouse_proxy.exchange.parts import RedactedThinking, Thinking
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.request import Request

_event = msgspec.json.Decoder(wire.Event)
_tag = msgspec.json.Decoder(wire.Tag)
_text = msgspec.json.Decoder(wire.TextBlock)
_thinking = msgspec.json.Decoder(wire.ThinkingBlock)
_redacted = msgspec.json.Decoder(wire.RedactedBlock)
_tool_use = msgspec.json.Decoder(wire.ToolUseBlock)

_NO_INPUT = "{}"
_CUT = "the provider's stream ended before it was complete (no message_stop)"


@dataclass
class _Block:
    """A content block that is open. `call` is the index of a tool call."""

    call: int | None = None
    arguments: str = ""
    """All of the call's, where no piece of them comes."""
    empty: bool = True
    """No piece of them has come yet."""
    redacted: str | None = None
    text: list[str] = field(default_factory=list)
    signature: list[str] = field(default_factory=list)


class Reader:
    """One stream. `over`: after Settled or Failed, when there is nothing more to tell."""

    def __init__(self, request: Request, request_id: str | None) -> None:
        self.over = False
        self._originals: Mapping[str, str] = names.originals(request)
        self._request_id = request_id
        self._blocks: dict[int, _Block] = {}
        self._passed_over: set[int] = set()
        """Indexes of blocks that no other dialect has a place for."""
        self._calls = 0
        self._tokens = wire.Tokens()
        self._finish: wire.Delta | None = None

    def read(self, data: bytes, told: list[events.Event]) -> None:
        """Append what one event's JSON tells."""
        try:
            self._read(data, told)
        except (ValueError, RecursionError) as error:
            self.fail(told, broken(f"an event is not as promised: {error}"))

    def fail(self, told: list[events.Event], failure: Failure) -> None:
        """The stream is broken, for a reason that the framing knows."""
        self.over = True
        told.append(events.Failed(failure))

    def cut(self, told: list[events.Event]) -> None:
        """The body has ended."""
        if not self.over:
            self.fail(told, broken(_CUT))

    def _read(self, data: bytes, told: list[events.Event]) -> None:
        try:
            event = _event.decode(data)
        except msgspec.ValidationError:
            name = _tag.decode(data).type
            if name in _READERS:
                raise
            event = wire.Event(type=name)
        read = _READERS.get(event.type)
        if read is not None:
            read(self, event, told)
        elif event.type == "error":
            self.fail(told, errors.from_event(data, request_id=self._request_id))
        else:
            told.append(events.Unknown(f"event.{event.type[:64]}"))

    def _pinged(self, _: wire.Event, told: list[events.Event]) -> None:
        """It says that the connection lives, and nothing else."""

    def _message_started(self, event: wire.Event, told: list[events.Event]) -> None:
        usage = event.message.usage if event.message is not None else None
        if usage is None:
            told.append(events.Started())
            return
        self._tokens.take(usage)
        told.append(events.Started(self._tokens.so_far(0)))

    def _block_started(self, event: wire.Event, told: list[events.Event]) -> None:
        raw = event.content_block
        kind = _tag.decode(raw).type
        block = _Block()
        if kind == "text":
            started = _text.decode(raw).text
            if started:
                told.append(events.TextDelta(started))
        elif kind == "tool_use":
            call = _tool_use.decode(raw)
            block.call = self._calls
            block.arguments = bytes(call.input).decode()
            told.append(events.ToolCallStarted(self._calls, call.id, self._originals.get(call.name, call.name)))
            self._calls += 1
        elif kind == "thinking":
            thinking = _thinking.decode(raw)
            self._thought(block, thinking.thinking, told)
            if thinking.signature:
                block.signature.append(thinking.signature)
        elif kind == "redacted_thinking":
            block.redacted = _redacted.decode(raw).data
        else:
            self._passed_over.add(event.index)
            told.append(events.Unknown(kind[:64]))
            return
        self._blocks[event.index] = block

    def _block_grew(self, event: wire.Event, told: list[events.Event]) -> None:
        delta = event.delta
        if delta is None:
            told.append(events.Unknown("content_block_delta"))
            return
        if delta.type == "text_delta":
            if delta.text:
                told.append(events.TextDelta(delta.text))
            return
        block = self._blocks.get(event.index)
        if block is None:
            if event.index not in self._passed_over:
                told.append(events.Unknown(f"delta.{delta.type[:64]}"))
        elif delta.type == "input_json_delta":
            if block.call is not None and delta.partial_json:
                block.empty = False
                told.append(events.ToolCallDelta(block.call, delta.partial_json))
        elif delta.type == "thinking_delta":
            self._thought(block, delta.thinking, told)
        elif delta.type == "signature_delta":
            block.signature.append(delta.signature)
        else:
            told.append(events.Unknown(f"delta.{delta.type[:64]}"))

    def _thought(self, block: _Block, text: str, told: list[events.Event]) -> None:
        if text:
            block.text.append(text)
            told.append(events.ThinkingDelta(text))

    def _block_stopped(self, event: wire.Event, told: list[events.Event]) -> None:
        self._close(event.index, told)

    def _close(self, index: int, told: list[events.Event]) -> None:
        block = self._blocks.pop(index, None)
        if block is None:
            return
        if block.call is not None:
            if block.empty:
                told.append(events.ToolCallDelta(block.call, block.arguments or _NO_INPUT))
        elif block.redacted is not None:
            told.append(events.ThinkingEnded(RedactedThinking(base64=block.redacted)))
        elif block.signature:
            thinking = Thinking(text="".join(block.text), signature="".join(block.signature))
            told.append(events.ThinkingEnded(thinking))

    def _message_grew(self, event: wire.Event, told: list[events.Event]) -> None:
        if event.usage is not None:
            self._tokens.take(event.usage)
        if event.delta is not None and event.delta.stop_reason is not None:
            self._finish = event.delta

    def _message_stopped(self, event: wire.Event, told: list[events.Event]) -> None:
        for index in list(self._blocks):
            self._close(index, told)
        if event.metrics is not None and not self._tokens.told:
            self._tokens.take(wire.metered(event.metrics))
        stopped = self._finish or wire.Delta()
        unknown: list[str] = []
        finish = reply.finish_of(stopped.stop_reason, unknown)
        told += [events.Unknown(name) for name in unknown]
        if finish is Finish.TOOL_CALLS and not self._calls:
            finish = Finish.STOP
        told.append(events.Finished(finish, stopped.stop_sequence, reply.explained(stopped.stop_details)))
        self.over = True
        told.append(events.Settled(self._tokens.usage(), self._tokens.tier))


def broken(message: str) -> Failure:
    """A stream that does not hold to its format."""
    return Failure(kind=Kind.STREAM_BROKEN, message=message)


_READERS: dict[str, Callable[[Reader, wire.Event, list[events.Event]], None]] = {
    "ping": Reader._pinged,
    "message_start": Reader._message_started,
    "content_block_start": Reader._block_started,
    "content_block_delta": Reader._block_grew,
    "content_block_stop": Reader._block_stopped,
    "message_delta": Reader._message_grew,
    "message_stop": Reader._message_stopped,
}
