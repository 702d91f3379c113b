import itertools
import sys
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_proxy.http.limits import ClientLimits, Limits
from pilothouse_proxy.http.messages import Closed, HTTPError, ProtocolError, TooLarge
from pilothouse_proxy.http.parser import RequestParser, ResponseParser, Stage
from tests.feeding import feed_every_way
from tests.unit.proxy.http.corpus import ACCEPTED, REFUSED, chunked, get, post

SMALL = Limits(request_line_bytes=64, header_count=5, header_bytes=256, body_bytes=100)

Seen = tuple[list[tuple[object, ...]], int, str]


def parse(pieces: Iterable[bytes], limits: Limits = SMALL) -> Seen:
    parser = RequestParser(limits, "192.0.2.1")
    for piece in pieces:
        parser.feed(piece)
    seen = [(r.method, r.path, r.query, r.headers, r.body, r.peer, r.keep_alive, r.version) for r in parser.completed]
    return seen, parser.refusal.status if parser.refusal else 0, parser.refusal.message if parser.refusal else ""


def one(stream: bytes, limits: Limits = SMALL) -> tuple[object, ...]:
    requests, status, message = feed_every_way(lambda pieces: parse(pieces, limits), stream)
    assert (len(requests), status) == (1, 0), message
    return requests[0]


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_and_smuggling_requests_are_refused_however_they_are_cut(name: str) -> None:
    stream, expected = REFUSED[name]
    requests, status, message = feed_every_way(lambda pieces: parse(pieces, Limits()), stream)
    assert (requests, status) == ([], expected), message
    assert message


@pytest.mark.parametrize("name", REFUSED)
def test_what_follows_a_refused_request_is_never_taken_for_a_request(name: str) -> None:
    stream, expected = REFUSED[name]
    requests, status, _ = feed_every_way(parse, stream + get(b"GET /smuggled HTTP/1.1") * 2)
    assert (requests, status) == ([], expected)


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_before_a_refused_one_is_still_answered(name: str) -> None:
    stream, expected = REFUSED[name]
    requests, status, _ = feed_every_way(parse, get(b"GET /first HTTP/1.1") + stream)
    assert [request[1] for request in requests] == [b"/first"]
    assert status == expected


@pytest.mark.parametrize("name", ACCEPTED)
def test_odd_requests_that_are_right_get_through_however_they_are_cut(name: str) -> None:
    stream, taken = ACCEPTED[name]
    following = get(b"GET /next HTTP/1.1")
    requests, status, message = feed_every_way(lambda pieces: parse(pieces, Limits()), stream + following)
    assert status == 0, message
    expected = [taken, (b"GET", b"/next", b"", True)] if taken[3] else [taken]
    assert [(request[0], request[1], request[4], request[6]) for request in requests] == expected


def test_a_request_is_read_with_names_in_lower_case_and_values_trimmed() -> None:
    stream = (
        b"POST /v1/x?a=b&c=?d HTTP/1.1\r\nHoSt: h:80\r\nX-Empty:\r\nX-Blank: \t a b \t\r\nContent-Length: 3\r\n\r\nabc"
    )
    headers = [(b"host", b"h:80"), (b"x-empty", b""), (b"x-blank", b"a b"), (b"content-length", b"3")]
    assert one(stream) == (b"POST", b"/v1/x", b"a=b&c=?d", headers, b"abc", "192.0.2.1", True, "1.1")


def test_bytes_beyond_ascii_are_kept_in_values() -> None:
    assert (b"x", b"\xe9\xff") in one(get(headers=b"Host: h\r\nX: \xe9\xff\r\n"))[3]  # type: ignore[operator]


def test_a_chunked_body_is_joined_and_extensions_and_trailers_are_dropped() -> None:
    request = one(chunked(b'3;a=b;c="d"\r\nabc\r\n0A\r\n0123456789\r\n0;x\r\nX-Trailer: t\r\nHost: evil\r\n\r\n'))
    assert request[4] == b"abc0123456789"
    assert request[3] == [(b"host", b"h"), (b"transfer-encoding", b"chunked")]


def test_pipelined_requests_come_out_in_order() -> None:
    stream = (
        post(b"Content-Length: 2\r\n", b"ab") + chunked(b"1\r\nc\r\n0\r\n\r\n") + b"\r\n" + get(b"GET /last HTTP/1.1")
    )
    requests, status, _ = feed_every_way(parse, stream)
    assert [(request[1], request[4]) for request in requests] == [(b"/v1", b"ab"), (b"/v1", b"c"), (b"/last", b"")]
    assert status == 0


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", True),
    ],
)
def test_the_wish_to_keep_the_connection_is_read(head: bytes, keep_alive: bool) -> None:
    assert one(head)[6] is keep_alive


