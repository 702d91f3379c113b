"""A stream of chunks, of chat or legacy completions, passed on as it comes; usage, finish and failure are read off it.

An ordinary chunk is known by a look at its bytes: inside a JSON string a quote is escaped, so `"finish_reason":null`
can only be the member itself. Everything else is decoded, in part.
"""

from typing import Final

import msgspec

from pilothouse_proxy import errors
from pilothouse_proxy.dialects.openai_chat import errors as wire_errors
from pilothouse_proxy.dialects.openai_chat import usage as wire_usage
from pilothouse_proxy.dialects.openai_chat import views, wire
from pilothouse_proxy.errors import Failure, Kind
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.framing import sse
from pilothouse_proxy.framing.mould import Mould

_UNFINISHED: Final = b'"finish_reason":null'
_NO_USAGE: Final = b'"usage":null'
_USAGE: Final = b'"usage"'
_ERROR: Final = b'"error"'
_NOTHING: Final = frozenset({b"null", b'""', b"[]", b"{}"})


_chunk: Final = msgspec.json.Decoder(views.Chunk)


def _is_ordinary(data: bytes) -> bool:
    # `in` tries bytes as a number first, and the exception that this costs is a third of all that an event costs.
    return (
        data.find(_UNFINISHED) >= 0 and (data.find(_NO_USAGE) >= 0 or data.find(_USAGE) < 0) and data.find(_ERROR) < 0
    )


class Relay:
    """`StreamRelay` between two speakers of openai.chat, or of openai.completions."""

    def __init__(self, *, include_usage: bool) -> None:
        self.usage: Usage | None = None
        self.finish_reason = ""
        self.content = False
        self.complete = False
        self.failure: Failure | None = None
        self.unknown: tuple[str, ...] = ()
        self.events = 0
        self._include_usage = include_usage
        self._events = sse.Decoder()
        self.mould = Mould()

    def feed(self, received: bytes) -> bytes:
        """Whole events, byte for byte; nothing after [DONE] or a failure."""
        if self._over():
            return b""
        if self.mould.fits(received, 0, len(received)):
            self.events += 1
            return received
        passed: list[bytes] = []
        for event in self._events.feed(received):
            data = event.data
            if self.content and _is_ordinary(data):
                self.mould.learn(event.raw)
                passed.append(event.raw)
            elif not data or self._read(event):
                passed.append(event.raw)
            if self._over():
                break
        if self._events.broken is not None and not self._over():
            self.failure = Failure(kind=Kind.STREAM_BROKEN, message=str(self._events.broken))
        self.mould.open = self._events.between and not self._over()
        self.events += len(passed)
        return b"".join(passed)

    def end(self) -> bytes:
        """What [DONE] without its blank line still says; else a stream that has not ended is broken."""
        if self._over():
            return b""
        if any(event.raw.rstrip() == wire.DONE.rstrip() for event in self._events.end()):
            self.complete = True
            return wire.DONE
        self.failure = Failure(
            kind=Kind.STREAM_BROKEN, message="the provider's stream ended before it was complete (no [DONE])"
        )
        return b""

    def error_event(self, failure: Failure) -> bytes:
        """One event with OpenAI's error object; the SDKs raise it."""
        return b"data: " + errors.failure_body(failure) + b"\n\n"

    def _over(self) -> bool:
        """Asked anew each time: reading an event changes it."""
        return self.complete or self.failure is not None

    def _read(self, event: sse.Event) -> bool:
        """Take note of what an event says; whether the client gets it."""
        data = event.data.strip()
        if data == b"[DONE]":
            self.complete = True
            return True
        try:
            chunk = _chunk.decode(data)
            if event.name == b"error" or bytes(chunk.error) != b"null":
                self.failure = wire_errors.from_event(msgspec.json.decode(data))
                return False
        except (ValueError, RecursionError) as error:
            self.failure = Failure(
                kind=Kind.STREAM_BROKEN, message=f"the provider's stream holds an event that is not a chunk: {error}"
            )
            return False
        for choice in chunk.choices or ():
            self.finish_reason = choice.finish_reason or self.finish_reason
            self.content = self.content or bool(choice.text)
            if choice.delta and not self.content:
                self.content = any(
                    name != "role" and bytes(value) not in _NOTHING for name, value in choice.delta.items()
                )
        if chunk.usage is None:
            return True
        self.usage = wire_usage.decode(chunk.usage)
        return bool(chunk.choices) or self._include_usage
