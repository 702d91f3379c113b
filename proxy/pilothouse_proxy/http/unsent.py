"""How much the system takes in advance for a reader."""

import socket
from collections.abc import Iterable


def bound(sockets: Iterable[socket.socket], size: int) -> None:
    """For all connections to come, where the system knows it: bytes that are written and not yet on the wire.

    Else it takes up to 4 MiB for a reader who takes nothing. A container's memory counts them, and back-pressure begins
    only behind them.
    """
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None:
        for listening in sockets:
            listening.setsockopt(socket.IPPROTO_TCP, option, size)
