"""Answers told to a receiver as they arrive. How a coroutine reads them: see test_client."""

import asyncio
import contextlib
import math
import zlib
from collections.abc import AsyncIterator

import pytest

from pilothouse_proxy.http.client import Client, Transfer
from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import Closed, Headers, HTTPError, Phase, ProtocolError, TimedOut
from tests.unit.proxy.http.rig import WAIT_S, Peer, request_of, until, upstream
from tests.unit.proxy.http.test_client import CHUNKED, LAST, answers, answers_and_closes, chunk, client, length, to


class Listener:
    """Notes what it is told, and gives up where it is told to."""

    transfer: Transfer

    def __init__(self, *, gives_up_at: str = "", beat_s: float = math.inf) -> None:
        self.told: list[object] = []
        self.beats = 0
        self._gives_up_at = gives_up_at
        self.beat_s = beat_s

    def answered(self, status: int, headers: Headers) -> None:
        self._note(status)

    def arrived(self, piece: bytes) -> None:
        self._note(piece)

    def ended(self) -> None:
        self._note("end")

    def broke(self, error: HTTPError) -> None:
        self._note(error)

    def waited(self) -> None:
        self.beats += 1

    @property
    def over(self) -> bool:
        return bool(self.told) and (self.told[-1] == "end" or isinstance(self.told[-1], HTTPError))

    def _note(self, what: object) -> None:
        self.told.append(what)
        if self._gives_up_at == type(what).__name__:
            self.transfer.abort()


def ask(sender: Client, port: int, listener: Listener, *, first_byte_s: float = WAIT_S) -> None:
    listener.transfer = sender.begin(to(port), listener, first_byte_timeout_s=first_byte_s)


@contextlib.asynccontextmanager
async def asked(
    wire: bytes, listener: Listener, limits: ClientLimits | None = None, *, first_byte_s: float = WAIT_S
) -> AsyncIterator[Client]:
    async with upstream(answers(wire)) as server:
        with client(limits) as sender:
            ask(sender, server.port, listener, first_byte_s=first_byte_s)
            yield sender
            listener.transfer.abort()


async def test_a_whole_answer_is_a_head_a_body_and_an_end() -> None:
    listener = Listener()
    async with asked(length(b"whole"), listener) as sender:
        await until(lambda: listener.over)
        assert listener.told == [200, b"whole", "end"]
        assert sender.connections == 1


async def test_nothing_is_told_before_begin_returns_even_on_a_kept_connection() -> None:
    async with upstream(answers(length(b"1"), length(b"2"))) as server:
        with client() as sender:
            for body in (b"1", b"2"):
                listener = Listener()
                ask(sender, server.port, listener)
                assert listener.told == []
                await until(lambda: listener.over)  # noqa: B023 -- awaited here
                assert listener.told == [200, body, "end"]
            assert server.connections == 1


async def test_pieces_are_told_as_they_arrive() -> None:
    listener = Listener()
    release = asyncio.Event()

    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(CHUNKED + chunk(b"one"))
        await release.wait()
        server.send(chunk(b"two"))
        await until(lambda: b"two" in listener.told)
        server.send(chunk(b"three") + LAST)
        await server.rest()

    async with upstream(script) as server:
        with client() as sender:
            ask(sender, server.port, listener)
            await until(lambda: b"one" in listener.told)
            assert listener.told == [200, b"one"]
            release.set()
            await until(lambda: listener.over)
            assert listener.told == [200, b"one", b"two", b"three", "end"]
            assert sender.connections == 1


async def test_who_holds_is_told_no_more_until_it_resumes() -> None:
    body = b"x" * 8_000_000
    listener = Listener()
    async with asked(length(body), listener):
        await until(lambda: len(listener.told) > 1)
        listener.transfer.hold()
        seen = len(listener.told)
        await asyncio.sleep(0.05)
        assert len(listener.told) <= seen + 1  # one read may have been under way
        assert not listener.over
        listener.transfer.resume()
        await until(lambda: listener.over)
        assert b"".join(piece for piece in listener.told if isinstance(piece, bytes)) == body


@pytest.mark.parametrize(("gives_up_at", "told"), [("int", [200]), ("bytes", [200, b"one"])])
async def test_who_gives_up_is_told_nothing_more_and_its_connection_is_closed(
    gives_up_at: str, told: list[object]
) -> None:
    listener = Listener(gives_up_at=gives_up_at)
    async with asked(CHUNKED + chunk(b"one"), listener) as sender:
        await until(lambda: listener.told == told)
        await until(lambda: sender.connections == 0)
        assert listener.told == told


async def test_who_gives_up_while_a_connection_is_made_is_told_nothing() -> None:
    listener = Listener()
    async with asked(length(b"whole"), listener) as sender:
        listener.transfer.abort()
        await until(lambda: sender.connections == 0)
        assert listener.told == []


