"""The `application/vnd.amazon.eventstream` framing, written out.

https://smithy.io/2.0/aws/amazon-eventstream.html: total length and header length as big-endian u32, CRC-32 of those
eight bytes, headers, payload, CRC-32 of everything before. A header is name length u8, name, type (7 = string), value
length u16, value.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import msgspec

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"
_PADDING: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_STRING: Final = 7


def _headers(pairs: list[tuple[str, str]]) -> bytes:
    encoded = bytearray()
    for name, value in pairs:
        raw_name, raw_value = name.encode(), value.encode()
        encoded += struct.pack(">B", len(raw_name)) + raw_name
        encoded += struct.pack(">BH", _STRING, len(raw_value)) + raw_value
    return bytes(encoded)


def frame(headers: list[tuple[str, str]], payload: bytes) -> bytes:
    """One message."""
    raw = _headers(headers)
    prelude = struct.pack(">II", 12 + len(raw) + len(payload) + 4, len(raw))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + raw + payload
    return message + struct.pack(">I", zlib.crc32(message))


def padded(payload: dict[str, object]) -> bytes:
    """The payload as JSON, with the padding `p` that hides the length of what was said."""
    bare = msgspec.json.encode(payload)
    return msgspec.json.encode({**payload, "p": _PADDING[: (len(bare) * 7) % 60 + 1]})


def event(name: str, payload: dict[str, object]) -> bytes:
    headers = [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")]
    return frame(headers, padded(payload))


def exception(name: str, payload: dict[str, object]) -> bytes:
    """A modelled exception within a stream. Names are in lower camel case there."""
    headers = [(":exception-type", name), (":content-type", "application/json"), (":message-type", "exception")]
    return frame(headers, msgspec.json.encode(payload))


def error(code: str, message: str) -> bytes:
    """An error that the service model does not know: code and text in the headers, no payload."""
    return frame([(":message-type", "error"), (":error-code", code), (":error-message", message)], b"")


def with_bad_crc(message: bytes) -> bytes:
    """The same message, its last checksum wrong by one bit."""
    return message[:-1] + bytes([message[-1] ^ 1])
