import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.framing import eventstream
from pilothouse_proxy.framing.eventstream import HeaderType, Typed, Value
from tests.feeding import feed_every_way, feed_with_trailing

DELTA = {":event-type": "contentBlockDelta", ":content-type": "application/json", ":message-type": "event"}


class Message(NamedTuple):
    """A frame, to be compared."""

    headers: Mapping[str, Value]
    payload: bytes


def decode(pieces: Iterable[bytes]) -> list[Message]:
    messages, broken = decode_until_broken(pieces)
    assert broken is None
    return messages


def decode_until_broken(pieces: Iterable[bytes]) -> tuple[list[Message], str | None]:
    decoder = eventstream.Decoder()
    messages = [Message(frame.headers, frame.payload) for piece in pieces for frame in decoder.feed(piece)]
    decoder.end()
    return messages, None if decoder.broken is None else str(decoder.broken)


def botocore_reads(stream: bytes) -> list[tuple[dict[str, object], bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    return [(message.headers, message.payload) for message in buffer]


def frame(block: bytes, payload: bytes = b"", *, total: int | None = None, headers: int | None = None) -> bytes:
    """A message with right checksums, whatever its sizes claim."""
    sizes = struct.pack(
        ">II", len(block) + len(payload) + 16 if total is None else total, len(block) if headers is None else headers
    )
    message = sizes + zlib.crc32(sizes).to_bytes(4) + block + payload
    return message + zlib.crc32(message).to_bytes(4)


def test_messages_come_out_whole_whatever_the_cut() -> None:
    stream = b"".join(eventstream.encode(DELTA, b'{"n":%d}' % n) for n in range(3)) + eventstream.encode({}, b"")
    assert feed_every_way(decode, stream) == [*(Message(DELTA, b'{"n":%d}' % n) for n in range(3)), Message({}, b"")]


def test_trailing_bytes_change_nothing_in_the_messages_before() -> None:
    stream = eventstream.encode(DELTA, b"{}") * 2
    assert len(feed_with_trailing(decode, stream, eventstream.encode(DELTA, b"x"))) == 2


def test_all_ten_types_of_header_are_read() -> None:
    block = (
        b"\x01a\x00"
        b"\x01b\x01"
        b"\x01c\x02\xff"
        b"\x01d\x03\xff\xfe"
        b"\x01e\x04\xff\xff\xff\xfd"
        b"\x01f\x05\xff\xff\xff\xff\xff\xff\xff\xfc"
        b"\x01g\x06\x00\x02\x00\xff"
        b"\x01h\x07\x00\x03\xe2\x82\xac"
        b"\x01i\x08\x00\x00\x01\x8b\xcf\xe5\x68\x00" + b"\x01j\x09" + bytes(range(16))
    )
    expected = {
        "a": True,
        "b": False,
        "c": -1,
        "d": -2,
        "e": -3,
        "f": -4,
        "g": b"\x00\xff",
        "h": "€",
        "i": 1_700_000_000_000,
        "j": bytes(range(16)),
    }
    stream = frame(block, b"payload")
    assert feed_every_way(decode, stream) == [Message(expected, b"payload")]
    assert botocore_reads(stream) == [(expected, b"payload")]


HEADER_VALUES = st.one_of(
    st.text(max_size=30),
    st.binary(max_size=30),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.builds(Typed, st.just(HeaderType.BYTE), st.integers(-128, 127)),
    st.builds(Typed, st.just(HeaderType.SHORT), st.integers(-(2**15), 2**15 - 1)),
    st.builds(Typed, st.just(HeaderType.INTEGER), st.integers(-(2**31), 2**31 - 1)),
    st.builds(Typed, st.just(HeaderType.TIMESTAMP), st.integers(-(2**63), 2**63 - 1)),
    st.builds(Typed, st.just(HeaderType.UUID), st.binary(min_size=16, max_size=16)),
)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@given(st.lists(st.tuples(st.dictionaries(NAMES, HEADER_VALUES, max_size=5), st.binary(max_size=200)), max_size=4))
def test_what_is_written_is_read_back_here_and_by_botocore(
    messages: list[tuple[dict[str, Value | Typed], bytes]],
) -> None:
    stream = b"".join(eventstream.encode(headers, payload) for headers, payload in messages)
    plain = [
        ({name: value.value if isinstance(value, Typed) else value for name, value in headers.items()}, payload)
        for headers, payload in messages
    ]
    assert [(dict(headers), payload) for headers, payload in decode([stream])] == plain
    assert botocore_reads(stream) == plain


@given(st.data())
def test_a_flipped_bit_never_passes(data: st.DataObject) -> None:
    good = eventstream.encode(DELTA, b'{"delta":{"text":"a"}}')
    bit = data.draw(st.integers(0, len(good) * 8 - 1))
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << bit % 8
    messages, broken = feed_every_way(decode_until_broken, good + bytes(bad), cuts=16)
    assert messages == [Message(DELTA, b'{"delta":{"text":"a"}}')]
    assert broken is not None and "checksum" in broken


def test_a_stream_cut_inside_a_message_is_broken_after_the_messages_before() -> None:
    message = eventstream.encode(DELTA, b"{}")
    for cut in range(1, len(message)):
        messages, broken = decode_until_broken([message + message[:cut]])
        assert len(messages) == 1
        assert broken is not None and "ended inside a message" in broken


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        (frame(b"", total=eventstream.MAX_MESSAGE_BYTES + 1), "impossible sizes"),
        (frame(b"", total=200_000, headers=eventstream.MAX_HEADERS_BYTES + 1), "impossible sizes"),
        (frame(b"", total=15), "impossible sizes"),
        (frame(b"", total=20, headers=8), "impossible sizes"),
        (frame(b"\x01a"), "do not add up"),
        (frame(b"\x05a\x07\x00\x00"), "do not add up"),
        (frame(b"\x01a\x07\x00\x05abc"), "do not add up"),
        (frame(b"\x01a\x09abc"), "do not add up"),
        (frame(b"\x01a\x04\x00"), "do not add up"),
        (frame(b"\x01\xff\x00"), "do not add up"),
        (frame(b"\x01a\x07\x00\x01\xff"), "do not add up"),
        (frame(b"\x01a\x0a"), "unknown type 10"),
        (frame(b"\x01a\x00\x01a\x01"), "'a' twice"),
    ],
)
def test_a_message_that_contradicts_itself_breaks_the_stream(stream: bytes, says: str) -> None:
    good = eventstream.encode(DELTA, b"{}")
    messages, broken = feed_every_way(decode_until_broken, good + stream + good)
    assert messages == [Message(DELTA, b"{}")]
    assert broken is not None and says in broken


