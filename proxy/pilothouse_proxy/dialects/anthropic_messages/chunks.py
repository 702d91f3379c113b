"""Events of the exchange to the events of a Message's stream.

    message_start · (content_block_start · content_block_delta… · content_block_stop)… · message_delta · message_stop

One block is open at a time, and its index counts all blocks: of calls whose arguments come by turns, the later ones
wait until the one before them is whole. The token counts come last, with the reason of the stop: those of message_start
are what was known by then.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from pilothouse_proxy import errors
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.anthropic_messages import encode as encoding
from pilothouse_proxy.dialects.anthropic_messages import usage as wire_usage
from pilothouse_proxy.errors import Failure
from pilothouse_proxy.exchange import events
from pilothouse_proxy.exchange.parts import RedactedThinking
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.usage import Usage

_encode = msgspec.json.encode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])

_TEXT, _THINKING, _TOOL = "text", "thinking", "tool_use"
_NO_USAGE = Usage()
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class _Call:
    """A call of a tool, with its arguments as far as they have come."""

    def __init__(self, event: events.ToolCallStarted) -> None:
        self.started = event
        self.pieces: list[str] = []

    @property
    def whole(self) -> bool:
        """Whether its arguments are a JSON object: nothing more can come."""
        try:
            _object.decode("".join(self.pieces))
        except (ValueError, RecursionError):
            return False
        return True


class Encoder:
    """One stream."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._index = -1
        self._open = ""
        """The type of the block that is open."""
        self._call_open: _Call | None = None
        self._waiting: list[_Call] = []
        """Calls that have begun before the one that is open was whole."""
        self._ending = events.Finished(Finish.STOP)

    def encode(self, event: events.Event) -> bytes:
        """The events that tell of one; empty for what a client is not told, or later."""
        write = _WRITERS.get(type(event))
        return b"" if write is None else write(self, event)

    def error_event(self, failure: Failure) -> bytes:
        """The event `error`; the SDKs raise it."""
        told = errors.anthropic_body(
            failure.kind, failure.message, param=failure.param, request_id=self._call.request_id
        )
        return b"event: error\ndata: " + told + b"\n\n"

    def _started(self, event: events.Started) -> bytes:
        message = encoding.head(self._call)
        message["usage"] = wire_usage.encode(event.usage or _NO_USAGE)
        return _event(b"message_start", {"type": "message_start", "message": message})

    def _text(self, event: events.TextDelta) -> bytes:
        opened = b"" if self._open == _TEXT else self._begin(_TEXT, {"type": "text", "text": ""})
        return opened + self._delta(b'"text_delta","text":', event.text)

    def _thinking(self, event: events.ThinkingDelta) -> bytes:
        return self._begin_thinking() + self._delta(b'"thinking_delta","thinking":', event.text)

    def _begin_thinking(self) -> bytes:
        if self._open == _THINKING:
            return b""
        return self._begin(_THINKING, {"type": "thinking", "thinking": "", "signature": ""})

    def _thinking_ended(self, event: events.ThinkingEnded) -> bytes:
        block = event.block
        if isinstance(block, RedactedThinking):
            told = self._begin("redacted_thinking", {"type": "redacted_thinking", "data": block.base64})
        else:
            told = self._begin_thinking() + self._delta(b'"signature_delta","signature":', block.signature or "")
        return told + self._end()

    def _call_started(self, event: events.ToolCallStarted) -> bytes:
        call = _Call(event)
        if self._call_open is not None and not self._call_open.whole:
            self._waiting.append(call)
            return b""
        return self._begin_call(call)

    def _call_delta(self, event: events.ToolCallDelta) -> bytes:
        call = self._call_open
        if call is not None and call.started.index == event.index:
            call.pieces.append(event.arguments)
            told = self._piece(event.arguments)
            while self._waiting and self._call_open is not None and self._call_open.whole:
                told += self._begin_call(self._waiting.pop(0))
            return told
        for waiting in self._waiting:
            if waiting.started.index == event.index:
                waiting.pieces.append(event.arguments)
        return b""

    def _begin_call(self, call: _Call) -> bytes:
        """With all that has come of it."""
        event = call.started
        block: dict[str, object] = {"type": "tool_use", "id": event.id, "name": event.name, "input": {}}
        told = self._close() + self._start(_TOOL, block)
        self._call_open = call
        return told + self._piece("".join(call.pieces))

    def _piece(self, arguments: str) -> bytes:
        return self._delta(b'"input_json_delta","partial_json":', arguments) if arguments else b""

    def _finished(self, event: events.Finished) -> bytes:
        self._ending = event
        return self._end()

    def _settled(self, event: events.Settled) -> bytes:
        ended = self._ending
        delta = encoding.ending(ended.finish, ended.stop_sequence, ended.refusal)
        told: dict[str, object] = {"type": "message_delta", "delta": delta, "usage": wire_usage.encode(event.usage)}
        return self._end() + _event(b"message_delta", told) + _STOP

    def _begin(self, kind: str, block: dict[str, object]) -> bytes:
        return self._end() + self._start(kind, block)

    def _start(self, kind: str, block: dict[str, object]) -> bytes:
        self._index += 1
        self._open = kind
        started: dict[str, object] = {"type": "content_block_start", "index": self._index, "content_block": block}
        return _event(b"content_block_start", started)

    def _end(self) -> bytes:
        """Of the block that is open, and of the calls that wait for it."""
        told = b""
        while self._waiting:
            told += self._begin_call(self._waiting.pop(0))
        return told + self._close()

    def _close(self) -> bytes:
        self._call_open = None
        if not self._open:
            return b""
        self._open = ""
        return b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % self._index

    def _delta(self, what: bytes, piece: str) -> bytes:
        head = (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":' % self._index
        )
        return head + what + _encode(piece) + b"}}\n\n"


def _event(name: bytes, data: dict[str, object]) -> bytes:
    return b"event: " + name + b"\ndata: " + _encode(data) + b"\n\n"


_WRITERS: dict[type, Callable[[Encoder, Any], bytes]] = {
    events.Started: Encoder._started,
    events.TextDelta: Encoder._text,
    events.ThinkingDelta: Encoder._thinking,
    events.ThinkingEnded: Encoder._thinking_ended,
    events.ToolCallStarted: Encoder._call_started,
    events.ToolCallDelta: Encoder._call_delta,
    events.Finished: Encoder._finished,
    events.Settled: Encoder._settled,
}
