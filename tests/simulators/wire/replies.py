"""What a service answers with: bytes in timed steps, and how the exchange ends."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulators.recorder import Record

Step = tuple[float, bytes]
"""Seconds to wait, then the bytes to send."""

Headers = Sequence[tuple[str, str]]

LAST_CHUNK = b"0\r\n\r\n"


class Ending(enum.Enum):
    """What happens to the connection after the last step."""

    KEEP = "keep"  # the next request may follow
    CLOSE = "close"  # FIN
    RESET = "reset"  # RST
    HANG = "hang"  # nothing more, until the client goes


@dataclass(slots=True)
class Reply:
    steps: Sequence[Step]
    ending: Ending = Ending.KEEP
    record: Record | None = field(default=None)


def head(status: int, headers: Headers) -> bytes:
    """The status line and headers, ready to send, blank line included."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers]
    lines.append("\r\n")
    return "".join(lines).encode("latin-1")


def whole(status: int, headers: Headers, body: bytes) -> bytes:
    """A complete answer with its length."""
    return head(status, [*headers, ("content-length", str(len(body)))]) + body


def chunk(payload: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def stream_head(status: int, headers: Headers) -> bytes:
    return head(status, [*headers, ("transfer-encoding", "chunked")])
