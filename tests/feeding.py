"""How every decoder of a stream is tested: whole, byte by byte, cut in two at each place, with more behind it."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def feed_every_way(decode: Callable[[Iterable[bytes]], T], stream: bytes, *, cuts: int = 256) -> T:
    """What `decode` makes of `stream`, the same for every way to cut it (at most `cuts` places, evenly spread)."""
    whole = decode([stream])
    assert decode(stream[at : at + 1] for at in range(len(stream))) == whole, "byte by byte"
    assert decode([b"", stream, b""]) == whole, "with empty pieces around it"
    for at in range(1, len(stream), max(1, len(stream) // cuts)):
        assert decode([stream[:at], stream[at:]]) == whole, f"cut at byte {at}"
    return whole


def feed_with_trailing(decode: Callable[[Iterable[bytes]], list[T]], stream: bytes, trailing: bytes) -> list[T]:
    """The frames of `stream`: the same ones come first when `trailing` follows in the same read or in the next."""
    frames = decode([stream])
    assert decode([stream + trailing])[: len(frames)] == frames, "trailing bytes in the same read"
    assert decode([stream, trailing])[: len(frames)] == frames, "trailing bytes in the next read"
    return frames