def test_a_claimed_size_is_refused_before_its_bytes_arrive() -> None:
    decoder = eventstream.Decoder()
    decoder.feed(frame(b"", total=2**31)[:12])
    assert decoder.broken is not None


def test_the_largest_headers_pass() -> None:
    value = "x" * 65_000
    headers = {"a": value, "b": value[:64_000]}
    assert decode([eventstream.encode(headers, b"")]) == [Message(headers, b"")]


@pytest.mark.parametrize(
    ("headers", "payload"),
    [
        ({"": "x"}, b""),
        ({"n" * 256: "x"}, b""),
        ({"a": "x" * 65_536}, b""),
        ({"a": Typed(HeaderType.BYTE, 128)}, b""),
        ({"a": Typed(HeaderType.UUID, b"short")}, b""),
        ({"a": Typed(HeaderType.LONG, "text")}, b""),
        ({"a": Typed(HeaderType.STRING, 1)}, b""),
        ({str(n): "x" * 65_000 for n in range(3)}, b""),
        ({}, bytes(eventstream.MAX_MESSAGE_BYTES)),
    ],
)
def test_what_does_not_fit_the_format_is_not_written(headers: dict[str, Value | Typed], payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        eventstream.encode(headers, payload)


def test_ever_new_headers_are_read_right_beyond_what_is_kept() -> None:
    stream = b"".join(eventstream.encode({":event-type": f"e{n}"}, b"") for n in range(1_000))
    assert [message.headers[":event-type"] for message in decode([stream])] == [f"e{n}" for n in range(1_000)]


def test_headers_of_equal_length_are_told_apart_from_those_before() -> None:
    kinds = ["contentBlockStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStart"]
    stream = b"".join(eventstream.encode({**DELTA, ":event-type": kind}, b"{}") for kind in kinds)

    assert [frame.headers[":event-type"] for frame in decode([stream])] == kinds


def test_a_message_without_headers_has_none_of_the_one_before() -> None:
    stream = eventstream.encode(DELTA, b"a") + eventstream.encode({}, b"b") + eventstream.encode(DELTA, b"c")

    assert [dict(frame.headers) for frame in decode([stream])] == [DELTA, {}, DELTA]
