"""What passes between the sockets and the rest of the proxy. Pure values."""

import enum
from typing import NewType

import msgspec

from pilothouse_api.secret import Secret
from pilothouse_proxy.http.body import Body

Headers = list[tuple[bytes, bytes]]
"""In the order of the wire, names in lower case, values without surrounding blanks."""

Lines = NewType("Lines", bytes)
"""Headers written out, each line ended by CRLF; several can be joined. For what is sent again and again, or made of
numbers: whoever builds one without `heads.header_lines` answers for it that no value holds a line break."""


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """Who opens the way to an origin (CONNECT). `ca_bundle` as an origin's, for a proxy that is spoken to over TLS."""

    scheme: str
    host: str
    port: int
    ca_bundle: str | None = None
    authorization: Secret | None = None
    """The value of Proxy-Authorization."""


class Origin(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """Where a connection goes; the key of the pool. `ca_bundle` is PEM text, None = the system's trust."""

    scheme: str
    host: str
    port: int
    ca_bundle: str | None = None
    connect_timeout_s: float = 5.0
    pool_size: int = 256
    proxy: Proxy | None = None


class UpstreamRequest(msgspec.Struct, kw_only=True):
    """One request to send. `target` is the raw path and query.

    The client adds `host`, `content-length` and `connection`.
    """

    origin: Origin
    method: bytes
    target: bytes
    headers: Headers | Lines = []
    body: Body = b""
    sent: bool = False
    """Set by the client: bytes of it have left, so that somebody may be at work on it."""

    def __repr__(self) -> str:
        """Without what it is signed in with, and what the caller says."""
        return f"{type(self).__name__}({self.method!r} to {self.origin!r})"


class Phase(enum.StrEnum):
    """Which wait ran out."""

    CONNECT = "connect"
    FIRST_BYTE = "first byte"
    IDLE = "idle"
    TOTAL = "total"


class HTTPError(Exception):
    """What the other side, or the way to it, did wrong. The text never holds a header or a body."""


class ConnectError(HTTPError):
    """No connection: name, route, refusal, TLS. Nothing was sent: always safe to try again."""


class TimedOut(HTTPError):
    """A wait ran out."""

    def __init__(self, phase: Phase, seconds: float, silent: str = "") -> None:
        """`silent`: who did not answer, where it is not the upstream itself or has a name."""
        super().__init__(f"no answer {f'from {silent} ' if silent else ''}within {seconds:g} s ({phase})")
        self.phase = phase


class Closed(HTTPError):
    """The connection ended before the message did."""


class ProtocolError(HTTPError):
    """What arrived is not HTTP/1.1 as RFC 9112 wants it."""


class TooLarge(HTTPError):
    """A message or a part of it is over its limit."""
