"""How much the system takes in advance for a reader."""

import asyncio
import socket


def bound(listener: asyncio.Server, size: int) -> None:
    """For all connections to come, where the system knows it: bytes that are written and not yet on the wire.

    Else it takes up to 4 MiB for a reader who takes nothing. A container's memory counts them, and back-pressure begins
    only behind them.
    """
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None:
        for listening in listener.sockets:
            listening.setsockopt(socket.IPPROTO_TCP, option, size)
