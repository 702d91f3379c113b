"""From an origin to a connected transport: resolution, several addresses, a proxy in between, TLS, errors in words."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import TypeVar

from pilothouse_proxy.http import origins, race, tls
from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import ConnectError, Origin, Phase, Proxy, TimedOut
from pilothouse_proxy.http.resolve import Resolver
from pilothouse_proxy.http.tunnel import Tunnel

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)

_SHUTDOWN_S = 2.0


class Dialer:
    """Makes the connections to one origin. Each begins with another of its addresses, or of its proxy's."""

    def __init__(self, origin: Origin, context: ssl.SSLContext | None, limits: ClientLimits) -> None:
        hop = origin.proxy or origin
        self.origin = origin
        self.context = context
        self.resolver = Resolver(hop.host, hop.port, keep_s=limits.resolved_s)
        self.hop = f"{'the proxy ' if origin.proxy else ''}{origins.endpoint(hop.host, hop.port)}"
        """Where TCP leads, for people."""
        self.head_start_s = limits.attempt_delay_s
        self.turn = 0

    async def dial(self, factory: Callable[[], _Protocol], *, within_s: float) -> _Protocol:
        """A new connection.

        Raises:
            ConnectError: name, route, refusal, proxy or TLS, in words.
            TimedOut: none of it came to an end in time.
        """
        self.turn += 1
        dialling = _Dialling(self, self.turn)
        try:
            async with asyncio.timeout(within_s):
                return await dialling.dial(factory)
        except TimeoutError:
            raise TimedOut(Phase.CONNECT, within_s, dialling.awaited) from None


class _Dialling:
    """One connection in the making. `awaited` is whose turn it is, for the error of who loses patience."""

    def __init__(self, dialer: Dialer, turn: int) -> None:
        self._dialer = dialer
        self._turn = turn
        self._origin = dialer.origin
        self.awaited = ""

    async def dial(self, factory: Callable[[], _Protocol]) -> _Protocol:
        dialer, origin = self._dialer, self._origin
        first = dialer.context if origin.proxy is None else _proxy_context(origin.proxy)
        self.awaited = f"the resolver for {(origin.proxy or origin).host}"
        addresses = await dialer.resolver.addresses()
        self.awaited = dialer.hop
        with _in_words(dialer.hop):
            connected = await race.connect(addresses, turn=self._turn, head_start_s=dialer.head_start_s)
        if origin.proxy is not None:
            return await self._through(origin.proxy, first, connected, factory)
        with _in_words(dialer.hop):
            _, protocol = await self._wrap(connected, first, origin.host, factory)
        return protocol

    async def _through(
        self, proxy: Proxy, first: ssl.SSLContext | None, connected: socket.socket, factory: Callable[[], _Protocol]
    ) -> _Protocol:
        loop = asyncio.get_running_loop()
        with _in_words(self._dialer.hop):
            transport, tunnel = await self._wrap(
                connected, first, proxy.host, lambda: Tunnel(self._origin, proxy, loop)
            )
        try:
            await tunnel.open()
            context = self._dialer.context
            if context is not None:
                place = origins.endpoint(self._origin.host, self._origin.port)
                self.awaited = f"{place}, through {self._dialer.hop},"
                with _in_words(f"{place}, through {self._dialer.hop},"):
                    transport = await self._secured(transport, tunnel, context)
            return tunnel.hand_over(transport, factory)
        except BaseException:
            transport.abort()
            raise

    async def _wrap(
        self, connected: socket.socket, context: ssl.SSLContext | None, host: str, factory: Callable[[], _Protocol]
    ) -> tuple[asyncio.Transport, _Protocol]:
        loop = asyncio.get_running_loop()
        try:
            if context is None:
                return await loop.create_connection(factory, sock=connected)
            return await loop.create_connection(
                factory,
                sock=connected,
                ssl=context,
                server_hostname=host,
                ssl_handshake_timeout=self._origin.connect_timeout_s,
                ssl_shutdown_timeout=_SHUTDOWN_S,
            )
        except BaseException:
            connected.close()
            raise

    async def _secured(
        self, transport: asyncio.Transport, tunnel: Tunnel, context: ssl.SSLContext
    ) -> asyncio.Transport:
        secured = await asyncio.get_running_loop().start_tls(
            transport,
            tunnel,
            context,
            server_hostname=self._origin.host,
            ssl_handshake_timeout=self._origin.connect_timeout_s,
            ssl_shutdown_timeout=_SHUTDOWN_S,
        )
        if secured is None:
            raise ConnectionAbortedError("the connection ended while TLS was made of it")
        return secured


def _proxy_context(proxy: Proxy) -> ssl.SSLContext | None:
    if proxy.scheme != "https":
        return None
    try:
        return tls.client_context(proxy.ca_bundle)
    except (ssl.SSLError, ValueError) as error:
        raise ConnectError(f"the CA bundle for the proxy {proxy.host} holds no readable PEM certificate") from error


@contextlib.contextmanager
def _in_words(where: str) -> Iterator[None]:
    """What the system and the TLS library say of the way to `where`, as a ConnectError."""
    try:
        yield
    except TimeoutError:
        # The clock's, or the system's own: it gives up later than any connect timeout, unless that is very long.
        raise
    except ssl.SSLError as error:
        raise ConnectError(tls.fault(error, where)) from None
    except ConnectionRefusedError:
        raise ConnectError(f"{where} refuses connections") from None
    except OSError as error:
        told = error.strerror or str(error) or "the other side closed it before it was ready"
        raise ConnectError(f"no connection to {where}: {told}") from None
