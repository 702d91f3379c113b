"""Names to addresses. Those who ask at the same time share one look-up; what it found holds for a moment."""

import asyncio
import socket
from typing import Any, NamedTuple

from pilothouse_proxy.http.messages import ConnectError

_PATIENCE_S = 1.0
"""How long a new look-up is waited for while an older answer could still serve."""
_LAST_GOOD_S = 300.0
"""How long an older answer may serve while the resolver is down."""
_GONE = frozenset([socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)])
"""The resolver is well, and says that there is no such name."""


class Address(NamedTuple):
    """As getaddrinfo gives it."""

    family: int
    kind: int
    protocol: int
    name: str
    where: tuple[Any, ...]


class Resolver:
    """One name and port.

    A look-up takes one of the few threads that the loop has for them: hundreds of connects at once must not take them
    all, and a name whose resolver hangs must not keep the others waiting.
    """

    def __init__(self, host: str, port: int, *, keep_s: float) -> None:
        self._host = host
        self._port = port
        self._keep_s = keep_s
        self._asking: asyncio.Future[list[Address]] | None = None
        self._found: list[Address] = []
        self._found_at = 0.0

    async def addresses(self) -> list[Address]:
        """At least one, in the resolver's order. Takes as long as the resolver does: the caller bounds it.

        Raises:
            ConnectError: the name has none, or cannot be looked up.
        """
        now = asyncio.get_running_loop().time()
        if self._found and now - self._found_at < self._keep_s:
            return self._found
        asking = self._asking
        if asking is None or asking.done():
            asking = self._asking = asyncio.ensure_future(self._ask())
            asking.add_done_callback(_noted)
        if not self._found or now - self._found_at > _LAST_GOOD_S:
            # Shielded: who gives up must not end it for the others.
            return await asyncio.shield(asking)
        done, _ = await asyncio.wait([asking], timeout=_PATIENCE_S)
        return asking.result() if done else self._found

    async def _ask(self) -> list[Address]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno not in _GONE and self._found and loop.time() - self._found_at <= _LAST_GOOD_S:
                return self._found
            raise ConnectError(f"the name {self._host} cannot be resolved: {error.strerror}") from None
        except UnicodeError:
            raise ConnectError(f"{self._host} is no host name: a part of it is empty or too long") from None
        if not found:
            raise ConnectError(f"the name {self._host} has no addresses")
        self._found = [Address(*entry) for entry in found]
        self._found_at = loop.time()
        return self._found


def _noted(asking: asyncio.Future[list[Address]]) -> None:
    """Whoever waited may have given up: nobody else asks for what became of it."""
    if not asking.cancelled():
        asking.exception()
