"""Events that differ in their text alone, known by their two ends."""

import re
from typing import Final

_CONTENT: Final = b'"content":"'
_is_plain: Final = re.compile(rb'[^"\\\x00-\x1f]*').fullmatch
"""Text in a JSON string that is written as it is."""
SHORT: Final = 64
"""Longer text is rather searched."""
_QUOTE: Final = 0x22
_BACKSLASH: Final = 0x5C
_BLANK: Final = 0x20
LESSONS: Final = 4
"""A server that writes no two events alike need not be studied for longer."""


class Mould:
    """What the ordinary events of one stream have in common: every byte but those of the text.

    Servers write them by a template. An event that fits is the same JSON with another string in one place, hence as
    ordinary as the one that was learned from; comparing its two ends costs less than looking into it.
    """

    def __init__(self) -> None:
        self.open = True
        """Whether the next byte begins an event, and events are still taken."""
        self._head = self._tail = b""
        self._lessons = LESSONS

    def fits(self, stream: bytes, start: int, end: int) -> bool:
        """Whether these bytes of a stream are one whole event of the kind."""
        head, tail = self._head, self._tail
        first, last = start + len(head), end - len(tail)
        # Slices, for to compare in place takes three times as long.
        if not self.open or last < first or not head or stream[start:first] != head or stream[last:end] != tail:
            return False
        if last - first > SHORT:
            return _is_plain(stream, first, last) is not None
        # The tail begins with the quote.
        return string_end(stream, first, last + 1) == last

    def learn(self, raw: bytes) -> None:
        """From an event that was found ordinary."""
        if not self._lessons:
            return
        head, content, rest = raw.partition(_CONTENT)
        text, quote, tail = rest.partition(b'"')
        if text.find(b"\\") >= 0 or not raw.startswith(b"data: ") or raw.find(b"\n") != len(raw) - 2:
            return
        self._lessons -= 1
        if quote:
            self._head, self._tail = head + content, quote + tail


def string_end(stream: bytes, start: int, limit: int) -> int:
    """Where the quote stands that ends the JSON string begun at `start`; -1: not before `limit`, or it has escapes."""
    # Byte by byte: once compiled, a quarter of what it costs to search, or to ask a pattern.
    for at in range(start, limit):
        byte = stream[at]
        if byte == _QUOTE:
            return at
        if byte == _BACKSLASH or byte < _BLANK:
            return -1
    return -1
