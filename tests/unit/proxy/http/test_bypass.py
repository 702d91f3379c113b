"""Chunks that go a short way. That all arrive, in order and however they are cut, is a law of the fuzzer."""

import asyncio
import gzip
import math
from dataclasses import dataclass, field

import pytest

from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import Headers, HTTPError
from pilothouse_proxy.http.upstream import UpstreamConnection
from tests.fuzz.upstream import COMPILED, Even
from tests.fuzz.wire import Wire

pytestmark = pytest.mark.skipif(COMPILED, reason="a compiled class has no heirs that are not")

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"


@dataclass
class Listener:
    """Lets even chunks go by from the head on, and notes who was given what."""

    connection: UpstreamConnection
    told: list[bytes] = field(default_factory=list)
    passed: list[bytes] = field(default_factory=list)
    over: bool = False
    beat_s: float = math.inf

    def answered(self, status: int, headers: Headers) -> None:
        self.connection.pass_by(Even(self.passed.append))

    def arrived(self, piece: bytes) -> None:
        self.told.append(piece)

    def ended(self) -> None:
        self.over = True

    def broke(self, error: HTTPError) -> None:
        raise error

    def waited(self) -> None: ...


class Keeper:
    def freed(self, connection: UpstreamConnection) -> None: ...

    def lost(self, connection: UpstreamConnection) -> None: ...


async def after(*reads: bytes, head: bytes = HEAD) -> Listener:
    loop = asyncio.get_running_loop()
    connection = UpstreamConnection(Keeper(), ClientLimits(), loop)
    wire = Wire(connection, loop)
    listener = Listener(connection)
    connection.begin([b"request"], b"POST", listener, patience_s=60, told_s=60)
    await wire.feed([head + b"\r\n", *reads], tick=0)
    await wire.hang_up()
    return listener


async def test_a_chunk_that_comes_alone_may_go_by() -> None:
    listener = await after(b"2\r\nab\r\n", b"1\r\nc\r\n", b"4\r\ndefg\r\n", b"0\r\n\r\n")

    assert (listener.passed, listener.told, listener.over) == ([b"ab", b"defg"], [b"c"], True)


@pytest.mark.parametrize(
    "reads",
    [
        pytest.param((b"2\r\na", b"b\r\n"), id="half a chunk, and the other half"),
        pytest.param((b"2\r\nab\r", b"\n"), id="all but the last byte"),
        pytest.param((b"1\r\na\r\n1\r\nb\r\n",), id="two chunks"),
        pytest.param((b"2;x=y\r\nab\r\n",), id="an extension"),
    ],
)
async def test_anything_else_is_for_the_receiver(reads: tuple[bytes, ...]) -> None:
    listener = await after(*reads, b"0\r\n\r\n")

    assert (listener.passed, b"".join(listener.told), listener.over) == ([], b"ab", True)


async def test_nothing_goes_by_behind_a_chunk_that_was_not_plain() -> None:
    listener = await after(b"2;x\r\nab\r\n", b"2\r\ncd\r\n", b"0\r\n\r\n")

    assert b"".join([*listener.told, *listener.passed]) == b"abcd"
    assert listener.over


async def test_what_is_coded_is_not_for_the_client_as_it_is() -> None:

    coded = gzip.compress(b"abcd", mtime=0)
    coded = coded if len(coded) % 2 == 0 else gzip.compress(b"abcde", mtime=0)
    framed = b"%x\r\n%b\r\n" % (len(coded), coded)

    listener = await after(framed, b"0\r\n\r\n", head=HEAD + b"Content-Encoding: gzip\r\n")

    assert listener.passed == []
    assert b"".join(listener.told).startswith(b"abcd")


async def test_an_answer_with_a_length_has_no_chunks() -> None:
    listener = await after(b"2\r\nab\r\n", head=b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n")

    assert (listener.passed, b"".join(listener.told), listener.over) == ([], b"2\r\nab\r\n", True)
