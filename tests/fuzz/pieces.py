"""The ways in which an input is cut up before it is fed: the same input always in the same ways, as for a replay."""

import random
import zlib
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

_SINGLY = 600
"""A longer input is not fed byte by byte: it would take the time of hundreds of others."""


class Different(AssertionError):
    """The same bytes came to something else when they were cut up."""


def ways(data: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte (or by sevens), in two, and in pieces of any size."""
    yield [data]
    step = 1 if len(data) <= _SINGLY else 7
    yield [data[at : at + step] for at in range(0, len(data), step)]
    rng = random.Random(zlib.crc32(data))
    at = rng.randint(0, len(data))
    yield [data[:at], data[at:]]
    for longest in (16, 200):
        pieces, at = [], 0
        while at < len(data):
            size = rng.randint(1, longest)
            pieces.append(data[at : at + size])
            at += size
        yield pieces


def same_every_way(read: Callable[[list[bytes]], T], data: bytes) -> T:
    """What `read` makes of the data.

    Raises:
        Different: it depends on how the data is cut.
    """
    whole: T | None = None
    for number, pieces in enumerate(ways(data)):
        seen = read(pieces)
        if number == 0:
            whole = seen
        elif seen != whole:
            raise Different(f"whole: {whole!r}\nas {[len(piece) for piece in pieces]}: {seen!r}")
    assert whole is not None
    return whole
