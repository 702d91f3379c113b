"""Connections with TLS, accepted one by one.

A handshake costs a millisecond and a connection in it some memory: who may come in is asked before, which the event
loop's own servers leave no place for.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from ssl import SSLContext
from typing import Protocol, cast

from pilothouse_proxy.http import unsent
from pilothouse_proxy.http.doors import Doors
from pilothouse_proxy.http.limits import Limits

BACKLOG = 2048
_SHUTDOWN_S = 5.0
# Without a free descriptor another try ends the same way, until something is closed.
_EXHAUSTED_PAUSE_S = 0.1

logger = logging.getLogger(__name__)


class Guest(Protocol):
    """What speaks on a connection."""

    @property
    def made(self) -> bool:
        """Whether its `connection_made` was called: from then on it says itself when it has gone."""
        ...


class SecureListener:
    """Listens on every address of a host."""

    def __init__(
        self,
        sockets: list[socket.socket],
        context: SSLContext,
        guest: Callable[[], Guest],
        *,
        limits: Limits,
        doors: Doors,
    ) -> None:
        self._sockets = sockets
        self._context = context
        self._guest = guest
        self._timeout_s = limits.handshake_timeout_s
        self._doors = doors
        self._loop = asyncio.get_running_loop()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._accepting = [self._loop.create_task(self._accept(each)) for each in sockets]
        self.port = int(sockets[0].getsockname()[1])

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        context: SSLContext,
        guest: Callable[[], Guest],
        *,
        limits: Limits,
        doors: Doors,
    ) -> "SecureListener":
        """A running one. `guest` makes what speaks on a connection, for which the doors have been asked.

        Raises:
            OSError: the address cannot be bound.
        """
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        sockets: list[socket.socket] = []
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                sockets.append(_bound(family, address))
        except OSError:
            for each in sockets:
                each.close()
            raise
        unsent.bound(sockets, limits.unsent_bytes)
        return cls(sockets, context, guest, limits=limits, doors=doors)

    def close(self) -> None:
        """Accept no more, and give up the handshakes that are under way."""
        for task in (*self._accepting, *self._handshakes):
            task.cancel()
        for each in self._sockets:
            each.close()

    async def _accept(self, listening: socket.socket) -> None:
        exhausted = False
        while True:
            try:
                accepted, address = await self._loop.sock_accept(listening)
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if not exhausted:
                    logger.warning("no connection can be accepted until others end: %s", error)
                exhausted = True
                await asyncio.sleep(_EXHAUSTED_PAUSE_S)
                continue
            exhausted = False
            peer = str(address[0])
            if self._doors.enter(peer):
                # To say so would take the handshake that it must not cost.
                accepted.close()
                continue
            handshake = self._loop.create_task(self._shake_hands(accepted, peer))
            self._handshakes.add(handshake)
            handshake.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, accepted: socket.socket, peer: str) -> None:
        guest = self._guest()
        try:
            await self._loop.connect_accepted_socket(
                lambda: cast("asyncio.Protocol", guest),
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=self._timeout_s,
                ssl_shutdown_timeout=_SHUTDOWN_S,
            )
        except OSError:
            self._doors.handshake_failures += 1
        finally:
            if not guest.made:
                self._doors.leave(peer)


def _bound(family: int, address: tuple[object, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.settimeout(0)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # The other family has a socket of its own where the host's name leads to both.
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening
