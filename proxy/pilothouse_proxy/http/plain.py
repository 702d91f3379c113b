"""Heads and chunks in their plainest form, read at once and without a state machine. Pure.

Almost all that SDKs and providers send has this form, and to read it so costs a third. Everything else gives None, and
is left to llhttp, which decides: nothing is refused here, and nothing is taken that llhttp would refuse or read in
another way.
"""

from typing import Any, Final

from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.http.request import Memory

_END: Final = b"\r\n\r\n"
_LINE_END: Final = b"\r\n"
_LARGEST_HEAD: Final = 8_192
_LARGEST_KEPT: Final = 2_048
_LESSONS: Final = 4
"""A caller who writes no two heads alike need not be studied for longer."""
_LENGTH: Final = b"\r\ncontent-length:"
_DIGITS: Final = 15
_HEX_DIGITS: Final = 8

# Tables for `translate` that leave what may stand in a place as it is, and change all else (RFC 9110, section 5).
_WORD: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _table(allowed: bytes) -> bytes:
    return bytes(byte if byte in allowed else byte ^ 0x80 for byte in range(256))


_TOKEN: Final = _table(b"!#$%&'*+-.^_`|~" + _WORD)
_HOST: Final = _table(b"-._~!$&'()*+,;=:[]%" + _WORD)
_VALUE: Final = _table(bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)]))
_TARGET: Final = _table(bytes(range(0x21, 0x7F)).replace(b"#", b""))
_HEX_VALUES: Final = bytes(int(chr(byte), 16) if chr(byte) in "0123456789ABCDEFabcdef" else 255 for byte in range(256))


def is_host(value: bytes) -> bool:
    """Whether it may stand in `Host`: characters of a host and a port (RFC 3986, section 3.2)."""
    return bool(value) and value.translate(_HOST) == value


