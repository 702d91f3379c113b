"""Answers that are built once and sent often.

A slot of fixed length stands where each answer carries its own number, so that a prepared answer costs two
replacements. The slot is drawn at random at start and never sent, so no prompt can contain it.
"""

from __future__ import annotations

import itertools
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from typing import Final, Generic, TypeVar

from tests.simulators.wire import replies
from tests.simulators.wire.replies import Headers

SLOT: Final = os.urandom(6).hex()
_SLOT: Final = SLOT.encode()

# Differs between processes and starts, as real ids do.
RUN: Final = os.urandom(4).hex()
REQUEST_ID: Final = f"{RUN}-0000-4000-8000-{SLOT}"

_MEMO_ENTRIES: Final = 512
_MEMO_BODY_BYTES: Final = 512 * 1024

_numbers = itertools.count(1)


@lru_cache(maxsize=16)
def _date(second: int) -> bytes:
    return b"date: " + formatdate(second, usegmt=True).encode() + b"\r\n"


def date(now: float) -> bytes:
    """The header line with the service's clock; `now` in Unix seconds."""
    return _date(int(now))


def next_number() -> bytes:
    return b"%012x" % next(_numbers)


@dataclass(slots=True)
class Whole:
    """A complete answer. `head` lacks its blank line, so that headers of the moment can follow."""

    status: int
    head: bytes
    body: bytes

    def wire(self, *, extra: bytes = b"") -> bytes:
        number = next_number()
        return b"".join(
            (self.head.replace(_SLOT, number), extra, b"\r\n", self.body.replace(_SLOT, number)),
        )


@dataclass(slots=True)
class Stream:
    """A streamed answer: named events in order. The names are what faults refer to."""

    status: int
    head: bytes
    events: Sequence[tuple[str, bytes]]
    _chunks: list[bytes] | None = field(default=None)

    def wire(self, *, extra: bytes = b"") -> list[bytes]:
        """Head with the first event, then an event each, the last with the closing chunk."""
        if self._chunks is None:
            chunks = [replies.chunk(payload) for _, payload in self.events]
            if chunks:
                chunks[-1] += replies.LAST_CHUNK
            self._chunks = chunks
        number = next_number()
        pieces = [chunk.replace(_SLOT, number) for chunk in self._chunks]
        head = self.head.replace(_SLOT, number) + extra + b"\r\n"
        if not pieces:
            return [head + replies.LAST_CHUNK]
        pieces[0] = head + pieces[0]
        return pieces

    def numbered(self, *, extra: bytes = b"") -> tuple[bytes, list[tuple[str, bytes]]]:
        """Head and events with their number filled in and no chunking yet, for faults to work on."""
        number = next_number()
        head = self.head.replace(_SLOT, number) + extra + b"\r\n"
        return head, [(name, payload.replace(_SLOT, number)) for name, payload in self.events]


Answer = Whole | Stream


def whole(status: int, headers: Headers, body: bytes) -> Whole:
    head = replies.head(status, [*headers, ("content-length", str(len(body)))])
    return Whole(status, head[:-2], body)


def stream(status: int, headers: Headers, events: Sequence[tuple[str, bytes]]) -> Stream:
    head = replies.stream_head(status, headers)
    return Stream(status, head[:-2], events)


T = TypeVar("T")


class Memo(Generic[T]):
    """The last answers by what was asked, least recently used first out; large requests are not kept."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[bytes, bytes], T] = OrderedDict()

    def get(self, target: bytes, body: bytes) -> T | None:
        entry = self._entries.get((target, body))
        if entry is not None:
            self._entries.move_to_end((target, body))
        return entry

    def put(self, target: bytes, body: bytes, entry: T) -> None:
        if len(body) > _MEMO_BODY_BYTES:
            return
        self._entries[(target, body)] = entry
        if len(self._entries) > _MEMO_ENTRIES:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        self._entries.clear()
