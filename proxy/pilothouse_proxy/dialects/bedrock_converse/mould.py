"""Pieces of text as Bedrock writes them: by a template, one like the other.

A piece that fits is the same JSON as the one that was learned from, with another string in one place (and another
padding: AWS adds a member `p` of random length, lest the length of an event tells its text). To compare the two ends
costs a quarter of what decoding does.
"""

from typing import Final

from pilothouse_proxy.framing.mould import LESSONS, SHORT, string_end

_TEXT: Final = b'"text":"'
_PADDING: Final = b'"p":"'
_END: Final = b'"}'


class Mould:
    """What the pieces of one stream have in common."""

    def __init__(self) -> None:
        self._head = self._tail = b""
        self._padded = False
        self._lessons = LESSONS

    def text(self, payload: bytes) -> str:
        """The text of a piece that fits; empty: it must be decoded.

        Raises:
            UnicodeDecodeError: it is not UTF-8.
        """
        head = self._head
        if not head or not payload.startswith(head):
            return ""
        start = len(head)
        end = string_end(payload, start, min(len(payload), start + SHORT))
        tail = self._tail
        rest = end + len(tail)
        # Slices, for to compare in place takes three times as long.
        if end <= start or payload[end:rest] != tail:
            return ""
        if self._padded:
            padding = payload[rest:-2]
            if payload[-2:] != _END or not (padding.isalnum() or rest == len(payload) - 2):
                return ""
        elif rest != len(payload):
            return ""
        return payload[start:end].decode()

    def learn(self, payload: bytes, text: str) -> None:
        """From the payload of an event that was decoded, and found to be this piece of text."""
        at = payload.find(_TEXT)
        if not self._lessons or at < 0:
            return
        start = at + len(_TEXT)
        end = string_end(payload, start, min(len(payload), start + SHORT))
        if end < 0 or payload.find(_TEXT, start) >= 0 or payload[start:end].decode() != text:
            return
        self._lessons -= 1
        padding = payload.find(_PADDING, end)
        self._padded = padding >= 0
        self._head = payload[:start]
        self._tail = payload[end : padding + len(_PADDING)] if self._padded else payload[end:]
