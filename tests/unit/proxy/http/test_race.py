import errno
import socket

import pytest

from pilothouse_proxy.http import race
from pilothouse_proxy.http.resolve import Address
from tests.unit.proxy.http.rig import Peer, upstream

# TEST-NET-1 (RFC 5737) and the documentation prefix (RFC 3849): nobody answers there.
NOWHERE = "192.0.2.1"
NOWHERE_6 = "2001:db8::1"


def address(host: str, port: int) -> Address:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return Address(family, socket.SOCK_STREAM, 6, "", (host, port))


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def winner(*addresses: Address, turn: int = 0) -> tuple[str, int]:
    with await race.connect(list(addresses), turn=turn, head_start_s=0.01) as connected:
        host, port = connected.getpeername()[:2]
        return host, port


async def linger(server: Peer) -> None:
    await server.rest()


@pytest.mark.parametrize("first", [NOWHERE, NOWHERE_6], ids=["mute", "a family that is broken"])
async def test_an_address_that_leads_nowhere_does_not_hold_up_the_next(first: str) -> None:
    async with upstream(linger) as server:
        assert await winner(address(first, 9), address("127.0.0.1", server.port)) == ("127.0.0.1", server.port)


async def test_a_kernel_without_the_family_is_no_more_than_a_failed_attempt() -> None:
    unknown = Address(socket.AF_INET6, socket.SOCK_STREAM, 132, "", ("::1", 9))
    async with upstream(linger) as server:
        assert await winner(unknown, address("127.0.0.1", server.port)) == ("127.0.0.1", server.port)


async def test_a_refusal_tells_more_than_a_missing_route_whichever_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def attempt(wanted: Address) -> socket.socket:
        raise OSError(wanted.where[1], "told")

    monkeypatch.setattr(race, "_attempt", attempt)
    refused, no_route = address("::1", errno.ECONNREFUSED), address("127.0.0.1", errno.ENETUNREACH)
    for order in ((refused, no_route), (no_route, refused)):
        with pytest.raises(ConnectionRefusedError):
            await race.connect(list(order), turn=0, head_start_s=0.01)


async def test_when_all_refuse_that_is_told() -> None:
    with pytest.raises(ConnectionRefusedError):
        await winner(address("127.0.0.1", closed_port()), address("127.0.0.1", closed_port()))


def test_families_take_turns_and_within_a_family_the_start_rotates() -> None:
    found = [address(host, 1) for host in ("::1", "::2", "::3", "127.0.0.1", "127.0.0.2")]

    def hosts(turn: int) -> list[str]:
        return [it.where[0] for it in race.ordered(found, turn)]

    assert hosts(0) == ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"]
    assert hosts(1) == ["::2", "127.0.0.2", "::3", "127.0.0.1", "::1"]
    assert hosts(3) == ["::1", "127.0.0.2", "::2", "127.0.0.1", "::3"]
