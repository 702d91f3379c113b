"""A stream of InvokeModel to the server-sent events of Messages: other frames around the same JSON."""

from pilothouse_proxy.anthropic import framed, passing
from pilothouse_proxy.anthropic.events import broken
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke_anthropic import chunks
from pilothouse_proxy.errors import Failure
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.framing import eventstream
from pilothouse_proxy.http.messages import Headers


class Relay:
    """`StreamRelay` from bedrock.invoke.anthropic to a client of anthropic.messages."""

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
        self._upstream_id = framed.request_id(headers)
        self._frames = eventstream.Decoder()
        self._reading = passing.Reading(self._upstream_id)

    def feed(self, received: bytes) -> bytes:
        """Whole events; nothing after message_stop or a failure."""
        reading = self._reading
        if reading.over:
            return b""
        passed: list[bytes] = []
        for message in self._frames.feed(received):
            if told := self._reframed(message):
                passed.append(told)
            if reading.over:
                break
        if self._frames.broken is not None and not reading.over:
            reading.failure = broken(str(self._frames.broken))
        self.events += len(passed)
        self._take_note()
        return b"".join(passed)

    def end(self) -> bytes:
        """A stream that has not stopped is broken."""
        reading = self._reading
        if not reading.over:
            self._frames.end()
            if self._frames.broken is not None:
                reading.failure = broken(str(self._frames.broken))
            reading.cut()
            self._take_note()
        return b""

    def error_event(self, failure: Failure) -> bytes:
        """One event `error`; the SDK raises it."""
        return framed.error_event(failure, request_id=self._request_id)

    def _reframed(self, message: eventstream.Message) -> bytes:
        reading = self._reading
        data = chunks.read(message, request_id=self._upstream_id)
        if data is None:
            self.unknown += (chunks.name(message),)
            return b""
        if isinstance(data, Failure):
            reading.failure = data
            return b""
        return framed.event(reading.type, data) if reading.read(data) else b""

    def _take_note(self) -> None:
        reading = self._reading
        reading.so_far()
        self.usage = reading.usage
        self.finish_reason = reading.finish_reason
        self.content = reading.content
        self.complete = reading.complete
        self.failure = reading.failure
