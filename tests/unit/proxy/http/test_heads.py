from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.http import heads
from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import ProtocolError
from pilothouse_proxy.http.parser import ResponseParser

FRAMING = [b"connection", b"content-length", b"date", b"host", b"keep-alive", b"te", b"trailer", b"transfer-encoding"]
FRAMING += [b"proxy-connection", b"upgrade"]


def test_lines_keep_their_order_and_repetitions() -> None:
    assert heads.header_lines([(b"b", b"1"), (b"a", b"2"), (b"b", b"")]) == b"b: 1\r\na: 2\r\nb: \r\n"


def test_no_headers_are_no_lines() -> None:
    assert heads.header_lines([]) == b""


def test_framing_headers_are_left_out() -> None:
    assert heads.header_lines([(name, b"1") for name in FRAMING]) == b""


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_a_header_is_one_line_or_refused(name: bytes, value: bytes) -> None:
    try:
        lines = heads.header_lines([(b"before", b"1"), (name, value), (b"after", b"1")])
    except ProtocolError:
        assert set(name + value) & set(b"\r\n\0")
    else:
        assert lines.count(b"\r\n") == lines.count(b"\n") == lines.count(b"\r") == 2 + (name not in FRAMING)


@pytest.mark.parametrize("status", [*HTTPStatus, 299, 529])
def test_every_final_status_line_is_read_back(status: int) -> None:
    if status < 200:
        return
    parser = ResponseParser(ClientLimits())
    parser.feed(heads.status_line(status) + b"content-length: 0\r\n\r\n")
    assert (parser.status, parser.complete) == (status, True)


@given(st.binary(max_size=10), st.binary(max_size=20))
def test_a_request_line_is_one_line_of_three_words_or_refused(method: bytes, target: bytes) -> None:
    try:
        line = heads.request_line(method, target)
    except ProtocolError:
        return
    assert line.split() == [method, target, b"HTTP/1.1"]
    assert line.count(b"\n") == 1


def test_lines_that_are_written_already_are_taken_as_they_are() -> None:
    lines = heads.header_lines([(b"a", b"1")])
    assert heads.header_lines(lines) == lines == b"a: 1\r\n"
