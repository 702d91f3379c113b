import asyncio
import contextlib
from pathlib import Path

import pytest

from pilothouse_proxy.http import tls
from pilothouse_proxy.http.client import Client
from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import ConnectError, Origin, UpstreamRequest
from pilothouse_proxy.http.pool import Pool
from pilothouse_proxy.http.upstream import UpstreamConnection
from tests.unit.proxy.http.certificates import Authority
from tests.unit.proxy.http.rig import WAIT_S, Peer, request_of, until, upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"


def to(port: int, size: int, wait_s: float = WAIT_S) -> UpstreamRequest:
    origin = Origin(scheme="http", host="127.0.0.1", port=port, pool_size=size, connect_timeout_s=wait_s)
    return UpstreamRequest(origin=origin, method=b"POST", target=b"/", body=b"x")


class Gate:
    """An upstream that answers the requests it holds when told."""

    def __init__(self) -> None:
        self.held: asyncio.Queue[asyncio.Event] = asyncio.Queue()
        self.arrived: list[bytes] = []

    async def __call__(self, server: Peer) -> None:
        while True:
            try:
                _, body = await request_of(server)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            self.arrived.append(body)
            gate = asyncio.Event()
            self.held.put_nowait(gate)
            await gate.wait()
            server.send(OK + body)

    async def let_one_pass(self) -> None:
        async with asyncio.timeout(WAIT_S):
            (await self.held.get()).set()


async def send(sender: Client, request: UpstreamRequest, body: bytes) -> bytes:
    request.body = body
    response = await sender.send(request, first_byte_timeout_s=WAIT_S)
    return await response.read(10, WAIT_S)


async def test_no_more_connections_than_the_pools_size_and_the_line_is_fair() -> None:
    gate = Gate()
    async with upstream(gate) as server:
        sender = Client(ClientLimits())
        order: list[bytes] = []

        async def one(name: bytes) -> None:
            await send(sender, to(server.port, 2), name)
            order.append(name)

        tasks = []
        for name in (b"a", b"b", b"c", b"d", b"e"):
            tasks.append(asyncio.ensure_future(one(name)))
            await asyncio.sleep(0.005)
        assert sorted(gate.arrived) == [b"a", b"b"]
        for done in range(1, 6):
            await gate.let_one_pass()
            await until(lambda done=done: len(order) == done)  # type: ignore[misc]
        await asyncio.gather(*tasks)
        assert gate.arrived[2:] == [b"c", b"d", b"e"]
        assert (server.connections, sender.connections) == (2, 2)
        sender.close()


async def test_a_wait_in_line_ends_with_a_reason() -> None:
    gate = Gate()
    async with upstream(gate) as server:
        sender = Client(ClientLimits())
        first = asyncio.ensure_future(send(sender, to(server.port, 1, 0.5), b"a"))
        await until(lambda: gate.arrived == [b"a"])
        with pytest.raises(ConnectError, match=r"all 1 connections to 127\.0\.0\.1 are in use"):
            await send(sender, to(server.port, 1, 0.5), b"b")
        await gate.let_one_pass()
        assert await first == b"a"
        sender.close()


async def test_who_leaves_the_line_costs_the_others_nothing() -> None:
    gate = Gate()
    async with upstream(gate) as server:
        sender = Client(ClientLimits())
        tasks = []
        for name in (b"a", b"b", b"c"):
            tasks.append(asyncio.ensure_future(send(sender, to(server.port, 1), name)))
            await asyncio.sleep(0.005)
        tasks[1].cancel()
        for _ in range(2):
            await gate.let_one_pass()
        assert await tasks[0] == b"a"
        assert await tasks[2] == b"c"
        assert gate.arrived == [b"a", b"c"]
        sender.close()


async def test_a_connection_handed_to_someone_who_is_cancelled_in_that_moment_goes_to_the_next() -> None:
    async with upstream(Gate()) as server:
        pool = Pool(to(server.port, 1).origin, None, ClientLimits(), asyncio.get_running_loop())
        connection = await pool.connect(WAIT_S)
        line = [asyncio.ensure_future(pool.connect(WAIT_S)) for _ in range(2)]
        await asyncio.sleep(0)
        pool.freed(connection)
        line[0].cancel()
        assert await line[1] is connection
        assert line[0].cancelled()
        assert pool.open == 1
        connection.transport.close()
        await until(lambda: pool.open == 0)


