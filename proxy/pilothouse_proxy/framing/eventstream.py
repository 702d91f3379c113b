"""AWS's binary event stream (`application/vnd.amazon.eventstream`), read and written.

    ┌ total u32 ┬ headers u32 ┬ CRC32 of these 8 ┬ headers … ┬ payload … ┬ CRC32 of all before ┐
    header = name length u8, name, type u8, value (by type)

All numbers big-endian. Source: the Smithy specification, "Amazon event stream".
"""

import enum
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple
from zlib import crc32

from pilothouse_proxy.errors import UpstreamBroken

_crc32: Final = crc32
"""What a module has imported is looked up anew at each use."""

MAX_MESSAGE_BYTES: Final = 24 * 1024 * 1024
MAX_HEADERS_BYTES: Final = 128 * 1024

_OVERHEAD_BYTES: Final = 16
"""The prelude with its CRC, and the CRC at the end."""


class HeaderType(enum.IntEnum):
    """How a header's value is written."""

    TRUE = 0
    FALSE = 1
    BYTE = 2
    SHORT = 3
    INTEGER = 4
    LONG = 5
    BYTES = 6
    STRING = 7
    TIMESTAMP = 8
    UUID = 9


Value = bool | int | bytes | str
"""A timestamp is an int (milliseconds since 1970), a UUID its 16 bytes."""


class Typed(NamedTuple):
    """A value for `encode` whose type Python's own does not tell."""

    type: HeaderType
    value: Value


class Message:
    """One frame. `headers` is shared between messages that have the same ones: read-only."""

    def __init__(self, headers: Mapping[str, Value], payload: bytes) -> None:
        self.headers = headers
        self.payload = payload


_NUMBERS: Final = {
    HeaderType.BYTE: struct.Struct(">b"),
    HeaderType.SHORT: struct.Struct(">h"),
    HeaderType.INTEGER: struct.Struct(">i"),
    HeaderType.LONG: struct.Struct(">q"),
    HeaderType.TIMESTAMP: struct.Struct(">q"),
}

# A service sends the same few header blocks again and again (one per kind of event): each is parsed once. Both bounds
# keep a stream with ever new headers from filling the memory.
_PARSED: Final[dict[bytes, Mapping[str, Value]]] = {}
_PARSED_MAX: Final = 256
_PARSED_BLOCK_MAX_BYTES: Final = 512


