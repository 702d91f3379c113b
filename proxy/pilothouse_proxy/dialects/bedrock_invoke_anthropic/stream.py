"""A stream of InvokeModel to neutral events."""

from pilothouse_proxy.anthropic import events as messages
from pilothouse_proxy.anthropic import framed
from pilothouse_proxy.dialects.bedrock_invoke_anthropic import chunks
from pilothouse_proxy.errors import Failure
from pilothouse_proxy.exchange.events import Event, Unknown
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.framing import eventstream
from pilothouse_proxy.http.messages import Headers


class Decoder:
    """One stream."""

    def __init__(self, request: Request, headers: Headers) -> None:
        self._request_id = framed.request_id(headers)
        self._frames = eventstream.Decoder()
        self._reader = messages.Reader(request, self._request_id)

    def feed(self, received: bytes) -> list[Event]:
        """The events that are whole now; nothing after Settled or Failed."""
        told: list[Event] = []
        reader = self._reader
        if reader.over:
            return told
        for message in self._frames.feed(received):
            data = chunks.read(message, request_id=self._request_id)
            if data is None:
                told.append(Unknown(chunks.name(message)))
            elif isinstance(data, Failure):
                reader.fail(told, data)
            else:
                reader.read(data, told)
            if reader.over:
                return told
        if self._frames.broken is not None:
            reader.fail(told, messages.broken(str(self._frames.broken)))
        return told

    def end(self) -> list[Event]:
        """Without message_stop the stream was cut."""
        told: list[Event] = []
        if not self._reader.over:
            self._frames.end()
            if self._frames.broken is not None:
                self._reader.fail(told, messages.broken(str(self._frames.broken)))
        self._reader.cut(told)
        return told
