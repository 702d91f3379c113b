"""What is read in plain form is read as llhttp would: nothing is taken that it refuses, or understands differently."""

from typing import Any

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pilothouse_proxy.http import plain
from pilothouse_proxy.http.limits import ClientLimits, Limits
from pilothouse_proxy.http.parser import RequestParser, ResponseParser

REQUEST = b"POST /v1/x?y=1 HTTP/1.1\r\nHost: a:80\r\nContent-Type:application/json\r\nContent-Length: 4\r\n\r\nbody"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


class Told:
    """What llhttp makes of some bytes."""

    def __init__(self, parser: Any, data: bytes) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.url = b""
        self.complete = False
        self.llhttp = parser(self)
        self.llhttp.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip()))

    def on_headers_complete(self) -> None:
        self.keep_alive = self.llhttp.should_keep_alive()

    def on_message_complete(self) -> None:
        self.complete = True


STARTS = rb"GET|POST|PRI|HTTP/1.1 |HTTP/1.1 200 OK|200 OK|204 No Content|100 Continue|200|/|/v1?x|*|/a#b|http://a/"
NAMES = (
    rb"Host|host|Host |x-a|X\xc3|Content-Length|content-length|Transfer-Encoding|Connection|Keep-Alive|Upgrade|Expect"
)
VALUES = (
    rb"chunked|Chunked|gzip, chunked|close|keep-alive|100-continue|0|5|05|+5|5, 5|99999999999999999999|a|a.b:8|\xff"
)
BETWEEN = (b" ", b"  ", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b"\t", b":", b": ")
CHUNKS = (b"5\r\nhello\r\n", b"0\r\n\r\n")
pieces = st.sampled_from([*STARTS.split(b"|"), *NAMES.split(b"|"), *VALUES.split(b"|"), *BETWEEN, *CHUNKS])
lines = st.lists(pieces, max_size=5).map(b"".join)
heads = st.lists(lines, min_size=1, max_size=6).map(lambda made: b"\r\n".join(made) + b"\r\n\r\n")


def mended(begin: bytes) -> st.SearchStrategy[bytes]:
    """Heads that are right but for what is put into one place of them."""
    return st.tuples(st.integers(0, len(begin)), st.integers(0, 3), lines).map(
        lambda cut: begin[: cut[0]] + cut[2] + begin[cut[0] + cut[1] :]
    )


@given(heads | mended(REQUEST))
@example(REQUEST)
def test_a_plain_request_is_one_to_llhttp_too(data: bytes) -> None:
    found = plain.request(data)
    if found is None:
        return
    line, headers, size, length, chunked = found.line, found.headers, found.size, found.length, found.chunked
    assert line is not None
    told = Told(httptools.HttpRequestParser, data[:size] + b"x" * max(length, 0)) if length < 10_000 else None
    if told is not None:
        assert (told.llhttp.get_method(), told.headers, told.complete, chunked) == (line.method, headers, True, False)
        assert told.url == line.path + (b"?" + line.query if line.query or told.url.endswith(b"?") else b"")
        assert told.keep_alive
        assert not told.llhttp.should_upgrade()


@given(heads | mended(RESPONSE))
@example(RESPONSE)
def test_a_plain_answer_is_one_to_llhttp_too(data: bytes) -> None:
    found = plain.response(data)
    if found is None:
        return
    status, headers, size, length, chunked = found.status, found.headers, found.size, found.length, found.chunked
    if length < 10_000:
        body = b"0\r\n\r\n" if chunked else b"x" * length
        told = Told(httptools.HttpResponseParser, data[:size] + body)
        assert (told.llhttp.get_status_code(), told.headers, told.complete) == (status, headers, True)
        assert told.keep_alive


@given(st.binary(max_size=4) | lines, st.binary(max_size=40))
@example(b"5\r\n", b"hello")
@example(b"5 \r\n", b"hello")
@example(b"5;a=b\r\n", b"hello")
@example(b"\r\n", b"")
def test_a_plain_chunk_is_one_to_llhttp_too(begin: bytes, rest: bytes) -> None:
    size, at = plain.chunk_size(begin + rest, 0)
    if 0 < size < 10_000:
        data = (begin + rest)[:at] + b"x" * size + b"\r\n0\r\n\r\n"
        assert Told(httptools.HttpResponseParser, RESPONSE + data).complete


@pytest.mark.parametrize(
    "head",
    [
        REQUEST.replace(b"Host: a:80", b"Host: a:80\r\nExpect: 100-continue"),
        REQUEST.replace(b"Host: a:80", b"Host: a:80\r\nConnection: close"),
        REQUEST.replace(b"Host: a:80", b"Host: a:80\r\n folded"),
        REQUEST.replace(b"Host: a:80", b"Host: a:80\r\nTransfer-Encoding: chunked"),
        REQUEST.replace(b"Host: a:80", b"Host: a:80\r\nhost: b"),
        REQUEST.replace(b"Host: a:80", b"Host: a/b"),
        REQUEST.replace(b"Host: a:80", b"X: a"),
        REQUEST.replace(b" HTTP/1.1", b" HTTP/1.0"),
        REQUEST.replace(b"/v1/x", b"http://a/"),
        REQUEST.replace(b"/v1/x", b"/v1 /x"),
        REQUEST.replace(b"Length: 4", b"Length: 4\r\nContent-Length: 4"),
        REQUEST.replace(b"Length: 4", b"Length: +4"),
        REQUEST[:40],
    ],
)
def test_what_is_not_plain_is_left_to_llhttp(head: bytes) -> None:
    assert plain.request(REQUEST) is not None
    assert plain.request(head) is None


