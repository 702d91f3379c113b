"""How the heads of messages are written. Pure."""

from functools import lru_cache
from http import HTTPStatus
from typing import Final

from pilothouse_proxy.http.messages import Headers, Lines, ProtocolError

_OWN: Final = frozenset(
    (
        b"connection",
        b"content-length",
        b"date",
        b"host",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Hop-by-hop and framing headers (RFC 9110, section 7.6.1; RFC 9112, section 6): written by this room alone."""

_TARGET: Final = bytes(range(0x21, 0x7F))
_TOKEN = b"!#$%&'*+-.^_`|~" + bytes(c for c in range(128) if chr(c).isalnum())

STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def status_line(status: int) -> bytes:
    """With the phrase that the registry gives; an unregistered status has none (RFC 9112, section 4)."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def header_lines(headers: Headers | Lines) -> Lines:
    """Header lines, each ended by CRLF. Framing and hop-by-hop headers are left out. Lines are taken as they are.

    Raises:
        ProtocolError: a line break or NUL in a name or value, which would smuggle in a header or a message.
    """
    if isinstance(headers, bytes):
        return Lines(headers)
    lines = [name + b": " + value for name, value in headers if name not in _OWN]
    if not lines:
        return Lines(b"")
    lines.append(b"")
    block = b"\r\n".join(lines)
    count = len(lines) - 1
    if block.count(b"\n") != count or block.count(b"\r") != count or block.find(b"\0") >= 0:
        raise ProtocolError("a header to send holds a line break or NUL")
    return Lines(block)


@lru_cache(maxsize=1_024)
def request_line(method: bytes, target: bytes) -> bytes:
    """The start line.

    Raises:
        ProtocolError: the method is no token, or the target holds a blank, a control or a non-ASCII character.
    """
    if not target or target.translate(None, _TARGET) or not method or method.translate(None, _TOKEN):
        raise ProtocolError("a request line to send holds a blank or a character that does not belong there")
    return b"%b %b HTTP/1.1\r\n" % (method, target)