async def test_a_slot_given_to_someone_who_is_cancelled_in_that_moment_is_given_back() -> None:
    async with upstream(Gate()) as server:
        pool = Pool(to(server.port, 1).origin, None, ClientLimits(), asyncio.get_running_loop())
        connection = await pool.connect(WAIT_S)
        waiting = asyncio.ensure_future(pool.connect(WAIT_S))
        await asyncio.sleep(0)
        pool.lost(connection)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert pool.open == 0
        connection.transport.abort()
        await asyncio.sleep(0.01)


async def test_an_aborted_exchange_gives_its_slot_to_the_next_in_line() -> None:
    gate = Gate()
    async with upstream(gate) as server:
        sender = Client(ClientLimits())
        first = asyncio.ensure_future(send(sender, to(server.port, 1), b"a"))
        await until(lambda: gate.arrived == [b"a"])
        second = asyncio.ensure_future(send(sender, to(server.port, 1), b"b"))
        await asyncio.sleep(0.005)
        first.cancel()
        await until(lambda: gate.arrived == [b"a", b"b"])
        for _ in range(2):
            await gate.let_one_pass()
        assert await second == b"b"
        assert (server.connections, sender.connections) == (2, 1)
        sender.close()


async def test_a_failed_connect_gives_its_slot_back() -> None:
    async with upstream(Gate()) as server:
        port = server.port
    sender = Client(ClientLimits())
    for _ in range(3):
        with pytest.raises(ConnectError, match="refuses"):
            await send(sender, to(port, 1), b"a")
    assert sender.connections == 0
    sender.close()


async def test_the_connection_used_last_is_used_first() -> None:
    gate = Gate()
    async with upstream(gate) as server:
        sender = Client(ClientLimits(idle_s=0.3))
        both = [asyncio.ensure_future(send(sender, to(server.port, 2), name)) for name in (b"a", b"b")]
        for _ in range(2):
            await gate.let_one_pass()
        await asyncio.gather(*both)
        assert sender.connections == 2
        # One of the two carries everything; the other expires.
        async with asyncio.timeout(WAIT_S):
            while sender.connections == 2:
                again = asyncio.ensure_future(send(sender, to(server.port, 2), b"c"))
                await gate.let_one_pass()
                await again
                await asyncio.sleep(0.02)
        assert (sender.connections, server.connections) == (1, 2)
        sender.close()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_however_late_a_connect_is_cancelled_its_slot_comes_back_once(secure: bool, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    leaf = authority.leaf("127.0.0.1")
    context = tls.server_context(leaf.cert_file, leaf.key_file) if secure else None
    trust = tls.client_context(authority.pem) if secure else None
    made: list[UpstreamConnection] = []

    async def until_it_ends(server: Peer) -> None:
        with contextlib.suppress(ConnectionError):
            await server.rest()

    async with upstream(until_it_ends, context=context) as server:
        pool = Pool(to(server.port, 100).origin, trust, ClientLimits(), asyncio.get_running_loop())
        for step in range(80):
            connecting = asyncio.ensure_future(pool.connect(WAIT_S))
            await asyncio.sleep(step * 0.0002)
            connecting.cancel()
            (connection,) = await asyncio.gather(connecting, return_exceptions=True)
            if isinstance(connection, UpstreamConnection):
                made.append(connection)
        assert pool.open == len(made)
        for connection in made:
            connection.transport.abort()
        await until(lambda: pool.open <= 0)
        await until(lambda: all(task.done() for task in server.tasks))
        assert pool.open == 0


async def test_who_gives_up_waiting_in_line_leaves_nothing_behind() -> None:
    gate = Gate()
    async with upstream(gate) as server:
        pool = Pool(to(server.port, 1).origin, None, ClientLimits(), asyncio.get_running_loop())
        connection = await pool.connect(WAIT_S)
        late = await asyncio.gather(*(pool.connect(0.01) for _ in range(20)), return_exceptions=True)
        assert {type(error) for error in late} == {ConnectError}
        assert not pool._line
        connection.transport.abort()
        await until(lambda: pool.open == 0)