def test_what_follows_connection_close_is_ignored() -> None:
    stream = get(headers=b"Host: h\r\nConnection: close\r\n") + get(b"GET /more HTTP/1.1")
    requests, status, _ = feed_every_way(parse, stream)
    assert ([request[1] for request in requests], status) == ([b"/"], 0)


@pytest.mark.parametrize(
    ("framing", "body", "expected"),
    [
        (b"Content-Length: 3\r\n", b"abc", b"abc"),
        (b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"", b"", b""),
        (b"Content-Length: 0\r\n", b"", b""),
    ],
)
def test_an_upgrade_is_ignored_and_the_body_kept(framing: bytes, body: bytes, expected: bytes) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    requests, status, message = feed_every_way(parse, post(upgrade + framing, body) + get(b"GET /next HTTP/1.1"))
    assert status == 0, message
    assert [(request[0], request[1], request[4]) for request in requests] == [
        (b"POST", b"/v1", expected),
        (b"GET", b"/next", b""),
    ]
    assert (b"upgrade", b"h2c") in requests[0][3]  # type: ignore[operator]


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 1\r\n\r\nx", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"\r\n"]
)
def test_an_upgrade_with_connection_close_ends_the_connection(framing: bytes) -> None:
    head = b"POST /v1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n"
    requests, status, _ = feed_every_way(parse, head + framing + get(b"GET /more HTTP/1.1"))
    assert ([(request[1], request[6]) for request in requests], status) == ([(b"/v1", False)], 0)


def test_options_may_ask_about_the_whole_server() -> None:
    assert one(get(b"OPTIONS * HTTP/1.1"))[:2] == (b"OPTIONS", b"*")


