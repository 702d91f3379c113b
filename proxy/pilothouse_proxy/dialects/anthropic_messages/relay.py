"""A stream of Messages passed on as it comes, while usage, finish and failure are read off it."""

from pilothouse_proxy.anthropic import framed, passing
from pilothouse_proxy.anthropic.events import broken
from pilothouse_proxy.call import Call
from pilothouse_proxy.errors import Failure
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.framing import sse
from pilothouse_proxy.http.messages import Headers


class Relay:
    """`StreamRelay` between two speakers of anthropic.messages."""

    def __init__(self, call: Call, headers: Headers) -> None:
        self.usage: Usage | None = None
        self.finish_reason = ""
        self.content = False
        self.complete = False
        self.failure: Failure | None = None
        self.unknown: tuple[str, ...] = ()
        self.events = 0
        self.mould = None
        self._request_id = call.request_id
        self._frames = sse.Decoder()
        self._reading = passing.Reading(framed.request_id(headers))

    def feed(self, received: bytes) -> bytes:
        """Whole events, byte for byte; nothing after message_stop or a failure."""
        reading = self._reading
        if reading.over:
            return b""
        passed = self._passed(self._frames.feed(received))
        if self._frames.broken is not None and not reading.over:
            reading.failure = broken(str(self._frames.broken))
        self._take_note()
        return passed

    def end(self) -> bytes:
        """A last event without its blank line shows nothing: a stream that has not stopped is broken."""
        reading = self._reading
        if reading.over:
            return b""
        passed = self._passed(self._frames.end())
        reading.cut()
        self._take_note()
        return passed

    def error_event(self, failure: Failure) -> bytes:
        """One event `error`; the SDK raises it."""
        return framed.error_event(failure, request_id=self._request_id)

    def _passed(self, events: list[sse.Event]) -> bytes:
        reading = self._reading
        passed: list[bytes] = []
        for event in events:
            if event.data and not reading.read(event.data):
                break
            if event.data or event.raw.strip():
                self.events += 1
            passed.append(event.raw)
            if reading.over:
                break
        return b"".join(passed)

    def _take_note(self) -> None:
        reading = self._reading
        reading.so_far()
        self.usage = reading.usage
        self.finish_reason = reading.finish_reason
        self.content = reading.content
        self.complete = reading.complete
        self.failure = reading.failure
