"""The first of several addresses to connect (RFC 8305)."""

import asyncio
import errno
import socket
from itertools import chain, zip_longest

from pilothouse_proxy.http.resolve import Address

_NO_WAY = frozenset(
    (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETDOWN, errno.EPERM)
)
"""Tells of the way, or of this machine (no IPv6), rather than of the server."""


async def connect(addresses: list[Address], *, turn: int, head_start_s: float) -> socket.socket:
    """A connected socket. Each address gets a head start over the next; `turn` rotates which comes first.

    Raises:
        OSError: none connects; what tells most of the reasons.
    """
    left = ordered(addresses, turn)
    running: set[asyncio.Task[socket.socket]] = set()
    problem: OSError | None = None
    try:
        while left or running:
            if left:
                running.add(asyncio.ensure_future(_attempt(left.pop(0))))
            done, running = await asyncio.wait(
                running, timeout=head_start_s if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            winner, problem = _settle(done, problem)
            if winner is not None:
                return winner
    finally:
        for loser in running:
            loser.add_done_callback(_discard)
            loser.cancel()
    raise problem or OSError("there is no address to connect to")


def ordered(found: list[Address], turn: int) -> list[Address]:
    """Families take turns, the resolver's first choice first; within a family the start rotates."""
    families: dict[int, list[Address]] = {}
    for address in found:
        families.setdefault(address.family, []).append(address)
    rotated = (group[turn % len(group) :] + group[: turn % len(group)] for group in families.values())
    return [address for address in chain.from_iterable(zip_longest(*rotated)) if address is not None]


def _settle(
    done: set[asyncio.Task[socket.socket]], problem: OSError | None
) -> tuple[socket.socket | None, OSError | None]:
    winner: socket.socket | None = None
    for attempt in done:
        failure = attempt.exception()
        if failure is None and winner is None:
            winner = attempt.result()
        elif failure is None:
            attempt.result().close()
        elif not isinstance(failure, OSError):
            raise failure
        elif problem is None or (problem.errno in _NO_WAY and failure.errno not in _NO_WAY):
            problem = failure
    return winner, problem


def _discard(loser: asyncio.Task[socket.socket]) -> None:
    if not loser.cancelled() and loser.exception() is None:
        loser.result().close()


async def _attempt(address: Address) -> socket.socket:
    attempt = socket.socket(address.family, address.kind, address.protocol)
    try:
        attempt.settimeout(0)
        await asyncio.get_running_loop().sock_connect(attempt, address.where)
    except BaseException:
        attempt.close()
        raise
    return attempt