@pytest.mark.parametrize(
    ("stream", "status"),
    [
        (get(b"GET /" + b"a" * 64 + b" HTTP/1.1"), 414),
        (get(headers=b"Host: h\r\n" + b"X: y\r\n" * 5), 431),
        (get(headers=b"Host: h\r\nX: " + b"y" * 256 + b"\r\n"), 431),
        (get(headers=b"Host: h\r\n" + b"y" * 256 + b": x\r\n"), 431),
        (post(b"Content-Length: 101\r\n"), 413),
        (chunked(b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n"), 413),
        (chunked(b"0\r\n" + b"X: y\r\n" * 6 + b"\r\n"), 431),
        (chunked(b"0\r\nX: " + b"y" * 256 + b"\r\n\r\n"), 431),
    ],
)
def test_what_is_over_a_limit_is_refused(stream: bytes, status: int) -> None:
    requests, seen, _ = feed_every_way(lambda pieces: (*parse(pieces)[:2], ""), stream)
    assert (requests, seen) == ([], status)


def test_what_is_at_a_limit_passes() -> None:
    assert one(get(b"GET /" + b"a" * 63 + b" HTTP/1.1"))[1] == b"/" + b"a" * 63
    assert len(one(get(headers=b"Host: h\r\n" + b"X: y\r\n" * 4))[3]) == 5  # type: ignore[arg-type]
    assert one(post(b"Content-Length: 100\r\n", b"x" * 100))[4] == b"x" * 100
    assert one(chunked(b"64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n"))[4] == b"x" * 100


@pytest.mark.parametrize(
    "start", [b"GET /", b"GET / HTTP/1.1\r\nHost: h\r\nX: ", b"GET / HTTP/1.1\r\nHost: h\r\nX", b"\r\n"]
)
def test_a_head_without_end_is_refused_before_it_grows(start: bytes) -> None:
    parser = RequestParser(SMALL, "")
    parser.feed(start)
    filler = b"\r\n" if start == b"\r\n" else b"a"
    for _ in range(SMALL.request_line_bytes + SMALL.header_bytes):
        parser.feed(filler)
    assert parser.refusal is not None
    assert parser.refusal.status in {414, 431}


def test_chunk_framing_without_content_is_refused_before_it_goes_on_for_ever() -> None:
    parser = RequestParser(Limits(), "")
    parser.feed(chunked(b"1;"))
    for _ in range(100):
        parser.feed(b"a" * 1024)
    assert parser.refusal is not None
    assert parser.refusal.status == 400


def test_a_body_in_one_byte_chunks_is_not_mistaken_for_mere_framing() -> None:
    limits = Limits()
    body = b"1\r\nx\r\n" * 100_000
    parser = RequestParser(limits, "")
    stream = chunked(body + b"0\r\n\r\n")
    for at in range(0, len(stream), 1000):
        parser.feed(stream[at : at + 1000])
    assert parser.refusal is None
    assert parser.completed[0].body == b"x" * 100_000


def test_the_stages_of_a_request_can_be_told_apart() -> None:
    parser = RequestParser(SMALL, "")
    stages = [parser.stage]
    for piece in (b"POST / HT", b"TP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n", b"a", b"b"):
        parser.feed(piece)
        stages.append(parser.stage)
    assert stages == [Stage.BETWEEN, Stage.HEAD, Stage.BODY, Stage.BODY, Stage.BETWEEN]


@pytest.mark.parametrize(
    ("headers", "version", "awaits"),
    [
        (b"Content-Length: 2\r\n", b"1.1", True),
        (b"Transfer-Encoding: chunked\r\n", b"1.1", True),
        (b"Content-Length: 2\r\n", b"1.0", False),
        (b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n", b"1.1", True),
    ],
)
def test_a_client_that_waits_for_leave_is_noticed(headers: bytes, version: bytes, awaits: bool) -> None:
    parser = RequestParser(Limits(), "")
    parser.feed(b"POST / HTTP/" + version + b"\r\nHost: h\r\nExpect: 100-Continue\r\n" + headers + b"\r\n")
    assert parser.refusal is None
    assert parser.awaits_continue is awaits


def test_nobody_waits_for_leave_without_a_body_or_once_it_has_come() -> None:
    parser = RequestParser(Limits(), "")
    parser.feed(get(headers=b"Host: h\r\nExpect: 100-continue\r\n"))
    assert (parser.awaits_continue, len(parser.completed)) == (False, 1)
    parser.feed(post(b"Expect: 100-continue\r\nContent-Length: 2\r\n", b"a"))
    assert parser.awaits_continue is False


@pytest.mark.parametrize("header", [b"", b"Connection: x\r\n"], ids=["plain", "by llhttp"])
def test_a_parser_holds_no_body_of_a_request_that_is_complete(header: bytes) -> None:
    parser = RequestParser(Limits(), "")
    parser.feed(post(b"%bContent-Length: 1000\r\n" % header))
    parser.feed(bytes(1000))
    body, lone = parser.completed.popleft().body, bytes(1000)
    assert sys.getrefcount(body) == sys.getrefcount(lone)


TOKENS = st.text("abcdefgh-XYZ_0", min_size=1, max_size=8).filter(
    lambda name: name.lower() not in {"host", "content-length", "expect", "te", "upgrade", "connection"}
)
VALUES = st.text("abc ,;=\"'\t~", max_size=10)


@st.composite
def _requests(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A request on the wire, and its body."""
    body = draw(st.binary(max_size=60))
    lines = [f"{name}: {value}\r\n" for name, value in draw(st.lists(st.tuples(TOKENS, VALUES), max_size=3))]
    if draw(st.booleans()):
        framing, wire = f"content-length: {len(body)}\r\n", body
    else:
        at = draw(st.integers(0, len(body)))
        parts = [part for part in (body[:at], body[at:]) if part]
        framing = "transfer-encoding: chunked\r\n"
        wire = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    return f"POST /p HTTP/1.1\r\nhost: h\r\n{''.join(lines)}{framing}\r\n".encode() + wire, body


def _cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


@given(st.lists(_requests(), min_size=1, max_size=4), st.lists(st.integers(0, 2000), max_size=8))
def test_any_requests_survive_any_cuts(requests: list[tuple[bytes, bytes]], places: list[int]) -> None:
    seen, status, message = parse(_cut(b"".join(wire for wire, _ in requests), places), Limits())
    assert status == 0, message
    assert [request[4] for request in seen] == [body for _, body in requests]


@settings(max_examples=300)
@given(
    _requests(),
    st.integers(0, 2000),
    st.binary(max_size=3),
    st.integers(0, 3),
    st.lists(st.integers(0, 2000), max_size=4),
)
def test_a_damaged_request_means_the_same_however_it_is_cut(
    request: tuple[bytes, bytes], at: int, inserted: bytes, removed: int, places: list[int]
) -> None:
    at %= len(request[0])
    damaged = request[0][:at] + inserted + request[0][at + removed :] + get(b"GET /next HTTP/1.1")
    assert parse(_cut(damaged, places)) == parse([damaged])


# Responses.

Answer = tuple[object, ...]
STRICT = ClientLimits(header_count=4, header_bytes=200)


def read(pieces: Iterable[bytes], method: bytes = b"POST") -> Answer:
    """What a response comes to; the last item is the error's type, and whether the end of the stream brought it."""
    parser = ResponseParser(STRICT)
    parser.expect(method)
    error: object = None
    try:
        for piece in pieces:
            parser.feed(piece)
    except HTTPError as problem:
        error = type(problem)
    else:
        try:
            parser.finish()
        except Closed:
            error = "closed"
    return parser.status, parser.headers, b"".join(parser.body), parser.complete, parser.reusable, error


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("stream", "status", "body", "reusable"),
    [
        (OK + b"Content-Length: 2\r\n\r\nab", 200, b"ab", True),
        (OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
        (OK + b"Transfer-Encoding: Chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\nT: x\r\n\r\n", 200, b"abc", True),
        (OK + b"Content-Length: 2\r\nConnection: close\r\n\r\nab", 200, b"ab", False),
        (OK + b"\r\nuntil the end", 200, b"until the end", False),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", 200, b"a", True),
        (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\na", 200, b"a", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b"", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\na", 201, b"a", True),
        (b"HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n" + OK + b"\r\nabc", 200, b"abc", False),
        (OK + b"Upgrade: h2\r\nConnection: Upgrade, keep-alive\r\nContent-Length: 1\r\n\r\na", 200, b"a", True),
    ],
)
def test_responses_are_read_however_they_are_cut(stream: bytes, status: int, body: bytes, reusable: bool) -> None:
    seen = feed_every_way(read, stream)
    assert (seen[0], seen[2:]) == (status, (body, True, reusable, None))


def test_the_head_of_an_interim_response_leaves_nothing_behind() -> None:
    seen = feed_every_way(read, b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n")
    assert seen[1] == [(b"content-length", b"0")]


@pytest.mark.parametrize(
    "stream",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n\0\1",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n\0\1",
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nab",
        OK + b"Content-Length: 2, 2\r\n\r\nab",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: identity\r\n\r\nab",
        OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        OK + b"X: a\nContent-Length: 0\r\n\r\n",
        OK + b"X: a\0\r\nContent-Length: 0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nz\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/1.1 020 Low\r\n\r\nab",
        b"HTTP/1.1 199 Odd\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        b"HTTP/1.1 700 High\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"<html>not HTTP</html>",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ],
)
def test_broken_responses_are_protocol_errors(stream: bytes) -> None:
    assert feed_every_way(read, stream)[5] is ProtocolError


@pytest.mark.parametrize(
    "stream",
    [
        OK + b"X: y\r\n" * 5 + b"Content-Length: 0\r\n\r\n",
        OK + b"X: " + b"y" * 200 + b"\r\nContent-Length: 0\r\n\r\n",
        OK + b"X: " + b"y" * 2_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 6,
    ],
)
def test_heads_and_trailers_over_the_limits_are_too_large(stream: bytes) -> None:
    assert feed_every_way(lambda pieces: read(pieces)[5], stream) is TooLarge


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"HTTP/1.1 200",
        OK + b"Content-Length: 3\r\n\r\nab",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
    ],
)
def test_a_response_that_is_cut_short_is_not_complete(stream: bytes) -> None:
    seen = feed_every_way(read, stream)
    assert (seen[3], seen[5]) == (False, "closed")


@pytest.mark.parametrize("surplus", [b"HTTP/1.1 200 OK\r\n", b"x", b"\0\0", OK + b"Content-Length: 0\r\n\r\n"])
@pytest.mark.parametrize("connection", [b"", b"Connection: close\r\n"])
def test_a_connection_with_unasked_bytes_behind_a_response_is_not_used_again(surplus: bytes, connection: bytes) -> None:
    seen = feed_every_way(read, OK + connection + b"Content-Length: 2\r\n\r\nab" + surplus)
    assert seen == (200, seen[1], b"ab", True, False, None)


def test_the_answer_to_head_has_no_body_and_its_connection_is_not_used_again() -> None:
    seen = feed_every_way(lambda pieces: read(pieces, b"HEAD"), OK + b"Content-Length: 5\r\n\r\n")
    assert seen == (200, [(b"content-length", b"5")], b"", True, False, None)


def test_one_parser_reads_response_after_response() -> None:
    parser = ResponseParser(STRICT)
    for body in (b"a", b"bc", b""):
        parser.expect(b"GET")
        parser.feed(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert (b"".join(parser.body), parser.reusable) == (body, True)