_METHODS: Final = frozenset([b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"])
# They frame a message, or change what becomes of its connection.
_SPECIAL: Final = frozenset(
    [
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    ]
)
_SECRET: Final = frozenset([b"authorization", b"api-key", b"x-api-key", b"cookie", b"proxy-authorization"])


class _Line:
    """A header. One object serves all messages that have the line."""

    def __init__(self, name: bytes, value: bytes) -> None:
        # Typed loosely, for a compiled class would else keep its two parts and make a new pair for each message.
        self.pair: Any = (name, value)
        self.special = name in _SPECIAL


# The same lines come again and again. All bounds keep senders of ever new ones from filling the memory.
_REMEMBERED: Final = 1_024
_REMEMBERED_BYTES: Final = 256
_lines: Final[dict[bytes, _Line]] = {}
_names: Final[dict[bytes, bytes]] = {}
_request_lines: Final[dict[bytes, "RequestLine"]] = {}
_status_lines: Final[dict[bytes, int]] = {}


class RequestLine:
    """`GET /path?query`, of HTTP/1.1."""

    def __init__(self, method: bytes, path: bytes, query: bytes) -> None:
        self.method = method
        self.path = path
        self.query = query


class Head:
    """Of a message. `line` is that of a request, `status` that of an answer."""

    def __init__(self, size: int) -> None:
        self.size = size
        """Where the body begins."""
        self.headers: Headers = []
        self.length = -1
        """What is declared of the body; -1: nothing."""
        self.chunked = False
        self.host = b""
        self.line: RequestLine | None = None
        self.status = 0
        self.memory: Memory | None = None


class Recurrence:
    """The last head on a connection. SDKs write all heads of a connection alike, but for the length of the body.

    A head that recurs is compared instead of read, which costs a tenth. It is kept as long as its connection, and no
    longer, for it holds a key.
    """

    def __init__(self) -> None:
        self._before = self._after = b""
        """What stands on both sides of the length."""
        self._line: RequestLine | None = None
        self._headers: Headers = []
        self._host = b""
        self._place = 0
        self._lessons = _LESSONS
        self._memory: Memory | None = None

    def learn(self, received: bytes, head: Head) -> None:
        """From a head with which the bytes begin, and which was read."""
        self._before = b""
        if not self._lessons or head.length < 0 or head.size > _LARGEST_KEPT:
            return
        self._lessons -= 1
        text = received[: head.size]
        colon = text.lower().find(_LENGTH)
        for place, pair in enumerate(head.headers):
            if pair[0] == b"content-length":
                self._place = place
        value = head.headers[self._place][1]
        start = text.find(value, colon + len(_LENGTH))
        end = start + len(value)
        # Blanks in front of it may be of any number, but what follows is an end of line.
        if colon < 0 or not text.startswith(_LINE_END, end):
            return
        self._before, self._after = text[:start], text[end:]
        self._line, self._headers, self._host = head.line, head.headers, head.host
        self._memory = head.memory = Memory()

    def recall(self, received: bytes) -> Head | None:
        """The head with which the bytes begin, if it is the last one again."""
        before = self._before
        if not before or not received.startswith(before):
            return None
        start = at = len(before)
        last = min(len(received), start + _DIGITS)
        length = 0
        while at < last:
            digit = received[at] - 48
            if digit < 0 or digit > 9:
                break
            length = length * 10 + digit
            at += 1
        after = self._after
        if at == start or not received.startswith(after, at):
            return None
        self._lessons = _LESSONS
        head = Head(at + len(after))
        headers = self._headers.copy()
        headers[self._place] = (b"content-length", received[start:at])
        head.headers, head.length, head.host, head.line = headers, length, self._host, self._line
        head.memory = self._memory
        return head


def request(received: bytes) -> Head | None:
    """The head with which the bytes begin."""
    end = received.find(_END, 0, _LARGEST_HEAD)
    if end < 0:
        return None
    lines = received[:end].split(_LINE_END)
    line = _request_lines.get(lines[0])
    if line is None:
        line = _request_line(lines[0])
        if line is None:
            return None
    head = Head(end + 4)
    if not _read(lines, head) or head.chunked or not is_host(head.host):
        return None
    head.line = line
    return head


def response(received: bytes) -> Head | None:
    """The head with which the bytes begin: of an answer with a body whose end it tells."""
    end = received.find(_END, 0, _LARGEST_HEAD)
    if end < 0:
        return None
    lines = received[:end].split(_LINE_END)
    status = _status_lines.get(lines[0]) or _status(lines[0])
    head = Head(end + 4)
    if not status or not _read(lines, head) or head.chunked == (head.length >= 0):
        return None
    head.status = status
    return head


def chunk_size(received: bytes, start: int) -> tuple[int, int]:
    """(size, where the chunk's data begins) of the chunk at `start`; (-1, 0): it has not arrived, or is not plain."""
    # Digit by digit: once compiled, that is a fifth of what a search and a conversion cost.
    last = min(len(received) - 1, start + _HEX_DIGITS)
    at = start
    size = 0
    while at < last:
        digit = _HEX_VALUES[received[at]]
        if digit > 15:
            break
        size = size * 16 + digit
        at += 1
    if at == start or at >= len(received) - 1 or received[at] != 13 or received[at + 1] != 10:
        return -1, 0
    return size, at + 2


def chunk(received: bytes, start: int) -> tuple[int, int]:
    """(where the data begins, where it ends) of the chunk at `start`; (-1, -1): it is not whole, or is not plain."""
    size, at = chunk_size(received, start)
    end = at + size
    if size < 0 or received[end : end + 2] != _LINE_END:
        return -1, -1
    return at, end


def _read(lines: list[bytes], head: Head) -> bool:
    headers = head.headers
    for index in range(1, len(lines)):
        line = lines[index]
        known = _lines.get(line)
        if known is None:
            known = _line(line)
            if known is None:
                return False
        if known.special and not _mark(known, head):
            return False
        headers.append(known.pair)
    return True


def _mark(known: "_Line", head: Head) -> bool:
    """Take note of a header that frames the message; False for one that is not plain."""
    name: bytes = known.pair[0]
    value: bytes = known.pair[1]
    if name == b"content-length":
        if head.length >= 0 or not value.isdigit() or len(value) > _DIGITS:
            return False
        head.length = int(value)
    elif name == b"host":
        # An empty one is none, but the next would be the second.
        if head.host or not value:
            return False
        head.host = value
    elif name == b"transfer-encoding":
        if head.chunked or value.lower() != b"chunked":
            return False
        head.chunked = True
    else:
        return name == b"connection" and value.lower() == b"keep-alive"
    return True


def _line(line: bytes) -> "_Line | None":
    colon = line.find(b":")
    if colon <= 0:
        return None
    written = line[:colon]
    name = _names.get(written)
    if name is None:
        if written.translate(_TOKEN) != written:
            return None
        name = written.lower()
        if colon <= _REMEMBERED_BYTES:
            if len(_names) >= _REMEMBERED:
                _names.clear()
            _names[written] = name
    value = line[colon + 1 :].strip(b" \t")
    if value.translate(_VALUE) != value:
        return None
    found = _Line(name, value)
    if len(line) <= _REMEMBERED_BYTES and name not in _SECRET:
        if len(_lines) >= _REMEMBERED:
            _lines.clear()
        _lines[line] = found
    return found


def _request_line(line: bytes) -> RequestLine | None:
    words = line.split(b" ")
    if len(words) != 3 or words[2] != b"HTTP/1.1" or words[0] not in _METHODS:
        return None
    target = words[1]
    if not target.startswith(b"/") or target.translate(_TARGET) != target:
        return None
    path, _, query = target.partition(b"?")
    found = RequestLine(words[0], path, query)
    if len(line) <= _REMEMBERED_BYTES:
        if len(_request_lines) >= _REMEMBERED:
            _request_lines.clear()
        _request_lines[line] = found
    return found


def _status(line: bytes) -> int:
    """0 for one without a body, or whose body llhttp must find the end of."""
    words = line.split(b" ", 2)
    if len(words) != 3 or words[0] != b"HTTP/1.1" or len(words[1]) != 3 or not words[1].isdigit():
        return 0
    status = int(words[1])
    if not 200 <= status <= 599 or status in (204, 304) or words[2].translate(_VALUE) != words[2]:
        return 0
    if len(line) <= _REMEMBERED_BYTES:
        if len(_status_lines) >= _REMEMBERED:
            _status_lines.clear()
        _status_lines[line] = status
    return status
