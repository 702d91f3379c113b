"""What requests of the matrix hold."""

import base64
import json
import zlib
from typing import Any

HELLO = "Hello there"
QUESTION = 'Please call get_weather {"city": "Oslo"}'
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
ARGUMENTS = {"city": "Oslo"}


def _part(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def _png() -> bytes:
    header = (16).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    rows = zlib.compress((b"\0" + b"\xff" * 48) * 16)
    return b"\x89PNG\r\n\x1a\n" + _part(b"IHDR", header) + _part(b"IDAT", rows) + _part(b"IEND", b"")


PNG = base64.b64encode(_png()).decode()
PDF = base64.b64encode(b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n").decode()


def compact(value: Any) -> bytes:
    """As SDKs write it."""
    return json.dumps(value, separators=(",", ":")).encode()
