"""Server-sent events (WHATWG HTML §9.2), read and written.

The reader works on bytes: all that the format gives a meaning is ASCII, so a character that is split between two reads
needs no care. `id` and `retry` are not interpreted, since no proxy resumes a stream; they live on in the raw bytes.
"""

import re
from typing import Final, NamedTuple

from pilothouse_proxy.errors import UpstreamBroken

MAX_EVENT_BYTES: Final = 8 * 1024 * 1024

_BOM: Final = b"\xef\xbb\xbf"
_BLANK_LINE: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


class Event(NamedTuple):
    """One event, or a piece without one (comments, blank lines). The `raw` of all events joined is the stream."""

    raw: bytes
    """As it came, with the blank line that ended it."""
    data: bytes
    """Its data lines joined by LF; empty for a piece that shows nothing."""
    name: bytes = b""
    """The `event` field; empty means `message`."""


class Decoder:
    """Feed it bytes in any cut, get whole events: the cut does not change them.

    Without a CR in sight the search is for LF LF alone, and the usual event (`data: …` on one line) is never split
    into lines.
    """

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._pending = bytearray()
        self._first = True
        self._max_event_bytes = max_event_bytes
        self.broken: UpstreamBroken | None = None

    @property
    def between(self) -> bool:
        """Whether the next byte begins an event."""
        return not self._pending and self.broken is None

    def feed(self, received: bytes) -> list[Event]:
        """The events that are whole now."""
        if self._pending:
            # A blank line takes at most four bytes, so it ends in what is new or not at all.
            tail = self._pending[-3:] + received
            self._pending += received
            if tail.find(b"\n\n") < 0 and not (tail.find(b"\r") >= 0 and _BLANK_LINE.search(tail)):
                self._check_size(len(self._pending))
                return []
            received = bytes(self._pending)
            self._pending.clear()
        if self.broken is not None:
            return []
        return self._cut(received) if received.find(b"\r") < 0 else self._cut_any(received)

    def end(self) -> list[Event]:
        """Call at the end of the stream: what is left over, at most one. Without its blank line it shows no data."""
        if self.broken is not None or not self._pending:
            return []
        raw = bytes(self._pending)
        self._pending.clear()
        # A blank line that ends in CR was held back, lest an LF came that belongs to it.
        return [self._parse(raw) if _BLANK_LINE.search(raw) else Event(raw, b"")]

    def _cut(self, stream: bytes) -> list[Event]:
        events: list[Event] = []
        start = 0
        while (end := stream.find(b"\n\n", start)) >= 0:
            raw = stream[start : end + 2]
            start = end + 2
            if raw.startswith(b"data: ") and raw.find(b"\n", 6, -2) < 0:
                events.append(Event(raw, raw[6:-2]))
                self._first = False
            else:
                events.append(self._parse(raw))
        return self._keep(stream, start, events)

    def _cut_any(self, stream: bytes) -> list[Event]:
        events: list[Event] = []
        start = 0
        while found := _BLANK_LINE.search(stream, start):
            end = found.end()
            if end == len(stream) and stream.endswith(b"\r"):
                break
            events.append(self._parse(stream[start:end]))
            start = end
        return self._keep(stream, start, events)

    def _keep(self, stream: bytes, start: int, events: list[Event]) -> list[Event]:
        """The same bound for an event that came whole as for one that is still growing: the cut must not decide."""
        if len(stream) > self._max_event_bytes:
            for at, event in enumerate(events):
                self._check_size(len(event.raw))
                if self.broken is not None:
                    return events[:at]
        if start < len(stream):
            self._pending += stream[start:]
            self._check_size(len(stream) - start)
        return events

    def _check_size(self, event_bytes: int) -> None:
        if event_bytes > self._max_event_bytes:
            self._pending.clear()
            self.broken = UpstreamBroken(f"a server-sent event is larger than {self._max_event_bytes} bytes")

    def _parse(self, raw: bytes) -> Event:
        """The general form of one event: fields in any order, comments, several data lines."""
        text = raw
        if self._first:
            self._first = False
            text = raw.removeprefix(_BOM)
        name = b""
        lines: list[bytes] = []
        for line in _LINE_END.split(text):
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                lines.append(value)
            elif field == b"event":
                name = value
        return Event(raw, b"\n".join(lines), name)


def encode(data: bytes, *, name: bytes = b"") -> bytes:
    """One event. `data` may hold several lines; `name` must not."""
    head = b"event: " + name + b"\n" if name else b""
    if data.find(b"\n") >= 0 or data.find(b"\r") >= 0:
        return head + b"".join(b"data: " + line + b"\n" for line in _LINE_END.split(data)) + b"\n"
    return head + b"data: " + data + b"\n\n"
