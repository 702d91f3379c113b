"""A stream of response events passed on as it comes, while usage, end and failure are read off it.

Events are told apart by their `event` field, or by `type` where a server leaves that out. Only the last one is decoded.
"""

import msgspec

from pilothouse_proxy import errors
from pilothouse_proxy.dialects.openai_responses import errors as wire_errors
from pilothouse_proxy.dialects.openai_responses import usage as wire_usage
from pilothouse_proxy.dialects.openai_responses import views
from pilothouse_proxy.errors import Failure, Kind
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.framing import sse

_ended = msgspec.json.Decoder(views.Ended)
_failed = msgspec.json.Decoder(views.Failed)

_SILENT = frozenset(
    {
        b"response.created", b"response.queued", b"response.in_progress", b"response.output_item.added",
        b"response.content_part.added", b"response.reasoning_summary_part.added", b"keepalive",
    }
)  # fmt: skip
"""Events that show nothing yet: behind them an attempt can still be failed over unseen."""
_ENDS = frozenset({b"response.completed", b"response.incomplete"})
_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}


def finish_reason(response: views.Response) -> str:
    """Why it ended, as metrics have it."""
    if response.status == "incomplete" and response.incomplete_details is not None:
        return _REASONS.get(response.incomplete_details.reason or "", "stop")
    called = any(item.type == "function_call" for item in response.output)
    return "tool_calls" if called else "stop"


class Relay:
    """`StreamRelay` between two speakers of openai.responses."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.finish_reason = ""
        self.content = False
        self.complete = False
        self.failure: Failure | None = None
        self.unknown: tuple[str, ...] = ()
        self.events = 0
        self.mould = None
        self._events = sse.Decoder()

    def feed(self, received: bytes) -> bytes:
        """Whole events, byte for byte; nothing after the last one or a failure."""
        if self._over():
            return b""
        passed: list[bytes] = []
        for event in self._events.feed(received):
            if not event.data or self._read(event):
                passed.append(event.raw)
                self.events += bool(event.data)
            if self._over():
                break
        if self._events.broken is not None and not self._over():
            self.failure = Failure(kind=Kind.STREAM_BROKEN, message=str(self._events.broken))
        return b"".join(passed)

    def end(self) -> bytes:
        """A stream that has not said how it ended is broken."""
        if not self._over():
            message = "the provider's stream ended before it was complete (no response.completed)"
            self.failure = Failure(kind=Kind.STREAM_BROKEN, message=message)
        return b""

    def error_event(self, failure: Failure) -> bytes:
        """The event after which nothing comes. Code and message are those of an error answer."""
        error = msgspec.json.decode(errors.failure_body(failure))["error"]
        told = {
            "type": "error",
            "sequence_number": self.events,
            "code": error["code"] or error["type"],
            "message": error["message"],
            "param": error["param"],
        }
        return sse.encode(msgspec.json.encode(told), name=b"error")

    def _over(self) -> bool:
        """Asked anew each time: reading an event changes it."""
        return self.complete or self.failure is not None

    def _read(self, event: sse.Event) -> bool:
        """Take note of what an event says; whether the client gets it."""
        try:
            name = event.name or wire_errors.name_of(event.data).encode()
            if name in _ENDS:
                self._end(event.data)
            elif name in {b"response.failed", b"error"}:
                self._fail(name, event.data)
                return False
            elif name not in _SILENT:
                self.content = True
        except (ValueError, RecursionError) as error:
            message = f"the provider's stream holds an event that is not one of a response: {error}"
            self.failure = Failure(kind=Kind.STREAM_BROKEN, message=message)
            return False
        return True

    def _end(self, data: bytes) -> None:
        response = _ended.decode(data).response
        self._count(response.usage)
        self.finish_reason = finish_reason(response)
        self.complete = True

    def _fail(self, name: bytes, data: bytes) -> None:
        if name == b"error":
            self.failure = wire_errors.from_event(_failed.decode(data))
            return
        response = _ended.decode(data).response
        self._count(response.usage)
        self.failure = wire_errors.failure(response.error)

    def _count(self, usage: views.WireUsage | None) -> None:
        if usage is not None:
            self.usage = wire_usage.decode(usage)