def test_what_is_remembered_of_lines_is_bounded_and_holds_no_credential() -> None:
    for number in range(3_000):
        head = b"GET /%d HTTP/1.1\r\nhost: a\r\nx-%d: %d\r\nauthorization: Bearer s-%d\r\n\r\n" % ((number,) * 4)
        assert plain.request(head) is not None
        assert plain.response(b"HTTP/1.1 200 %d\r\ncontent-length: %d\r\n\r\n" % (number, number)) is not None
    kept = (plain._lines, plain._names, plain._request_lines, plain._status_lines)
    assert max(map(len, kept)) <= 1_024
    assert not any(b"Bearer" in line for line in plain._lines)


def test_an_answer_goes_on_in_llhttp_where_its_chunks_stop_being_plain_and_comes_back() -> None:
    parser = ResponseParser(ClientLimits())
    parser.expect(b"POST")
    got = b""
    for piece in (
        RESPONSE,
        b"5\r\nhello\r\n",
        b"6;x=y\r\n wor",
        b"ld\r\n",
        b"1\r\n!\r\n2\r",
        b"\n!!\r\n",
        b"0\r\n",
        b"\r\n",
    ):
        parser.feed(piece)
        got += b"".join(parser.body)
        parser.body.clear()
    assert (got, parser.complete, parser.reusable) == (b"hello world!!!", True, True)
    parser.expect(b"POST")
    parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert (parser.body, parser.reusable) == ([b"ok"], True)


def test_plain_and_other_requests_follow_one_another_on_a_connection() -> None:
    parser = RequestParser(Limits(), "")
    other = b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    for piece in (REQUEST[:-2], REQUEST[-2:] + other[:-3], other[-3:] + REQUEST + other + REQUEST[:20], REQUEST[20:]):
        parser.feed(piece)
    assert [request.body for request in parser.completed] == [b"body", b"hi", b"body", b"hi", b"body"]
    assert parser.refusal is None


def remembered(head: bytes) -> plain.Recurrence:
    """Of a connection on which this was the last head."""
    recurrence = plain.Recurrence()
    found = plain.request(head)
    if found is not None:
        recurrence.learn(head, found)
    return recurrence


def told_of(head: plain.Head | None) -> object:
    if head is None or head.line is None:
        return None
    line = head.line
    return head.size, head.headers, head.length, head.host, line.method, line.path, line.query


LENGTHS = st.from_regex(rb"[0-9]{0,17}|[-+ ]?[0-9a-f]{1,4}", fullmatch=True)


@given(LENGTHS, st.binary(max_size=20))
@example(b"15", b"")
@example(b"", b"")
@example(b"999999999999999", b"x")
def test_a_head_that_recurs_with_another_length_is_known_as_it_would_be_read(length: bytes, body: bytes) -> None:
    again = REQUEST.removesuffix(b"body").replace(b": 4\r\n", b": " + length + b"\r\n") + body

    known = remembered(REQUEST).recall(again)

    if known is not None:
        assert told_of(known) == told_of(plain.request(again))
    if length.isdigit() and len(length) < 15:
        assert known is not None


@given(mended(REQUEST))
def test_no_other_head_is_taken_for_the_last_one(other: bytes) -> None:
    known = remembered(REQUEST).recall(other)

    if known is not None:
        assert told_of(known) == told_of(plain.request(other))


@pytest.mark.parametrize("cut", range(REQUEST.index(b"body")))
def test_half_a_head_does_not_recur(cut: int) -> None:
    assert remembered(REQUEST).recall(REQUEST[:cut]) is None


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", id="no length"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4 \r\n\r\n", id="a blank behind the length"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nX: %b\r\nContent-Length: 4\r\n\r\n" % (b"x" * 3000), id="long"),
    ],
)
def test_what_cannot_be_compared_is_read_anew(head: bytes) -> None:
    assert plain.request(head) is not None
    assert remembered(head).recall(head) is None


def test_requests_share_a_memory_while_their_heads_are_alike() -> None:
    parser = RequestParser(Limits(), "peer")
    other = REQUEST.replace(b"application/json", b"application/jso_")

    parser.feed(REQUEST + REQUEST.replace(b": 4\r\n\r\nbody", b": 2\r\n\r\nbo") + other + REQUEST)
    first, shorter, changed, back = parser.completed

    assert first.memory is not None
    assert first.memory is shorter.memory
    assert dict(shorter.headers)[b"content-length"] == b"2"
    assert changed.memory is not first.memory
    assert back.memory is not first.memory


def test_another_connection_remembers_nothing_of_this_one() -> None:
    parsers = [RequestParser(Limits(), "peer") for _ in range(2)]
    for parser in parsers:
        parser.feed(REQUEST)

    assert parsers[0].completed[0].memory is not parsers[1].completed[0].memory


def test_who_writes_every_head_anew_is_not_studied_for_ever() -> None:
    parser = RequestParser(Limits(), "peer")
    unlike = [REQUEST.replace(b"Host: a", b"X: %d\r\nHost: a" % number) for number in range(6)]

    parser.feed(b"".join(unlike) + REQUEST + REQUEST)

    assert [request.memory is not None for request in parser.completed] == [True] * 4 + [False] * 4


def test_a_head_that_recurs_now_and_then_is_studied_on() -> None:
    parser = RequestParser(Limits(), "peer")
    pairs = [2 * [REQUEST.replace(b"Host: a", b"X: %d\r\nHost: a" % number)] for number in range(9)]

    parser.feed(b"".join(head for pair in pairs for head in pair))

    assert all(request.memory is not None for request in parser.completed)
