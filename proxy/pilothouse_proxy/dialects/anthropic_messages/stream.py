"""A stream of Messages in server-sent events to neutral ones."""

from pilothouse_proxy.anthropic import events as messages
from pilothouse_proxy.anthropic import framed
from pilothouse_proxy.exchange.events import Event
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.framing import sse
from pilothouse_proxy.http.messages import Headers


class Decoder:
    """One stream."""

    def __init__(self, request: Request, headers: Headers) -> None:
        self._events = sse.Decoder()
        self._reader = messages.Reader(request, framed.request_id(headers))

    def feed(self, received: bytes) -> list[Event]:
        """The events that are whole now; nothing after Settled or Failed."""
        told: list[Event] = []
        if self._reader.over:
            return told
        for event in self._events.feed(received):
            if event.data:
                self._reader.read(event.data, told)
                if self._reader.over:
                    return told
        if self._events.broken is not None:
            self._reader.fail(told, messages.broken(str(self._events.broken)))
        return told

    def end(self) -> list[Event]:
        """Without message_stop the stream was cut."""
        told: list[Event] = []
        for event in self._events.end():
            if event.data and not self._reader.over:
                self._reader.read(event.data, told)
        self._reader.cut(told)
        return told