async def test_giving_up_after_the_end_does_not_touch_who_uses_the_connection_next() -> None:
    first, second = Listener(), Listener()
    async with upstream(answers(length(b"1"), length(b"2"))) as server:
        with client() as sender:
            ask(sender, server.port, first)
            await until(lambda: first.over)
            ask(sender, server.port, second)
            first.transfer.abort()
            await until(lambda: second.over)
            assert (second.told, server.connections) == ([200, b"2", "end"], 1)


async def test_silence_is_measured_by_what_was_allowed_last() -> None:
    listener = Listener()
    async with asked(CHUNKED + chunk(b"one"), listener):
        await until(lambda: b"one" in listener.told)
        listener.transfer.allow(Phase.IDLE, 0.02, 0.02)
        await until(lambda: listener.over)
    error = listener.told[-1]
    assert isinstance(error, TimedOut)
    assert (error.phase, "0.02" in str(error)) == (Phase.IDLE, True)


async def test_pieces_that_are_watched_may_come_for_as_long_as_they_come_often_enough() -> None:
    listener = Listener()

    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(CHUNKED + chunk(b"one"))
        for _ in range(8):
            await asyncio.sleep(0.05)
            server.send(chunk(b"more"))
        await server.rest()

    async with upstream(script) as server:
        with client() as sender:
            ask(sender, server.port, listener)
            await until(lambda: b"one" in listener.told)
            listener.transfer.watch(0.2, WAIT_S)
            await until(lambda: listener.over)
    assert listener.told[2:-1] == [b"more"] * 8
    error = listener.told[-1]
    assert isinstance(error, TimedOut)
    assert (error.phase, "0.2" in str(error)) == (Phase.IDLE, True)


async def test_pieces_that_are_watched_must_all_have_come_in_time_and_silence_has_its_beat() -> None:
    listener = Listener(beat_s=0.04)
    async with asked(CHUNKED + chunk(b"one"), listener):
        await until(lambda: b"one" in listener.told)
        listener.transfer.watch(60, 0.2)
        await until(lambda: listener.over)
    assert isinstance(listener.told[-1], TimedOut)
    assert 2 <= listener.beats <= 5


async def test_who_has_a_beat_hears_it_while_nothing_comes_and_the_time_still_runs_out() -> None:
    listener = Listener(beat_s=0.02)
    async with asked(b"", listener, first_byte_s=0.11):
        await until(lambda: listener.over)
    # The time to connect is part of it, so that the last one may fall away.
    assert 3 <= listener.beats <= 5
    assert isinstance(listener.told[-1], TimedOut)
    assert "0.11" in str(listener.told[-1])


@pytest.mark.parametrize(
    ("wire", "error"), [(CHUNKED + chunk(b"one"), Closed), (CHUNKED + chunk(b"one") + b"zz\r\n", ProtocolError)]
)
async def test_a_body_that_breaks_off_is_told_as_far_as_it_came(wire: bytes, error: type[HTTPError]) -> None:
    listener = Listener()
    async with upstream(answers_and_closes(wire)) as server:
        with client() as sender:
            ask(sender, server.port, listener)
            await until(lambda: listener.over)
    assert listener.told[:-1] == [200, b"one"]
    assert isinstance(listener.told[-1], error)


async def test_a_compressed_stream_is_told_event_by_event() -> None:
    listener = Listener()
    packed = zlib.compressobj(wbits=31)
    events = [b"data: %d\n\n" % number for number in range(5)]

    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n")
        for event in events:
            server.send(chunk(packed.compress(event) + packed.flush(zlib.Z_SYNC_FLUSH)))
            await until(lambda event=event: listener.told[-1:] == [event])  # type: ignore[misc]
        server.send(chunk(packed.flush()) + LAST)
        await server.rest()

    async with upstream(script) as server:
        with client() as sender:
            ask(sender, server.port, listener)
            await until(lambda: listener.over)
            assert listener.told == [200, *events, "end"]
            assert sender.connections == 1


@pytest.mark.parametrize(
    ("coding", "body", "says"),
    [
        (b"gzip", b"no gzip at all", "is not the gzip"),
        (b"gzip", zlib.compress(b"cut", wbits=31)[:-1], "ends within its gzip"),
        (b"compress", b"x", "Content-Encoding compress"),
    ],
)
@pytest.mark.parametrize("end", [LAST, b""], ids=["chunked", "until the connection ends"])
async def test_a_body_that_cannot_be_decoded_breaks_off(coding: bytes, body: bytes, says: str, end: bytes) -> None:
    listener = Listener()
    head = (CHUNKED[:-2] if end else b"HTTP/1.1 200 OK\r\n") + b"Content-Encoding: %b\r\n\r\n" % coding
    async with upstream(answers_and_closes(head + (chunk(body) + end if end else body))) as server:
        with client() as sender:
            ask(sender, server.port, listener)
            await until(lambda: listener.over)
            assert isinstance(listener.told[-1], ProtocolError)
            assert says in str(listener.told[-1])
            await until(lambda: sender.connections == 0)
