"""Events of the exchange to a stream of `chat.completion.chunk`.

What all chunks of a stream share is encoded once; an event adds its delta.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from pilothouse_proxy import errors
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_chat import encode as encoding
from pilothouse_proxy.dialects.openai_chat import filters, wire
from pilothouse_proxy.dialects.openai_chat import usage as wire_usage
from pilothouse_proxy.errors import Failure
from pilothouse_proxy.exchange import events
from pilothouse_proxy.exchange.filters import Stage

_encode: Final = msgspec.json.encode


class Encoder:
    """One stream. With `include_usage` every chunk has the member `usage`, null but in the last one."""

    def __init__(self, call: Call) -> None:
        shared = {
            "id": encoding.completion_id(call),
            "object": "chat.completion.chunk",
            "created": call.created,
            "model": call.peek.model,
        }
        self._include_usage = call.peek.include_usage
        self._created = b"data: " + _encode(shared)[:-1]
        usage = b',"usage":null' if self._include_usage else b""
        self._head = self._created + b',"choices":[{"index":0,"delta":{'
        self._tail = b'},"logprobs":null,"finish_reason":null}]' + usage + b"}\n\n"

    def encode(self, event: events.Event) -> bytes:
        """The chunk that tells of an event; empty for what a client is not told."""
        write = _WRITERS.get(type(event))
        return b"" if write is None else write(self, event)

    def error_event(self, failure: Failure) -> bytes:
        """One event with OpenAI's error object; the SDKs raise it."""
        return b"data: " + errors.failure_body(failure) + b"\n\n"

    def _started(self, _: events.Started) -> bytes:
        return self._head + b'"role":"assistant","content":""' + self._tail

    def _text(self, event: events.TextDelta) -> bytes:
        return self._head + b'"content":' + _encode(event.text) + self._tail

    def _thinking(self, event: events.ThinkingDelta) -> bytes:
        return self._head + b'"reasoning_content":' + _encode(event.text) + self._tail

    def _thinking_ended(self, event: events.ThinkingEnded) -> bytes:
        return self._head + b'"thinking_blocks":' + _encode([encoding.thinking_block(event.block)]) + self._tail

    def _call_started(self, event: events.ToolCallStarted) -> bytes:
        call = {
            "index": event.index,
            "id": event.id,
            "type": "function",
            "function": {"name": event.name, "arguments": ""},
        }
        return self._head + b'"tool_calls":' + _encode([call]) + self._tail

    def _call_delta(self, event: events.ToolCallDelta) -> bytes:
        arguments = _encode(event.arguments)
        call = b'"tool_calls":[{"index":%d,"function":{"arguments":%b}}]' % (event.index, arguments)
        return self._head + call + self._tail

    def _judged(self, event: events.Judged) -> bytes:
        """Beside an empty delta, unlike Azure's first chunk: a client of another provider may count on a choice."""
        told = b""
        found = filters.encode(event.findings, Stage.PROMPT)
        if found:
            told = self._head + self._tail[:-3] + b"," + _encode(found)[1:] + b"\n\n"
        found = filters.encode(event.findings, Stage.COMPLETION)
        if found:
            results = b"," + _encode(found)[1:] + b"]"
            told += self._head + self._tail.replace(b"}]", results, 1)
        return told

    def _finished(self, event: events.Finished) -> bytes:
        reason = b'},"logprobs":null,"finish_reason":"' + event.finish.encode() + b'"'
        finished = self._head + self._tail.replace(b'},"logprobs":null,"finish_reason":null', reason)
        if event.refusal is None:
            return finished
        return self._head + b'"refusal":' + _encode(event.refusal) + self._tail + finished

    def _settled(self, event: events.Settled) -> bytes:
        if not self._include_usage:
            return wire.DONE
        tail = {"choices": [], "usage": wire_usage.encode(event.usage)}
        if event.service_tier is not None:
            tail["service_tier"] = event.service_tier
        return self._created + b"," + _encode(tail)[1:] + b"\n\n" + wire.DONE


_WRITERS: Final[dict[type, Callable[[Encoder, Any], bytes]]] = {
    events.Started: Encoder._started,
    events.TextDelta: Encoder._text,
    events.ThinkingDelta: Encoder._thinking,
    events.ThinkingEnded: Encoder._thinking_ended,
    events.ToolCallStarted: Encoder._call_started,
    events.ToolCallDelta: Encoder._call_delta,
    events.Judged: Encoder._judged,
    events.Finished: Encoder._finished,
    events.Settled: Encoder._settled,
}
