"""Bodies that are handed on as they arrive. How they are read otherwise: see test_client."""

import asyncio

import pytest

from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import Closed, Phase, ProtocolError, TimedOut
from tests.unit.proxy.http.rig import WAIT_S, Peer, request_of, until, upstream
from tests.unit.proxy.http.test_client import CHUNKED, LAST, answered, answers_and_closes, chunk, client, length, to


async def test_pieces_are_handed_on_as_they_arrive() -> None:
    got: list[bytes] = []
    release = asyncio.Event()

    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(CHUNKED + chunk(b"one"))
        await release.wait()
        server.send(chunk(b"two"))
        await until(lambda: len(got) == 2)
        server.send(chunk(b"three") + LAST)
        await server.rest()

    def receive(piece: bytes) -> float:
        got.append(piece)
        release.set()
        return WAIT_S

    async with upstream(script) as server:
        with client() as sender:
            response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            assert await response.deliver(receive, WAIT_S)
            assert got == [b"one", b"two", b"three"]
            assert sender.connections == 1


async def test_who_has_enough_gets_the_rest_with_the_next_call() -> None:
    got: list[bytes] = []

    def once(piece: bytes) -> None:
        got.append(piece)

    def gladly(piece: bytes) -> float:
        got.append(piece)
        return WAIT_S

    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(CHUNKED + chunk(b"one"))
        await until(lambda: bool(got))
        server.send(chunk(b"two") + LAST)
        await server.rest()

    async with upstream(script) as server:
        with client() as sender:
            response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            assert not await response.deliver(once, WAIT_S)
            await until(lambda: response.complete)
            assert got == [b"one"]
            assert await response.deliver(gladly, WAIT_S)
            assert got == [b"one", b"two"]


async def test_who_has_enough_is_read_for_no_further_than_the_bound() -> None:
    body = b"x" * 8_000_000

    def once(piece: bytes) -> None:
        taken.append(len(piece))

    taken: list[int] = []
    async with answered(length(body), ClientLimits(buffer_bytes=1_000)) as response:
        assert not await response.deliver(once, WAIT_S)
        await asyncio.sleep(0.05)
        assert not response.complete
        while not await response.deliver(once, WAIT_S):
            pass
        assert sum(taken) == len(body)


async def test_what_the_receiver_raises_comes_out_of_deliver_and_it_gets_nothing_more() -> None:
    got: list[bytes] = []

    def refuse(piece: bytes) -> float:
        got.append(piece)
        raise LookupError(piece.decode())

    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(CHUNKED)
        await server.rest()

    async with upstream(script) as server:
        with client() as sender:
            response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            receiving = asyncio.ensure_future(response.deliver(refuse, WAIT_S))
            await asyncio.sleep(0)
            # Twice before the task's turn, as a loop that is busy reads.
            for piece in (chunk(b"one"), chunk(b"two")):
                response._connection.data_received(piece)
            with pytest.raises(LookupError, match="one"):
                await receiving
            response.abort()
    assert got == [b"one"]


async def test_silence_is_measured_from_the_last_piece_by_what_the_receiver_said() -> None:
    async with answered(CHUNKED + chunk(b"one")) as response:
        with pytest.raises(TimedOut) as caught:
            await response.deliver(lambda _: 0.02, WAIT_S)
    assert caught.value.phase is Phase.IDLE
    assert "0.02" in str(caught.value)


async def test_a_body_that_breaks_off_is_handed_on_as_far_as_it_came() -> None:
    got: list[bytes] = []

    def receive(piece: bytes) -> float:
        got.append(piece)
        return WAIT_S

    async with upstream(answers_and_closes(CHUNKED + chunk(b"one"))) as server:
        with client() as sender:
            response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            with pytest.raises(Closed):
                await response.deliver(receive, WAIT_S)
    async with answered(CHUNKED + chunk(b"two") + b"zz\r\n") as response:
        with pytest.raises(ProtocolError):
            await response.deliver(receive, WAIT_S)
    assert got == [b"one", b"two"]


async def test_nothing_is_handed_on_once_the_task_was_cancelled() -> None:
    got: list[bytes] = []

    def receive(piece: bytes) -> float:
        got.append(piece)
        return WAIT_S

    cancelled = asyncio.Event()

    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(CHUNKED + chunk(b"one"))
        await cancelled.wait()
        server.send(chunk(b"two"))
        await server.rest()

    async with upstream(script) as server:
        with client() as sender:
            response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            task = asyncio.ensure_future(response.deliver(receive, WAIT_S))
            await until(lambda: bool(got))
            task.cancel()
            await asyncio.wait([task])
            cancelled.set()
            assert await response.chunk(WAIT_S) == b"two"
            response.abort()
    assert got == [b"one"]
