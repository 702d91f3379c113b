"""Requests that must be refused, with the status; and requests that must get through although they look odd."""

_HOST = b"Host: h\r\n"


def post(headers: bytes, body: bytes = b"") -> bytes:
    return b"POST /v1 HTTP/1.1\r\n" + _HOST + headers + b"\r\n" + body


def get(line: bytes = b"GET / HTTP/1.1", headers: bytes = _HOST) -> bytes:
    return line + b"\r\n" + headers + b"\r\n"


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked\r\n", body)


REFUSED: dict[str, tuple[bytes, int]] = {
    # Two lengths, or none that can be trusted (RFC 9112, section 6.3; RFC 9110, section 8.6).
    "two equal lengths": (post(b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc"), 400),
    "two different lengths": (post(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abc"), 400),
    "a list of lengths": (post(b"Content-Length: 3, 3\r\n", b"abc"), 400),
    "a signed length": (post(b"Content-Length: +3\r\n", b"abc"), 400),
    "a negative length": (post(b"Content-Length: -3\r\n", b"abc"), 400),
    "a hexadecimal length": (post(b"Content-Length: 0x3\r\n", b"abc"), 400),
    "a length with a blank inside": (post(b"Content-Length: 1 1\r\n", b"abc"), 400),
    "an empty length": (post(b"Content-Length:\r\n"), 400),
    "a length beyond 64 bits": (post(b"Content-Length: 99999999999999999999\r\n"), 400),
    "length, then coding": (post(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    "coding, then length": (post(b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"0\r\n\r\n"), 400),
    "a length in the trailers": (chunked(b"0\r\nContent-Length: 3\r\n\r\n"), 400),
    # Codings.
    "chunked twice": (post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    "chunked, then identity": (
        post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n"),
        400,
    ),
    "chunked not last": (post(b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n"), 400),
    "identity": (post(b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n"), 400),
    "something like chunked": (post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), 400),
    "chunked in quotes": (post(b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"), 400),
    "chunked behind a vertical tab": (post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"), 400),
    "gzip, then chunked": (post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), 501),
    "chunked in HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    # Chunks (RFC 9112, section 7.1).
    "no chunk size": (chunked(b"\r\nabc\r\n0\r\n\r\n"), 400),
    "a prefixed chunk size": (chunked(b"0x3\r\nabc\r\n0\r\n\r\n"), 400),
    "a signed chunk size": (chunked(b"+3\r\nabc\r\n0\r\n\r\n"), 400),
    "a negative chunk size": (chunked(b"-1\r\nabc\r\n0\r\n\r\n"), 400),
    "a chunk size with an underscore": (chunked(b"1_0\r\nabc\r\n0\r\n\r\n"), 400),
    "a blank before a chunk size": (chunked(b" 3\r\nabc\r\n0\r\n\r\n"), 400),
    "a blank behind a chunk size": (chunked(b"3 \r\nabc\r\n0\r\n\r\n"), 400),
    "a chunk size beyond 64 bits": (chunked(b"10000000000000003\r\nabc\r\n0\r\n\r\n"), 400),
    "a chunk size that is no number": (chunked(b"xyz\r\nabc\r\n0\r\n\r\n"), 400),
    "more data than the chunk's size": (chunked(b"3\r\nabcd\r\n0\r\n\r\n"), 400),
    "a chunk size ended by LF": (chunked(b"3\nabc\r\n0\r\n\r\n"), 400),
    "chunk data ended by LF": (chunked(b"3\r\nabc\n0\r\n\r\n"), 400),
    "chunk data ended by CR": (chunked(b"3\r\nabc\rX0\r\n\r\n"), 400),
    "a chunk extension with LF": (chunked(b"3;a\nb\r\nabc\r\n0\r\n\r\n"), 400),
    "a chunk extension with CR": (chunked(b"3;a\rb\r\nabc\r\n0\r\n\r\n"), 400),
    "a chunk extension with NUL": (chunked(b"3;\0\r\nabc\r\n0\r\n\r\n"), 400),
    "a line break in a quoted chunk extension": (chunked(b'3;a="\r\n"\r\nabc\r\n0\r\n\r\n'), 400),
    "trailers ended by LF": (chunked(b"0\r\n\n"), 400),
    # Header lines (RFC 9112, section 5).
    "obs-fold": (get(headers=_HOST + b"X: a\r\n b\r\n"), 400),
    "obs-fold with a tab": (get(headers=_HOST + b"X: a\r\n\tb\r\n"), 400),
    "a folded first line": (get(headers=b" X: a\r\n" + _HOST), 400),
    "a header ended by LF": (get(headers=_HOST + b"X: a\n"), 400),
    "a header ended by CR": (get(headers=_HOST + b"X: a\rY: b\r\n"), 400),
    "the head ended by LF": (b"GET / HTTP/1.1\r\nHost: h\r\n\n", 400),
    "NUL in a value": (get(headers=_HOST + b"X: a\0b\r\n"), 400),
    "a control in a value": (get(headers=_HOST + b"X: a\x01b\r\n"), 400),
    "DEL in a value": (get(headers=_HOST + b"X: a\x7fb\r\n"), 400),
    "a blank before the colon": (get(headers=_HOST + b"X : a\r\n"), 400),
    "a blank in a name": (get(headers=_HOST + b"X Y: a\r\n"), 400),
    "an empty name": (get(headers=_HOST + b": a\r\n"), 400),
    "no colon": (get(headers=_HOST + b"X\r\n"), 400),
    "NUL in a name": (get(headers=_HOST + b"X\0: a\r\n"), 400),
    "a name beyond ASCII": (get(headers=_HOST + b"X\xe9: a\r\n"), 400),
    # Host (RFC 9112, section 3.2).
    "no Host": (get(headers=b""), 400),
    "two Hosts": (get(headers=_HOST + _HOST), 400),
    "an empty Host": (get(headers=b"Host:\r\n"), 400),
    "a Host with a path": (get(headers=b"Host: h/x\r\n"), 400),
    "a Host with a user": (get(headers=b"Host: u@h\r\n"), 400),
    "a Host with a blank": (get(headers=b"Host: h x\r\n"), 400),
    "two Hosts in HTTP/1.0": (get(b"GET / HTTP/1.0", _HOST + _HOST), 400),
    # Request line (RFC 9112, section 3).
    "absolute form": (get(b"GET http://other/ HTTP/1.1"), 400),
    "absolute form with https": (get(b"GET https://other/ HTTP/1.1"), 400),
    "a relative path": (get(b"GET x HTTP/1.1"), 400),
    "an asterisk for GET": (get(b"GET * HTTP/1.1"), 400),
    "a fragment": (get(b"GET /a#b HTTP/1.1"), 400),
    "a blank in the target": (get(b"GET /a b HTTP/1.1"), 400),
    "a tab in the target": (get(b"GET /a\tb HTTP/1.1"), 400),
    "NUL in the target": (get(b"GET /a\0b HTTP/1.1"), 400),
    "a target beyond ASCII": (get(b"GET /\xe9 HTTP/1.1"), 400),
    "a tab behind the method": (get(b"GET\t/ HTTP/1.1"), 400),
    "a blank behind the version": (get(b"GET / HTTP/1.1 "), 400),
    "a version in lower case": (get(b"GET / http/1.1"), 400),
    "a request line ended by LF": (b"GET / HTTP/1.1\nHost: h\r\n\r\n", 400),
    "CONNECT": (get(b"CONNECT h:1 HTTP/1.1"), 501),
    "a WebDAV method": (get(b"PROPFIND / HTTP/1.1"), 501),
    "a method that nobody knows": (get(b"FROB / HTTP/1.1"), 501),
    "a method in lower case": (get(b"get / HTTP/1.1"), 501),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 501),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "HTTP/0.9, spelt out": (get(b"GET / HTTP/0.9"), 505),
    "HTTP/1.2": (get(b"GET / HTTP/1.2"), 505),
    "HTTP/2.0": (get(b"GET / HTTP/2.0"), 505),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/3 in one digit": (get(b"GET / HTTP/3"), 400),
    # Expect (RFC 9110, section 10.1.1).
    "an expectation that cannot be met": (post(b"Expect: 200-ok\r\nContent-Length: 1\r\n", b"x"), 417),
}
