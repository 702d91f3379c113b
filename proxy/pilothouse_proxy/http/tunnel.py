"""A way through a proxy: CONNECT (RFC 9110, section 9.3.6), its answer, and what the way is handed on to."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from typing import TypeVar, cast

from pilothouse_api.secret import Secret
from pilothouse_proxy.http import origins
from pilothouse_proxy.http.limits import KIB, ClientLimits
from pilothouse_proxy.http.messages import ConnectError, HTTPError, Origin, Proxy
from pilothouse_proxy.http.parser import ResponseParser

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)

_LIMITS = ClientLimits(header_count=64, header_bytes=8 * KIB)


def credential(username: Secret, password: Secret) -> Secret:
    """The value of Proxy-Authorization (RFC 7617, in UTF-8)."""
    pair = f"{username.reveal()}:{password.reveal()}".encode()
    return Secret(f"Basic {b64encode(pair).decode('ascii')}")


def request(origin: Origin, proxy: Proxy) -> bytes:
    """The head that asks for the way to `origin`; it has no body."""
    place = origins.endpoint(origin.host, origin.port)
    head = f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n"
    if proxy.authorization is not None:
        head += f"proxy-authorization: {proxy.authorization.reveal()}\r\n"
    return f"{head}\r\n".encode("ascii")


class Tunnel(asyncio.Protocol):
    """The first exchange on a connection to a proxy. Then the connection is somebody else's."""

    def __init__(self, origin: Origin, proxy: Proxy, loop: asyncio.AbstractEventLoop) -> None:
        self._origin = origin
        self._proxy = proxy
        self._label = f"the proxy {origins.endpoint(proxy.host, proxy.port)}"
        self._parser = ResponseParser(_LIMITS)
        self._parser.expect(b"CONNECT")
        self._loop = loop
        self._opened: asyncio.Future[None] | None = None
        self._lost = False

    async def open(self) -> None:
        """Until the proxy has opened the way. The transport does not read then.

        Raises:
            ConnectError: it does not, in words that never hold the credential or what the proxy wrote.
        """
        self._opened = self._loop.create_future()
        self._transport.write(request(self._origin, self._proxy))
        if self._lost:
            self._end()
        await self._opened

    def hand_over(self, transport: asyncio.Transport, factory: Callable[[], _Protocol]) -> _Protocol:
        """To who uses the way, over `transport`: the one at hand, or the one that TLS has made of it.

        Raises:
            ConnectError: it has ended already.
        """
        if self._lost:
            raise ConnectError(f"{self._label} opened the way to {self._place} and closed it again")
        protocol = factory()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        transport.resume_reading()
        return protocol

    # The transport's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._opened is None or self._opened.done():
            # Before anything was asked, be it of the proxy or, inside of TLS, of the origin: no answer.
            self._lost = True
            self._transport.abort()
            return
        parser = self._parser
        lines = data.splitlines(keepends=True)
        try:
            # A head ends with a line: what follows in the same read is then known to be no part of it.
            while lines and not parser.head_complete:
                parser.feed(lines.pop(0))
        except HTTPError as error:
            self._refuse(f"{self._label} did not answer CONNECT with well-formed HTTP: {error}")
            return
        if parser.head_complete:
            self._judge(parser.status, surplus=bool(lines))

    def eof_received(self) -> None:
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._end()
        self._parser.close()

    # Inside.

    @property
    def _place(self) -> str:
        return origins.endpoint(self._origin.host, self._origin.port)

    def _judge(self, status: int, *, surplus: bool) -> None:
        if not 200 <= status < 300:
            self._refuse(self._refusal(status))
        elif surplus:
            self._refuse(f"{self._label} sent data of its own behind its answer to CONNECT")
        elif self._opened is not None and not self._opened.done():
            self._transport.pause_reading()
            self._opened.set_result(None)

    def _refusal(self, status: int) -> str:
        if status == 407 and self._proxy.authorization is None:
            return f"{self._label} asks for a user and password (407): name their Secret in connection.proxy.auth"
        if status == 407:
            return (
                f"{self._label} refuses the user and password (407): correct the Secret that connection.proxy.auth "
                "names"
            )
        if status == 403:
            return f"{self._label} does not let connections to {self._place} through (403): permit that place there"
        if status in (502, 503, 504):
            return f"{self._label} does not reach {self._place} ({status})"
        return f"{self._label} refuses to connect to {self._place} ({status})"

    def _end(self) -> None:
        self._refuse(f"{self._label} closed the connection instead of answering CONNECT")

    def _refuse(self, why: str) -> None:
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(ConnectError(why))
