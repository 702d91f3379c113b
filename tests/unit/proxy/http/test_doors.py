import asyncio
import contextlib
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pilothouse_proxy.http import doors as doors_module
from pilothouse_proxy.http import tls
from pilothouse_proxy.http.doors import Doors
from pilothouse_proxy.http.limits import Limits
from tests.unit.proxy.http.certificates import Authority
from tests.unit.proxy.http.rig import Peer, echo, peer, serving, until

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "throw-away")


def server_context(authority: Authority) -> ssl.SSLContext:
    leaf = authority.leaf("localhost")
    return tls.server_context(leaf.cert_file, leaf.key_file)


@contextlib.asynccontextmanager
async def from_address(address: str, port: int) -> AsyncIterator[Peer]:
    """A client with an address of its own: all of 127/8 is this machine's."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def test_each_address_has_its_own_share_and_leaves_no_trace() -> None:
    doors = Doors(most_a_peer=2)
    assert [bool(doors.enter(address)) for address in ("a", "a", "a", "b")] == [False, False, True, False]
    assert doors.refused == {"total": 0, "peer": 1}
    for address in ("a", "b", "a"):
        doors.leave(address)
    assert (doors.connections, doors._peers) == (0, {})


def test_without_limits_nobody_is_counted_by_address() -> None:
    doors = Doors()
    assert not any(doors.enter("a") for _ in range(10_000))
    assert (doors.connections, doors._peers) == (10_000, {})


async def test_one_connection_too_many_from_an_address_is_told_so_and_others_are_served() -> None:
    doors = Doors(most_a_peer=2)
    async with serving(echo, doors=doors) as rig:
        async with from_address("127.0.0.2", rig.port) as first, from_address("127.0.0.2", rig.port) as second:
            for client in (first, second):
                client.send(GET)
                assert (await client.answer())[0] == 200
            async with from_address("127.0.0.2", rig.port) as third:
                third.send(GET)
                status, headers, body = await third.answer()
                assert (status, headers["connection"]) == (503, "close")
                assert b"127.0.0.2 has 2 connections" in body
                assert await third.rest() == b""
            async with from_address("127.0.0.3", rig.port) as other:
                other.send(GET)
                assert (await other.answer())[0] == 200
            for client in (first, second):
                client.send(GET)
                assert (await client.answer())[0] == 200
        await until(lambda: doors.connections == 0)
        async with from_address("127.0.0.2", rig.port) as again:
            again.send(GET)
            assert (await again.answer())[0] == 200
    assert doors.refused == {"total": 0, "peer": 1}
    assert (doors.unheard, doors._peers) == (0, {})


async def test_one_connection_too_many_in_all_is_told_so() -> None:
    doors = Doors(most=1)
    async with serving(echo, doors=doors) as rig, peer(rig.port) as first:
        first.send(GET)
        assert (await first.answer())[0] == 200
        async with peer(rig.port) as second:
            status, _, body = await second.answer()
            assert (status, b"has 1 connections" in body) == (503, True)
        assert doors.refused == {"total": 1, "peer": 0}


async def test_a_crowd_that_is_refused_is_cut_off_without_a_word_past_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pilothouse_proxy.http.server.LINGERING", 3)
    doors = Doors(most=1)
    async with serving(echo, Limits(linger_s=0.2), doors=doors) as rig, peer(rig.port) as first:
        first.send(GET)
        await first.answer()
        crowd = [socket.create_connection(("127.0.0.1", rig.port)) for _ in range(20)]
        await until(lambda: doors.refused["total"] == 20)
        heard = 0
        for each in crowd:
            each.setblocking(False)
            try:
                heard += bool(await asyncio.get_running_loop().sock_recv(each, 1000))
            except ConnectionResetError:
                pass
        assert heard == 3
        await until(lambda: doors.unheard == 0)
        for each in crowd:
            each.close()
    assert doors_module.LINGERING > 3


async def test_a_connection_too_many_over_tls_costs_no_handshake(authority: Authority) -> None:
    context = ssl.create_default_context(cadata=authority.pem)
    doors = Doors(most_a_peer=1)
    async with serving(echo, None, server_context(authority), doors=doors) as rig:
        async with peer(rig.port, context) as first:
            first.send(GET)
            assert (await first.answer())[0] == 200
            with pytest.raises((OSError, EOFError)):
                async with peer(rig.port, context):
                    pass
            assert (doors.refused["peer"], doors.handshake_failures) == (1, 0)
        await until(lambda: doors.connections == 0)
        async with peer(rig.port, context) as again:
            again.send(GET)
            assert (await again.answer())[0] == 200


async def test_a_handshake_counts_as_a_connection_and_ends_in_time(authority: Authority) -> None:
    doors = Doors(most=1)
    limits = Limits(handshake_timeout_s=0.1)
    async with serving(echo, limits, server_context(authority), doors=doors) as rig, peer(rig.port) as silent:
        await until(lambda: doors.connections == 1)
        async with peer(rig.port) as second:
            assert await second.rest() == b""
        assert await silent.rest() == b""
        await until(lambda: doors.connections == 0)
    assert (doors.handshake_failures, doors.refused["total"]) == (1, 1)


async def test_plain_http_to_a_port_with_tls_ends_at_once(authority: Authority) -> None:
    doors = Doors()
    async with serving(echo, None, server_context(authority), doors=doors) as rig, peer(rig.port) as client:
        client.send(GET)
        assert b"HTTP/1.1 2" not in await client.rest()
        await until(lambda: doors.connections == 0)
    assert doors.handshake_failures == 1


@contextlib.contextmanager
def few_descriptors() -> Iterator[list[socket.socket]]:
    """No more than are open. What is put in the list is closed at the end."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[socket.socket] = []
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 6, before[1]))
    try:
        yield taken
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for each in taken:
            each.close()


@pytest.mark.parametrize("secure", [False, True])
async def test_a_server_without_a_free_descriptor_serves_on_and_does_not_spin(
    secure: bool, authority: Authority
) -> None:
    context = ssl.create_default_context(cadata=authority.pem) if secure else None
    async with serving(echo, None, server_context(authority) if secure else None) as rig:
        loop = asyncio.get_running_loop()
        async with peer(rig.port, context) as kept:
            kept.send(GET)
            assert (await kept.answer())[0] == 200
            waiting = [socket.socket() for _ in range(20)]
            for each in waiting:
                each.setblocking(False)
            with few_descriptors() as taken:
                with contextlib.suppress(OSError):
                    while True:
                        taken.append(socket.socket())
                for each in waiting:
                    await loop.sock_connect(each, ("127.0.0.1", rig.port))
                before = resource.getrusage(resource.RUSAGE_SELF)
                await asyncio.sleep(0.3)
                after = resource.getrusage(resource.RUSAGE_SELF)
                assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.2
                kept.send(GET)
                assert (await kept.answer())[0] == 200
            for each in waiting:
                each.close()
        async with peer(rig.port, context) as client:
            client.send(GET)
            assert (await client.answer())[0] == 200
