import asyncio
import socket

import pytest

from pilothouse_proxy.http.ledger import Ledger
from pilothouse_proxy.http.limits import KIB, Limits
from pilothouse_proxy.http.request import Request
from pilothouse_proxy.http.server import Responder
from tests.unit.proxy.http.rig import Peer, echo, peer, serving, until

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


def post(size: int, sent: int | None = None) -> bytes:
    """A request with a body of which so much is sent."""
    body = b"x" * (size if sent is None else sent)
    return b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size + body


async def refused(client: Peer) -> None:
    status, headers, body = await client.answer()
    assert (status, headers["connection"]) == (503, "close")
    assert b"as much as its memory allows" in body
    assert await client.rest() == b""


def test_bodies_that_arrive_get_half_of_the_budget_and_must_fit_once_they_are_whole() -> None:
    ledger = Ledger(1_000)
    assert (ledger.lets_in(0, 500), ledger.lets_in(0, 501)) == (True, False)
    ledger.arriving_bytes = 400
    assert (ledger.lets_in(200, 100), ledger.lets_in(200, 101)) == (True, False)
    ledger.held_bytes = 400
    assert (ledger.lets_in(200, 0), ledger.lets_in(200, 1)) == (True, False)
    assert (ledger.has_room(200), ledger.has_room(201)) == (True, False)


def test_every_number_is_part_of_the_total_and_exported() -> None:
    ledger = Ledger()
    for value, name in enumerate(("arriving", "held", "ahead", "owed", "reading"), start=1):
        setattr(ledger, f"{name}_bytes", value)
        assert ledger.kinds()[(name,)] == value
    assert ledger.total_bytes == sum(ledger.kinds().values()) == 15


async def test_a_body_that_does_not_fit_is_refused_before_it_is_read() -> None:
    ledger = Ledger(100_000)
    async with serving(echo, ledger=ledger) as rig, peer(rig.port) as first, peer(rig.port) as second:
        first.send(post(50_000, sent=30_000))
        await until(lambda: ledger.arriving_bytes == 30_000)
        second.send(b"POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % 25_000)
        await refused(second)
        first.send(b"x" * 20_000)
        assert (await first.answer())[0] == 200
    assert ledger.refusals == 1


async def test_a_chunked_body_is_refused_once_it_has_grown_too_large() -> None:
    ledger = Ledger(100_000)
    async with serving(echo, ledger=ledger) as rig, peer(rig.port) as client:
        client.send(b"POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(6):
            client.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
            await asyncio.sleep(0.01)
        await refused(client)
    assert ledger.refusals == 1


async def test_a_body_counts_until_its_request_is_answered() -> None:
    gate = asyncio.Event()
    ledger = Ledger(200_000)

    async def gated(request: Request, responder: Responder) -> None:
        await gate.wait()
        await echo(request, responder)

    async with (
        serving(gated, ledger=ledger) as rig,
        peer(rig.port) as first,
        peer(rig.port) as second,
        peer(rig.port) as third,
    ):
        for client in (first, second):
            client.send(post(40_000))
        await until(lambda: ledger.held_bytes == 160_000)
        third.send(post(30_000))
        await refused(third)
        gate.set()
        for client in (first, second):
            assert (await client.answer())[0] == 200
        await until(lambda: ledger.total_bytes == 0)
        first.send(post(40_000))
        assert (await first.answer())[0] == 200


async def test_where_nothing_fits_only_small_requests_are_let_in() -> None:
    ledger = Ledger(100_000)
    ledger.reading_bytes = 100_000
    async with serving(echo, ledger=ledger) as rig:
        async with peer(rig.port) as client:
            client.send(post(2_049))
            await refused(client)
        async with peer(rig.port) as client:
            for request in (GET, post(2_048)):
                client.send(request)
                assert (await client.answer())[0] == 200
        ledger.reading_bytes = 0


async def test_a_client_that_leaves_takes_its_bytes_along() -> None:
    ledger = Ledger(100_000)

    async def waiting(request: Request, responder: Responder) -> None:
        await asyncio.sleep(60)

    async with serving(waiting, ledger=ledger) as rig, peer(rig.port) as arriving, peer(rig.port) as answered:
        arriving.send(post(1_000, sent=600))
        answered.send(post(3_000))
        await until(lambda: (ledger.arriving_bytes, ledger.held_bytes) == (600, 6_000))
        answered.send(GET)
        await until(lambda: ledger.ahead_bytes == len(GET))
        arriving.reset()
        answered.reset()
        await until(lambda: ledger.total_bytes == 0)


async def test_what_is_sent_ahead_counts_until_it_is_its_turn() -> None:
    gate = asyncio.Event()
    ledger = Ledger()

    async def gated(request: Request, responder: Responder) -> None:
        await gate.wait()
        await echo(request, responder)

    async with serving(gated, ledger=ledger) as rig, peer(rig.port) as client:
        client.send(GET)
        await until(lambda: rig.server.requests == 1)
        client.send(GET * 10)
        await until(lambda: ledger.ahead_bytes == 10 * len(GET))
        gate.set()
        for _ in range(11):
            assert (await client.answer())[0] == 200
        assert ledger.total_bytes == 0


@pytest.mark.parametrize("ending", ["read", "reset"])
async def test_what_a_slow_reader_is_owed_counts_until_it_has_taken_it_or_is_gone(ending: str) -> None:
    size = 20_000_000
    ledger = Ledger(30_000_000)

    async def large(request: Request, responder: Responder) -> None:
        responder.respond(200, [], b"x" * size)

    async with serving(large, Limits(high_water_bytes=64 * KIB), ledger=ledger) as rig:
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", rig.port))
            slow.setblocking(False)
            slow.send(GET)
            await until(lambda: ledger.owed_bytes > size)
            async with peer(rig.port) as other:
                other.send(post(10_000_000, sent=0))
                await refused(other)
            if ending == "read":
                taken = 0
                while taken < size:
                    taken += len(await asyncio.get_running_loop().sock_recv(slow, 1 << 20))
        await until(lambda: ledger.owed_bytes == 0)


async def test_a_stream_to_a_steady_reader_counts_nothing() -> None:
    ledger = Ledger()
    seen: set[int] = set()

    async def stream(request: Request, responder: Responder) -> None:
        responder.start(200, [])
        for _ in range(200):
            responder.write(b"x" * 1_000)
            seen.add(ledger.total_bytes)
            await asyncio.sleep(0)
        responder.finish()

    async with serving(stream, ledger=ledger) as rig, peer(rig.port) as client:
        client.send(GET)
        assert len((await client.answer())[2]) == 200_000
    assert seen == {0}
