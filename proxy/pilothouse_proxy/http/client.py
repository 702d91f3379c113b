"""Requests out: encoding, pools by origin, the one retry that is safe."""

import asyncio
import ssl

from pilothouse_proxy.http import heads, origins, tls
from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import ConnectError, Origin, UpstreamRequest
from pilothouse_proxy.http.pool import Pool
from pilothouse_proxy.http.upstream import Stale, UpstreamConnection, UpstreamResponse

__all__ = ["Client", "UpstreamResponse"]

_BODY_EXPECTED = frozenset([b"POST", b"PUT", b"PATCH"])


class Client:
    """Sends requests over kept connections. The counters are plain numbers for whoever exports them."""

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._pools: dict[Origin, tuple[Pool, bytes]] = {}
        self.requests = 0
        self.stale_retries = 0

    async def send(self, request: UpstreamRequest, *, first_byte_timeout_s: float) -> UpstreamResponse:
        """Send a request; return when the head of its answer is there.

        A reused connection that turns out to be closed before the request got through is replaced by a new one, once.

        Raises:
            HTTPError: one of the five of `messages`. Where a connection must be made or waited for, that has its own
                time, the origin's, and is part of `first_byte_timeout_s` too.
        """
        kept = self._pools.get(request.origin)
        pool, host = kept if kept is not None else self._pool(request.origin)
        wire = self._wire(request, host)
        self.requests += 1
        left_s = first_byte_timeout_s
        connection = pool.take()
        if connection is None:
            connection, left_s = await _connect(pool, left_s)
        request.sent = True
        try:
            return await connection.exchange(wire, request.method, patience_s=left_s, told_s=first_byte_timeout_s)
        except Stale:
            request.sent = False
            self.stale_retries += 1
        connection, left_s = await _connect(pool, left_s)
        request.sent = True
        return await connection.exchange(wire, request.method, patience_s=left_s, told_s=first_byte_timeout_s)

    def close(self) -> None:
        """Close what is unused at once, the rest as it comes free."""
        for pool, _ in self._pools.values():
            pool.close()
        self._pools.clear()

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

    def _wire(self, request: UpstreamRequest, host: bytes) -> list[bytes]:
        """Head and body as they are written: in one piece, or in two where copying the body costs more."""
        body = request.body
        head = heads.request_line(request.method, request.target) + host + heads.header_lines(request.headers)
        if b"accept-encoding: " not in head:
            head += b"accept-encoding: identity\r\n"
        if body or request.method in _BODY_EXPECTED:
            head += b"content-length: %d\r\n\r\n" % len(body)
        else:
            head += b"\r\n"
        if not body:
            return [head]
        return [head + body] if len(body) <= self._limits.join_bytes else [head, body]


async def _connect(pool: Pool, within_s: float) -> tuple[UpstreamConnection, float]:
    """A connection, and what is left of the time."""
    now = asyncio.get_running_loop().time
    began = now()
    connection = await pool.connect(within_s)
    return connection, within_s - (now() - began)


def _context(origin: Origin) -> ssl.SSLContext:
    try:
        return tls.client_context(origin.ca_bundle)
    except (ssl.SSLError, ValueError) as error:
        raise ConnectError(f"the CA bundle for {origin.host} holds no readable PEM certificate") from error
