"""Reasoning that a model writes into its text, between tags, told apart from the answer; sans-I/O."""

import enum

from pilothouse_proxy.dialects.bedrock_invoke.said import Thoughts


class _Place(enum.Enum):
    AHEAD = "ahead"
    """Nothing but blanks yet: the opening tag may come."""
    INSIDE = "inside"
    BEHIND = "behind"
    """The closing tag has come, and since then nothing but blanks, which belong to neither."""
    ANSWER = "answer"


class Splitter:
    """One answer. Of each piece it says what is reasoning, and what is text."""

    def __init__(self, tags: Thoughts) -> None:
        self._tags = tags
        self._place = _Place.AHEAD if tags.open else _Place.INSIDE
        self._held = ""

    def feed(self, piece: str) -> tuple[str, str]:
        """(reasoning, text) that are certain now; what may be the beginning of a tag is held back."""
        held = self._held + piece
        thinking = ""
        if self._place is _Place.AHEAD:
            bare = held.lstrip()
            if bare.startswith(self._tags.open):
                self._place, held = _Place.INSIDE, bare[len(self._tags.open) :]
            elif self._tags.open.startswith(bare):
                self._held = held
                return "", ""
            else:
                self._place = _Place.ANSWER
        if self._place is _Place.INSIDE:
            close = self._tags.close
            at = held.find(close)
            if at < 0:
                kept = _overlap(held, close)
                self._held = held[len(held) - kept :]
                return held[: len(held) - kept], ""
            thinking, held = held[:at], held[at + len(close) :]
            self._place = _Place.BEHIND
        if self._place is _Place.BEHIND:
            held = held.lstrip()
            if held:
                self._place = _Place.ANSWER
        self._held = ""
        return thinking, held

    def end(self) -> tuple[str, str]:
        """What was held back, when nothing more comes."""
        held, self._held = self._held, ""
        return (held, "") if self._place is _Place.INSIDE else ("", held)


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of the text may begin the tag."""
    for size in range(min(len(text), len(tag) - 1), 0, -1):
        if tag.startswith(text[-size:]):
            return size
    return 0
