import asyncio
import socket

import pytest

from pilothouse_proxy.http import resolve
from pilothouse_proxy.http.client import Client
from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import ConnectError, Origin, TimedOut, UpstreamRequest
from pilothouse_proxy.http.resolve import Resolver
from tests.unit.proxy.http.rig import WAIT_S, Peer, echo, request_of, serving, until, upstream


class Names:
    """The loop's way to the system's resolver, with answers of the test's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
        self.ports = list(ports)
        self.failure: OSError | None = None
        self.asked = 0
        self.held: asyncio.Event | None = None
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.getaddrinfo)

    async def getaddrinfo(self, host: str, port: int, **kwargs: object) -> list[tuple[object, ...]]:
        if host != "name.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        self.asked += 1
        if self.held is not None:
            await self.held.wait()
        if self.failure is not None:
            raise self.failure
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", found)) for found in self.ports]


def resolver(keep_s: float = 60.0) -> Resolver:
    return Resolver("name.example", 1, keep_s=keep_s)


def ports(found: list[resolve.Address]) -> list[int]:
    return [address.where[1] for address in found]


async def test_those_who_ask_at_once_share_one_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    names, asked = Names(monkeypatch, 7), resolver()
    names.held = asyncio.Event()
    asking = [asyncio.ensure_future(asked.addresses()) for _ in range(100)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    names.held.set()
    for found in asking[1:]:
        assert ports(await found) == [7]
    assert names.asked == 1


async def test_an_answer_holds_for_its_moment_and_then_a_move_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    names, asked = Names(monkeypatch, 7), resolver(keep_s=0.02)
    assert ports(await asked.addresses()) == ports(await asked.addresses()) == [7]
    assert names.asked == 1
    names.ports = [8]
    await asyncio.sleep(0.03)
    assert ports(await asked.addresses()) == [8]


async def test_a_name_that_is_gone_is_an_error_though_it_was_known(monkeypatch: pytest.MonkeyPatch) -> None:
    names, asked = Names(monkeypatch, 7), resolver(keep_s=0)
    await asked.addresses()
    names.failure = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    with pytest.raises(ConnectError, match=r"name\.example cannot be resolved: Name or service not known"):
        await asked.addresses()


async def test_what_was_known_last_serves_while_the_resolver_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    names, asked = Names(monkeypatch, 7), resolver(keep_s=0)
    await asked.addresses()
    names.failure = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    assert ports(await asked.addresses()) == [7]
    monkeypatch.setattr(resolve, "_LAST_GOOD_S", -1.0)
    with pytest.raises(ConnectError, match="Temporary failure"):
        await asked.addresses()


async def test_what_was_known_last_serves_while_the_resolver_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    names, asked = Names(monkeypatch, 7), resolver(keep_s=0)
    await asked.addresses()
    monkeypatch.setattr(resolve, "_PATIENCE_S", 0.01)
    names.held = asyncio.Event()
    assert ports(await asked.addresses()) == [7]
    assert ports(await asked.addresses()) == [7]
    assert names.asked == 2
    names.ports = [8]
    names.held.set()
    await asyncio.sleep(0)
    assert ports(await asked.addresses()) == [8]


def to(*, pool_size: int = 8, wait_s: float = WAIT_S) -> UpstreamRequest:
    origin = Origin(scheme="http", host="name.example", port=1, pool_size=pool_size, connect_timeout_s=wait_s)
    return UpstreamRequest(origin=origin, method=b"POST", target=b"/x", body=b"hello")


async def call(sender: Client, request: UpstreamRequest) -> bytes:
    response = await sender.send(request, first_byte_timeout_s=WAIT_S)
    return await response.read(100, WAIT_S)


async def test_a_resolver_that_hangs_stalls_no_request_that_has_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(echo) as rig:
        names = Names(monkeypatch, rig.port)
        sender = Client(ClientLimits(resolved_s=0))
        assert await call(sender, to()) == b"POST /x hello"
        names.held = asyncio.Event()
        for _ in range(3):
            assert await call(sender, to()) == b"POST /x hello"
        assert rig.server.connections_accepted == 1
        sender.close()


async def test_a_resolver_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch).held = asyncio.Event()
    with pytest.raises(TimedOut, match=r"no answer from the resolver for name\.example within 0\.05 s"):
        await call(Client(ClientLimits()), to(wait_s=0.05))


@pytest.mark.parametrize("line", [1, 4], ids=["alone", "with a line of waiting requests"])
async def test_a_moved_endpoint_is_followed_under_load(line: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(server: Peer) -> None:
        while True:
            try:
                await request_of(server)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with upstream(answer) as old, upstream(answer) as new:
        names = Names(monkeypatch, old.port)
        sender = Client(ClientLimits(resolved_s=0, lifetime_s=0.1))
        moved = asyncio.Event()

        async def load() -> None:
            while not moved.is_set():
                assert await call(sender, to(pool_size=1)) == b"ok"

        running = [asyncio.ensure_future(load()) for _ in range(line)]
        await until(lambda: old.connections > 0)
        names.ports = [new.port]
        await until(lambda: new.connections > 0)
        moved.set()
        await asyncio.gather(*running)
        sender.close()
