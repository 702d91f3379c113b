"""From a name to a connected transport: resolution, several addresses, TLS, errors in words."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from itertools import chain, zip_longest
from typing import Any, NamedTuple, TypeVar

from pilothouse_proxy.http.messages import ConnectError, Origin, Phase, TimedOut

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)


class _Address(NamedTuple):
    """As getaddrinfo gives it."""

    family: int
    kind: int
    protocol: int
    name: str
    where: tuple[Any, ...]


_SHUTDOWN_S = 2.0


async def dial(
    origin: Origin,
    *,
    context: ssl.SSLContext | None,
    factory: Callable[[], _Protocol],
    timeout_s: float,
    turn: int,
    attempt_delay_s: float,
) -> _Protocol:
    """A new connection. The name is resolved anew each time; `turn` rotates which of its addresses comes first.

    Raises:
        ConnectError: name, route, refusal or TLS, in words.
        TimedOut: none of it came to an end within `timeout_s`.
    """
    where = f"{origin.host}:{origin.port}"
    try:
        async with asyncio.timeout(timeout_s):
            connected = await _connect(origin, turn, attempt_delay_s)
            return await _wrap(origin, connected, context, factory)
    except TimeoutError:
        raise TimedOut(Phase.CONNECT, timeout_s) from None
    except socket.gaierror as error:
        raise ConnectError(f"the name {origin.host} cannot be resolved: {error.strerror}") from None
    except ssl.SSLCertVerificationError as error:
        raise ConnectError(f"the certificate of {where} is not trusted: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise ConnectError(
            f"TLS with {where} failed: {error.reason or error.strerror or 'handshake broken off'}"
        ) from None
    except ConnectionRefusedError:
        raise ConnectError(f"{where} refuses connections") from None
    except (OSError, UnicodeError) as error:
        # UnicodeError: a host name that IDNA cannot encode.
        raise ConnectError(f"no connection to {where}: {getattr(error, 'strerror', None) or error}") from None


async def _wrap(
    origin: Origin, connected: socket.socket, context: ssl.SSLContext | None, factory: Callable[[], _Protocol]
) -> _Protocol:
    loop = asyncio.get_running_loop()
    try:
        if context is None:
            _, protocol = await loop.create_connection(factory, sock=connected)
        else:
            _, protocol = await loop.create_connection(
                factory,
                sock=connected,
                ssl=context,
                server_hostname=origin.host,
                ssl_handshake_timeout=origin.connect_timeout_s,
                ssl_shutdown_timeout=_SHUTDOWN_S,
            )
    except BaseException:
        connected.close()
        raise
    return protocol


async def _connect(origin: Origin, turn: int, attempt_delay_s: float) -> socket.socket:
    """The first of the addresses to connect (RFC 8305): each gets a head start over the next."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    addresses = _ordered([_Address(*entry) for entry in found], turn)
    running: set[asyncio.Task[socket.socket]] = set()
    problem: OSError | None = None
    try:
        while addresses or running:
            if addresses:
                running.add(asyncio.ensure_future(_attempt(addresses.pop(0))))
            done, running = await asyncio.wait(
                running, timeout=attempt_delay_s if addresses else None, return_when=asyncio.FIRST_COMPLETED
            )
            winner, problem = _settle(done, problem)
            if winner is not None:
                return winner
    finally:
        for loser in running:
            loser.add_done_callback(_discard)
            loser.cancel()
    raise problem or OSError("the name has no addresses")


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
        elif isinstance(failure, OSError):
            problem = problem or failure
        else:
            raise failure
    return winner, problem


def _discard(loser: asyncio.Task[socket.socket]) -> None:
    if not loser.cancelled() and loser.exception() is None:
        loser.result().close()


async def _attempt(address: _Address) -> socket.socket:
    attempt = socket.socket(address.family, address.kind, address.protocol)
    try:
        attempt.settimeout(0)
        await asyncio.get_running_loop().sock_connect(attempt, address.where)
    except BaseException:
        attempt.close()
        raise
    return attempt


def _ordered(found: list[_Address], turn: int) -> list[_Address]:
    """Families take turns, the resolver's first choice first; within a family the start rotates."""
    families: dict[int, list[_Address]] = {}
    for address in found:
        families.setdefault(address.family, []).append(address)
    rotated = (group[turn % len(group) :] + group[: turn % len(group)] for group in families.values())
    return [address for address in chain.from_iterable(zip_longest(*rotated)) if address is not None]