class Decoder:
    """Feed it bytes in any cut, get whole messages: the cut does not change them."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._needed = 0
        self._block = b""
        self._headers: Mapping[str, Value] = {}
        """Of the message before, and what they say."""
        self.broken: UpstreamBroken | None = None

    def feed(self, received: bytes) -> list[Message]:
        """The messages that are whole now, both checksums verified."""
        if self.broken is not None:
            return []
        if self._pending:
            self._pending += received
            if len(self._pending) < self._needed:
                return []
            received = bytes(self._pending)
            self._pending.clear()
        messages: list[Message] = []
        try:
            start = self._cut(received, messages)
        except UpstreamBroken as broken:
            self.broken = broken
        else:
            if start < len(received):
                self._pending += received[start:]
        return messages

    def end(self) -> None:
        """Call at the end of the stream: sets `broken` if it was cut inside a message."""
        if self._pending and self.broken is None:
            self.broken = UpstreamBroken(
                f"the event stream ended inside a message, after {len(self._pending)} bytes of it"
            )

    def _cut(self, stream: bytes, messages: list[Message]) -> int:
        """Appends whole messages, gives where the first incomplete one starts, sets how many bytes that one needs."""
        start = 0
        size = len(stream)
        while size - start >= 12:
            total = _number(stream, start)
            headers_size = _number(stream, start + 4)
            if _crc32(stream[start : start + 8]) != _number(stream, start + 8):
                raise UpstreamBroken("an event stream message has a wrong prelude checksum")
            if total > MAX_MESSAGE_BYTES or headers_size > MAX_HEADERS_BYTES or headers_size + _OVERHEAD_BYTES > total:
                raise UpstreamBroken(
                    f"an event stream message has impossible sizes: {total} bytes, headers {headers_size}"
                )
            end = start + total
            if end > size:
                self._needed = total
                return start
            if _crc32(stream[start : end - 4]) != _number(stream, end - 4):
                raise UpstreamBroken("an event stream message has a wrong checksum")
            payload_start = start + 12 + headers_size
            block = stream[start + 12 : payload_start]
            # A text comes in many messages of one kind.
            if block != self._block:
                self._headers = _PARSED.get(block) or _parse_headers(block)
                self._block = block
            messages.append(Message(self._headers, stream[payload_start : end - 4]))
            start = end
        self._needed = 12
        return start


def encode(headers: Mapping[str, Value | Typed], payload: bytes) -> bytes:
    """One message. A plain str, bytes, bool or int (as LONG) needs no `Typed`.

    Raises:
        ValueError: a name or value does not fit its length field, or the message is over the format's bounds.
    """
    block = b"".join(_encode_header(name, value) for name, value in headers.items())
    total = len(block) + len(payload) + _OVERHEAD_BYTES
    if len(block) > MAX_HEADERS_BYTES or total > MAX_MESSAGE_BYTES:
        raise ValueError(f"too large for an event stream message: {total} bytes, headers {len(block)}")
    sizes = struct.pack(">II", total, len(block))
    message = sizes + _crc32(sizes).to_bytes(4) + block + payload
    return message + _crc32(message).to_bytes(4)


def _number(stream: bytes, at: int) -> int:
    # Byte by byte: once compiled, a tenth of what unpacking costs.
    return stream[at] << 24 | stream[at + 1] << 16 | stream[at + 2] << 8 | stream[at + 3]


def _parse_headers(block: bytes) -> Mapping[str, Value]:
    headers: dict[str, Value] = {}
    at = 0
    try:
        while at < len(block):
            name_end = at + 1 + block[at]
            name = block[at + 1 : name_end].decode()
            value, at = _parse_value(block, block[name_end], name_end + 1)
            if name in headers:
                raise UpstreamBroken(f"an event stream message has the header {name!r} twice")
            headers[name] = value
    except (IndexError, struct.error, UnicodeDecodeError):
        raise UpstreamBroken("an event stream message has headers that do not add up") from None
    shared = MappingProxyType(headers)
    if len(block) <= _PARSED_BLOCK_MAX_BYTES:
        if len(_PARSED) >= _PARSED_MAX:
            _PARSED.clear()
        _PARSED[block] = shared
    return shared


def _parse_value(block: bytes, type_number: int, at: int) -> tuple[Value, int]:
    if type_number in (HeaderType.STRING, HeaderType.BYTES):
        start = at + 2
        end = start + int.from_bytes(block[at:start])
        value = _exactly(block, start, end)
        return (value.decode() if type_number == HeaderType.STRING else value), end
    if type_number in (HeaderType.TRUE, HeaderType.FALSE):
        return type_number == HeaderType.TRUE, at
    if type_number == HeaderType.UUID:
        return _exactly(block, at, at + 16), at + 16
    if type_number not in _NUMBERS:
        raise UpstreamBroken(f"an event stream message has a header of the unknown type {type_number}")
    number = _NUMBERS[HeaderType(type_number)]
    return number.unpack_from(block, at)[0], at + number.size


def _exactly(block: bytes, start: int, end: int) -> bytes:
    if end > len(block):
        raise IndexError(end)
    return block[start:end]


def _encode_header(name: str, value: Value | Typed) -> bytes:
    encoded = name.encode()
    if not 1 <= len(encoded) <= 255:
        raise ValueError(f"a header name of {len(encoded)} bytes; 1 to 255 fit")
    kind, plain = value if isinstance(value, Typed) else (_type_of(value), value)
    return bytes((len(encoded),)) + encoded + bytes((kind,)) + _encode_value(kind, plain)


def _type_of(value: Value) -> HeaderType:
    if isinstance(value, bool):
        return HeaderType.TRUE if value else HeaderType.FALSE
    if isinstance(value, int):
        return HeaderType.LONG
    return HeaderType.STRING if isinstance(value, str) else HeaderType.BYTES


def _encode_value(kind: HeaderType, value: Value) -> bytes:
    if kind in (HeaderType.TRUE, HeaderType.FALSE):
        return b""
    if isinstance(value, int):
        try:
            return _NUMBERS[kind].pack(value)
        except (struct.error, KeyError):
            raise ValueError(f"the number {value} is no {kind.name}") from None
    content = value.encode() if isinstance(value, str) else value
    if kind is HeaderType.UUID and len(content) == 16:
        return content
    if kind not in (HeaderType.STRING, HeaderType.BYTES) or len(content) > 0xFFFF:
        raise ValueError(f"a value of {len(content)} bytes is no {kind.name}")
    return len(content).to_bytes(2) + content
