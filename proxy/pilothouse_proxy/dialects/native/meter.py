"""Reads along what an answer tells of tokens. Nothing is changed or refused: what cannot be read tells nothing."""

import msgspec

from pilothouse_proxy.dialects.native import views
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.framing import eventstream, sse
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.ports import Meter

MAX_READ_BYTES = 1 << 20
"""Of a whole answer; the usage of a longer one is not looked for."""

_document = msgspec.json.Decoder(views.Document)
_chunk = msgspec.json.Decoder(views.Chunk)

_COUNTS = {
    b"x-amzn-bedrock-input-token-count": "input",
    b"x-amzn-bedrock-output-token-count": "output",
    b"x-amzn-bedrock-cache-read-input-token-count": "read",
    b"x-amzn-bedrock-cache-write-input-token-count": "written",
}
"""Headers of InvokeModel."""


def of(headers: Headers) -> Meter:
    """What reads an answer with these headers."""
    kind = b""
    for name, value in headers:
        if name == b"content-type":
            kind = value.partition(b";")[0].strip().lower()
    if kind == b"text/event-stream":
        return Events()
    if kind == b"application/vnd.amazon.eventstream":
        return Frames()
    return Whole(headers, readable=kind == b"application/json" or kind.endswith(b"+json"))


class Whole:
    """An answer in one piece."""

    def __init__(self, headers: Headers, *, readable: bool) -> None:
        self.usage = _counted(headers)
        self._parts: list[bytes] = []
        self._size = 0
        self._reads = readable and self.usage is None

    def feed(self, piece: bytes) -> None:
        """Keeps it, for a count is found in a whole body only."""
        if not self._reads:
            return
        self._size += len(piece)
        self._parts.append(piece)
        if self._size > MAX_READ_BYTES:
            self._reads, self._parts = False, []

    def end(self) -> None:
        """It is whole."""
        if self._reads:
            self.usage = _told(b"".join(self._parts), self.usage)


class Events:
    """Server-sent events."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._decoder = sse.Decoder()

    def feed(self, piece: bytes) -> None:
        """Reads the events that are whole now."""
        for event in self._decoder.feed(piece):
            if event.data.find(b'usage"') >= 0:
                self.usage = _told(event.data, self.usage)

    def end(self) -> None:
        """What is not whole tells nothing."""


class Frames:
    """AWS event streams: of ConverseStream, and of InvokeModelWithResponseStream."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._decoder = eventstream.Decoder()

    def feed(self, piece: bytes) -> None:
        """Reads the frames that are whole now; behind a broken one there is nothing to be read."""
        for message in self._decoder.feed(piece):
            payload = message.payload
            if payload.startswith(b'{"bytes"'):
                try:
                    payload = _chunk.decode(payload).bytes
                except ValueError:
                    continue
            if payload.find(b"okenCount") >= 0 or payload.find(b'usage"') >= 0:
                self.usage = _told(payload, self.usage)

    def end(self) -> None:
        """What is not whole tells nothing."""


def _counted(headers: Headers) -> Usage | None:
    found = {_COUNTS[name]: int(value) for name, value in headers if name in _COUNTS and value.isdigit()}
    if "input" not in found and "output" not in found:
        return None
    read, written = found.get("read", 0), found.get("written", 0)
    return Usage(
        input_tokens=found.get("input", 0) + read + written,
        output_tokens=found.get("output", 0),
        cached_tokens=read,
        cache_write_tokens=written,
    )


def _told(data: bytes, before: Usage | None) -> Usage | None:
    """What a document tells, with what others have told before: counts of streams grow."""
    try:
        document = _document.decode(data)
    except (ValueError, RecursionError):
        return before
    found = [
        _of_usage(holder.usage)
        for holder in (document, document.message, document.response)
        if holder is not None and holder.usage is not None
    ]
    if document.metrics is not None:
        found.append(_of_metrics(document.metrics))
    for usage in found:
        before = usage if before is None else _grown(before, usage)
    return before


def _grown(before: Usage, now: Usage) -> Usage:
    return Usage(
        input_tokens=max(before.input_tokens, now.input_tokens),
        output_tokens=max(before.output_tokens, now.output_tokens),
        cached_tokens=max(before.cached_tokens, now.cached_tokens),
        cache_write_tokens=max(before.cache_write_tokens, now.cache_write_tokens),
        reasoning_tokens=max(before.reasoning_tokens, now.reasoning_tokens),
    )


_NOTHING = views.Details()


def _of_usage(wire: views.Usage) -> Usage:
    inputs = wire.prompt_tokens_details or wire.input_tokens_details or _NOTHING
    outputs = wire.completion_tokens_details or wire.output_tokens_details or _NOTHING
    # Anthropic and Converse count beside the input what they read from their caches; OpenAI counts it in.
    read = wire.cache_read_input_tokens or wire.cacheReadInputTokens or 0
    written = wire.cache_creation_input_tokens or wire.cacheWriteInputTokens or 0
    return Usage(
        input_tokens=(wire.prompt_tokens or wire.input_tokens or wire.inputTokens or 0) + read + written,
        output_tokens=wire.completion_tokens or wire.output_tokens or wire.outputTokens or 0,
        cached_tokens=read or inputs.cached_tokens or 0,
        cache_write_tokens=written or inputs.cache_write_tokens or 0,
        reasoning_tokens=outputs.reasoning_tokens or outputs.thinking_tokens or 0,
    )


def _of_metrics(wire: views.Metrics) -> Usage:
    read, written = wire.cacheReadInputTokenCount or 0, wire.cacheWriteInputTokenCount or 0
    return Usage(
        input_tokens=(wire.inputTokenCount or 0) + read + written,
        output_tokens=wire.outputTokenCount or 0,
        cached_tokens=read,
        cache_write_tokens=written,
    )
