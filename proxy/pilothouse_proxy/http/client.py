"""Requests out: encoding, pools by origin."""

import asyncio
import ssl
from typing import Final

from pilothouse_proxy.http import heads, origins, tls
from pilothouse_proxy.http.body import LARGE_BYTES, Pieces
from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import ConnectError, Origin, UpstreamRequest
from pilothouse_proxy.http.pool import Pool
from pilothouse_proxy.http.response import UpstreamResponse
from pilothouse_proxy.http.transfer import Transfer
from pilothouse_proxy.http.upstream import Receiver

__all__ = ["Client", "Receiver", "Transfer", "UpstreamResponse"]

_BODY_EXPECTED: Final = frozenset([b"POST", b"PUT", b"PATCH"])


class Client:
    """Sends requests over kept connections. The counters are plain numbers for whoever exports them."""

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._pools: dict[Origin, tuple[Pool, bytes]] = {}
        self.requests = 0

    def begin(self, request: UpstreamRequest, receiver: Receiver, *, first_byte_timeout_s: float) -> Transfer:
        """Send a request; what becomes of it is told to `receiver`, never before this returns.

        Raises:
            ConnectError: the origin is none that can be connected to.
            ProtocolError: a header holds what would smuggle in another.
        """
        kept = self._pools.get(request.origin)
        pool, host = kept if kept is not None else self._pool(request.origin)
        self.requests += 1
        transfer = Transfer(pool, self._wire(request, host), request, receiver, first_byte_timeout_s)
        transfer.start()
        return transfer

    async def send(self, request: UpstreamRequest, *, first_byte_timeout_s: float) -> UpstreamResponse:
        """Send a request; return when the head of its answer is there.

        Raises:
            HTTPError: one of the five of `messages`. Where a connection must be made or waited for, that has its own
                time, the origin's, and is part of `first_byte_timeout_s` too.
        """
        response = UpstreamResponse(asyncio.get_running_loop(), buffer_bytes=self._limits.buffer_bytes)
        response.transfer = self.begin(request, response, first_byte_timeout_s=first_byte_timeout_s)
        try:
            await response.head()
        except BaseException:
            response.abort()
            raise
        return response

    def close(self) -> None:
        """Close what is unused at once, the rest as it comes free."""
        for pool, _ in self._pools.values():
            pool.close()
        self._pools.clear()

    @property
    def stale_retries(self) -> int:
        """Requests that went out a second time, because nobody had read the first."""
        return sum(pool.stale_retries for pool, _ in self._pools.values())

    @property
    def connections(self) -> int:
        """Open ones, to all origins."""
        return sum(pool.open for pool, _ in self._pools.values())

    def _pool(self, origin: Origin) -> tuple[Pool, bytes]:
        context: ssl.SSLContext | None = None
        if origin.scheme == "https":
            context = _context(origin)
        elif origin.scheme != "http":
            raise ConnectError(f"{origin.scheme} is not a scheme that can be connected to; use https or http")
        host = origins.authority(origin.scheme, origin.host, origin.port)
        # Places that the configuration has left: nothing else drops them, and a new one is rare.
        self._pools = {place: entry for place, entry in self._pools.items() if entry[0].open}
        entry = (Pool(origin, context, self._limits, asyncio.get_running_loop()), b"host: %b\r\n" % host.encode())
        self._pools[origin] = entry
        return entry

    def _wire(self, request: UpstreamRequest, host: bytes) -> list[bytes | memoryview]:
        """Head and body as they are written: in one piece, or in several where copying the body costs more."""
        body = request.body
        size = len(body)
        method = request.method
        line, lines = heads.request_line(method, request.target), heads.header_lines(request.headers)
        coding = b"" if lines.find(b"accept-encoding: ") >= 0 else b"accept-encoding: identity\r\n"
        framing = b"\r\n"
        if size or method in _BODY_EXPECTED:
            framing = b"content-length: " + str(size).encode() + b"\r\n\r\n"
        if isinstance(body, Pieces):
            return [b"".join((line, host, lines, coding, framing)), *body.parts]
        if size > LARGE_BYTES:
            return [b"".join((line, host, lines, coding, framing)), body]
        return [b"".join((line, host, lines, coding, framing, body))]


def _context(origin: Origin) -> ssl.SSLContext:
    try:
        return tls.client_context(origin.ca_bundle)
    except (ssl.SSLError, ValueError) as error:
        raise ConnectError(f"the CA bundle for {origin.host} holds no readable PEM certificate") from error
