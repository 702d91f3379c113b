import re
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pilothouse_proxy.framing import sse
from pilothouse_proxy.framing.sse import Event
from tests.feeding import feed_every_way, feed_with_trailing
from tests.unit.proxy.framing.event_source import EventSource


def decode(pieces: Iterable[bytes]) -> list[Event]:
    decoder = sse.Decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    events += decoder.end()
    assert decoder.broken is None
    return events


def shown(events: list[Event]) -> list[tuple[bytes, bytes]]:
    return [(event.name, event.data) for event in events if event.data]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_each_kind_of_line_end_ends_lines_and_events(end: bytes) -> None:
    stream = end.join([b"data: one", b"", b"event: note", b"data: two", b"data: three", b"", b""])
    assert shown(feed_every_way(decode, stream)) == [(b"", b"one"), (b"note", b"two\nthree")]


def test_line_ends_may_be_mixed_within_an_event() -> None:
    stream = b"data: a\rdata: b\r\ndata: c\n\r\ndata: d\r\n\ndata: e\n\r"
    assert shown(feed_every_way(decode, stream)) == [(b"", b"a\nb\nc"), (b"", b"d"), (b"", b"e")]


def test_a_byte_order_mark_is_dropped_at_the_start_of_the_stream_alone() -> None:
    stream = b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\ndata: c\n\n"
    assert shown(feed_every_way(decode, stream)) == [(b"", b"a"), (b"", b"c")]


def test_a_character_that_is_split_between_reads_arrives_whole() -> None:
    stream = 'data: {"text":"Grüße 🚢 日本"}\n\n'.encode()
    assert shown(feed_every_way(decode, stream)) == [(b"", '{"text":"Grüße 🚢 日本"}'.encode())]


def test_comments_and_unknown_fields_show_nothing_but_stay_in_the_raw_bytes() -> None:
    stream = b": keep-alive\n\nid: 7\nretry: 10\ndata: a\nother: x\n\n\n:\n\n"
    events = feed_every_way(decode, stream)
    assert shown(events) == [(b"", b"a")]
    assert b"".join(event.raw for event in events) == stream


def test_one_blank_after_the_colon_is_not_part_of_the_value() -> None:
    assert shown(feed_every_way(decode, b"data:a\n\ndata: b\n\ndata:  c\n\n")) == [
        (b"", b"a"),
        (b"", b"b"),
        (b"", b" c"),
    ]


def test_a_field_without_a_colon_is_an_empty_line_of_it() -> None:
    assert shown(feed_every_way(decode, b"data\ndata: x\ndata\n\n")) == [(b"", b"\nx\n")]


def test_an_event_that_the_end_of_the_stream_cuts_off_shows_no_data() -> None:
    events = feed_every_way(decode, b"data: a\n\ndata: b\n")
    assert events == [Event(b"data: a\n\n", b"a"), Event(b"data: b\n", b"")]


def test_more_events_behind_change_nothing_in_those_before() -> None:
    stream = b"data: a\n\nevent: e\r\ndata: b\r\n\r\n"
    assert len(feed_with_trailing(decode, stream, b"data: c\n\n: \xff\x00")) == 2


@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_an_event_over_the_bound_breaks_the_stream_after_the_events_before_it(piece: int) -> None:
    decoder = sse.Decoder(max_event_bytes=100)
    stream = b"data: a\n\ndata: " + b"x" * 100 + b"\n\ndata: never\n\n"
    events = [event for at in range(0, len(stream), piece) for event in decoder.feed(stream[at : at + piece])]
    assert [event.data for event in events] == [b"a"]
    assert decoder.broken is not None and "100 bytes" in str(decoder.broken)
    assert decoder.end() == []


def test_an_event_of_exactly_the_bound_passes() -> None:
    decoder = sse.Decoder(max_event_bytes=20)
    event = b"data: " + b"x" * 12 + b"\n\n"
    assert decoder.feed(event * 3) == [Event(event, b"x" * 12)] * 3


def by_the_standard(stream: bytes) -> list[tuple[str, str]]:
    """What a browser would be told. Events without any text are left out: here they show nothing, as comments."""
    return [(message.kind, message.text) for message in EventSource().read(stream) if message.text]


def told(events: list[Event]) -> list[tuple[str, str]]:
    """The same of ours: what is no UTF-8 becomes a mark when it is read as text, not before."""
    return [
        (event.name.decode("utf-8", "replace") or "message", event.data.decode("utf-8", "replace"))
        for event in events
        if event.data
    ]


LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
TEXTS = st.one_of(
    st.text(max_size=6).map(str.encode),
    st.sampled_from(["ü", "日本", "🚢", "\ufeff", "a:b", ": c", "\0", ""]).map(str.encode),
    st.binary(max_size=4),
)
FIELDS = st.sampled_from([b"data", b"event", b"id", b"retry", b"", b"Data", b" data", b"other"])
LINES = st.one_of(
    st.tuples(FIELDS, st.sampled_from([b"", b":", b": ", b":  "]), TEXTS).map(b"".join),
    st.sampled_from([b"", b"", b"", b": ping", b"data: {}", b"data", b"\xef\xbb\xbfdata: x", b"data: [DONE]"]),
)
STREAMS = st.tuples(
    st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xef\xbb", b"\xef\xbb\xbf\xef\xbb\xbf"]),
    st.lists(st.tuples(LINES, LINE_ENDS).map(b"".join), max_size=14).map(b"".join),
    st.sampled_from([b"", b"data: never", b"\r", b"\xe6\x97"]),
).map(b"".join)


@settings(max_examples=400)
@given(STREAMS)
@example(b"data: a\r\r\ndata: b\n\r\n\r")
@example(b"\xef\xbb\xbf\r\n\xef\xbb\xbfdata: a\n\n")
@example("data: ü\r\ndata: 🚢\r\n\r\n".encode())
def test_whatever_arrives_is_read_as_the_standard_says_and_kept_byte_for_byte(stream: bytes) -> None:
    events = feed_every_way(decode, stream)
    assert told(events) == by_the_standard(stream)
    assert b"".join(event.raw for event in events) == stream


@given(STREAMS, st.lists(st.integers(min_value=0, max_value=120), max_size=8))
def test_nor_does_it_matter_how_many_cuts_there_are(stream: bytes, cuts: list[int]) -> None:
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)})
    pieces = [stream[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    assert told(decode(pieces)) == by_the_standard(stream)


def test_the_examples_of_the_standard() -> None:
    assert by_the_standard(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [("message", "YHOO\n+2\n10")]
    assert by_the_standard(b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third") == [
        ("message", "first event"),
        ("message", "second event"),
    ]
    assert [message.text for message in EventSource().read(b"data\n\ndata\ndata\n\ndata:")] == ["", "\n"]
    assert by_the_standard(b"data:test\n\ndata: test\n\n") == [("message", "test")] * 2


@given(st.lists(st.tuples(st.sampled_from([b"", b"error", b"ping"]), st.binary(min_size=1, max_size=40)), max_size=5))
def test_what_is_written_is_read_back(events: list[tuple[bytes, bytes]]) -> None:
    stream = b"".join(sse.encode(data, name=name) for name, data in events)
    lines = [(name, b"\n".join(re.split(rb"\r\n|\n|\r", data))) for name, data in events]
    assert [(event.name, event.data) for event in decode([stream])] == lines
