import asyncio
import socket
from collections.abc import Sequence

import pytest

from pilothouse_proxy.http.dial import Dialer
from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import ConnectError, Origin, Phase, TimedOut
from tests.unit.proxy.http.rig import Peer, upstream

# TEST-NET-1 (RFC 5737): nobody answers there.
NOWHERE = "192.0.2.1"


async def linger(server: Peer) -> None:
    await server.rest()


def resolve_to(monkeypatch: pytest.MonkeyPatch, addresses: Sequence[tuple[str, int]]) -> None:
    async def getaddrinfo(host: str, port: int, **kwargs: object) -> list[tuple[object, ...]]:
        # The loop asks about numeric addresses, too.
        found = addresses if host == "name.example" else [(host, port)]
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address, _ in found]
        return [(family, socket.SOCK_STREAM, 6, "", where) for family, where in zip(families, found, strict=True)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


def dialer() -> Dialer:
    origin = Origin(scheme="http", host="name.example", port=1)
    return Dialer(origin, None, ClientLimits(attempt_delay_s=0.01))


async def connected_to(dialer: Dialer, timeout_s: float = 5.0) -> tuple[str, int]:
    transports: list[asyncio.BaseTransport] = []

    class Noting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.append(transport)

    await dialer.dial(Noting, within_s=timeout_s)
    host, port = transports[0].get_extra_info("peername")
    transports[0].abort()  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    return host, port


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def test_a_refusing_address_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async with upstream(linger) as server:
        resolve_to(monkeypatch, [("127.0.0.1", closed_port()), ("127.0.0.1", server.port)])
        assert await connected_to(dialer()) == ("127.0.0.1", server.port)


async def test_a_mute_address_does_not_hold_up_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async with upstream(linger) as server:
        resolve_to(monkeypatch, [(NOWHERE, 9), ("127.0.0.1", server.port)])
        assert await connected_to(dialer()) == ("127.0.0.1", server.port)


async def test_an_address_of_another_family_is_tried_before_the_second_of_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with upstream(linger) as four:
        resolve_to(monkeypatch, [("::1", closed_port()), (NOWHERE, 9), ("127.0.0.1", four.port)])
        assert await connected_to(dialer()) == ("127.0.0.1", four.port)


async def test_the_addresses_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    async with upstream(linger) as one, upstream(linger) as two:
        resolve_to(monkeypatch, [("127.0.0.1", one.port), ("127.0.0.1", two.port)])
        made = dialer()
        assert [(await connected_to(made))[1] for _ in range(4)] == [two.port, one.port] * 2


async def test_when_all_refuse_the_first_refusal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, [("127.0.0.1", closed_port()), ("127.0.0.1", closed_port())])
    with pytest.raises(ConnectError, match=r"name\.example:1 refuses connections"):
        await connected_to(dialer())


async def test_when_nobody_answers_the_connect_times_out_or_has_no_route(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, [(NOWHERE, 9)])
    with pytest.raises((TimedOut, ConnectError)) as caught:
        await connected_to(dialer(), timeout_s=0.05)
    assert getattr(caught.value, "phase", Phase.CONNECT) is Phase.CONNECT


async def test_a_name_without_addresses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, [])
    with pytest.raises(ConnectError, match=r"the name name\.example has no addresses"):
        await connected_to(dialer())
