"""What upstreams send: bytes into the client's connection, as the answer to one request and then to another."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from pilothouse_proxy.http import bypass
from pilothouse_proxy.http.bypass import Bypass
from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import Headers, HTTPError, ProtocolError, TooLarge
from pilothouse_proxy.http.upstream import UpstreamConnection
from tests.fuzz.loop import run
from tests.fuzz.pieces import same_every_way
from tests.fuzz.wire import Wire

LIMITS = ClientLimits(header_count=8)
COMPILED = bypass.__file__.endswith(".so")
"""A compiled class has no heirs that are not."""
_METHODS = (b"POST", b"GET", b"HEAD")
_OK = b"HTTP/1.1 200 OK\r\n"
_LENGTH = _OK + b"Content-Length: 3\r\n\r\nabc"


def seeds() -> list[bytes]:
    """Whole, broken and surplus answers. The first byte of an input chooses the request's method."""
    answers = [
        _LENGTH,
        _OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\nT: x\r\n\r\n",
        _OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n4\r\ndefg\r\n02\r\nhi\r\n0\r\n\r\n",
        _OK + b"Content-Length: 2\r\nConnection: close\r\n\r\nab",
        _OK + b"Keep-Alive: timeout=5, max=9\r\nContent-Length: 0\r\n\r\n",
        _OK + b"\r\nuntil the end",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + _LENGTH,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n\0\1",
        _OK + b"Upgrade: h2\r\nConnection: Upgrade, keep-alive\r\nContent-Length: 1\r\n\r\na",
        _OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        _OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nab",
        _OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        _OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        _OK + b"X: y\r\n" * 9 + b"\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 700 High\r\n\r\n",
        b"<html>not HTTP</html>",
        b"\x15\x03\x01\x00\x02\x02\x46",
        _LENGTH * 2,
        _LENGTH + b"\0",
    ]
    return [bytes([method]) + answer for answer in answers for method in range(len(_METHODS))]


def check(data: bytes) -> None:
    """However it is cut: the same answer, told in order and once; and a connection that is reused is as good as new."""
    method = _METHODS[data[0] % len(_METHODS)] if data else _METHODS[0]
    stream = data[1:]

    def read(pieces: list[bytes]) -> tuple[object, ...]:
        told, kept = run(_exchange(method, pieces))
        # A line break behind an answer is nothing, or an answer to nothing: it may come with the answer or alone.
        return (*told, kept or stream.endswith((b"\r", b"\n")))

    same_every_way(read, stream)


async def _exchange(method: bytes, pieces: list[bytes]) -> tuple[tuple[object, ...], bool]:
    """What the receiver was told, and whether the connection was kept."""
    keeper = _Keeper()
    connection = UpstreamConnection(keeper, LIMITS, asyncio.get_running_loop())
    wire = Wire(connection, asyncio.get_running_loop())
    first = await _answer(connection, wire, method, pieces)
    kept = first.over and not wire.is_closing()
    if kept:
        assert keeper.free == 1, "a connection is kept that the pool was not told of"
        second = await _answer(connection, wire, method, pieces)
        assert second.told() == first.told(), f"reused, it reads {second.told()!r} and not {first.told()!r}"
    await wire.hang_up()
    assert keeper.lost_calls == 1, "the pool is told once of a connection's end"
    assert first.over, "the receiver waits for ever"
    return first.told(), kept


async def _answer(connection: UpstreamConnection, wire: Wire, method: bytes, pieces: list[bytes]) -> "_Receiver":
    receiver = _Receiver(connection)
    connection.begin([b"request"], method, receiver, patience_s=60, told_s=60)
    await wire.feed(pieces, tick=len(pieces) % 3)
    await wire.settle()
    return receiver


@dataclass
class _Receiver:
    """Takes note; after every third piece it has had enough until the next turn of the loop."""

    connection: UpstreamConnection
    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    error: type[HTTPError] | None = None
    over: bool = False
    pieces: int = 0
    beat_s: float = math.inf

    def told(self) -> tuple[object, ...]:
        return self.status, self.headers, self.body, self.error, self.over

    def answered(self, status: int, headers: Headers) -> None:
        assert not self.status and not self.over, "a second head"
        assert 200 <= status <= 599, status
        self.status, self.headers = status, list(headers)
        if not COMPILED:
            self.connection.pass_by(Even(self.arrived))

    def arrived(self, piece: bytes) -> None:
        assert self.status and not self.over and piece, "a piece out of order"
        self.body += piece
        self.pieces += 1
        if self.pieces % 3 == 0:
            self.connection.hold()
            asyncio.get_running_loop().call_soon(self.connection.resume)

    def ended(self) -> None:
        assert self.status and not self.over, "an end out of order"
        self.over = True

    def broke(self, error: HTTPError) -> None:
        assert not self.over, "a second end"
        self.over = True
        # Of an answer that is both malformed and too large, the cut decides what is found first.
        self.error = ProtocolError if isinstance(error, TooLarge) else type(error)


class Even(Bypass):
    """Takes the chunks of even length, and hands their data on."""

    def __init__(self, taken: Callable[[bytes], None]) -> None:
        self._taken = taken

    def take(self, framed: bytes, start: int, end: int) -> bool:
        assert start < end, "an empty chunk ends the body"
        assert int(framed[: start - 2], 16) == end - start and framed[start - 2 : start] == framed[end:] == b"\r\n"
        if (end - start) % 2:
            return False
        self._taken(framed[start:end])
        return True


class _Keeper:
    def __init__(self) -> None:
        self.free = self.lost_calls = 0

    def freed(self, connection: UpstreamConnection) -> None:
        self.free += 1

    def lost(self, connection: UpstreamConnection) -> None:
        self.lost_calls += 1
