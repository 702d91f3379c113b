"""What clients send: bytes into a server's connection, with applications of each kind behind it."""

import asyncio
import hashlib
import re
import tracemalloc
from collections.abc import Coroutine
from typing import Any

import h11

from pilothouse_proxy.http.limits import Limits
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.http.request import Request
from pilothouse_proxy.http.server import Connection, Responder, Server, Work
from tests.fuzz.loop import run
from tests.fuzz.pieces import same_every_way, ways
from tests.fuzz.wire import Wire
from tests.unit.proxy.http import corpus

LIMITS = Limits(header_count=8, body_bytes=300, pipeline_bytes=256)
"""Those that count what was said, and so must not depend on the cut."""
TIGHT = Limits(request_line_bytes=64, header_count=8, header_bytes=256, body_bytes=300, pipeline_bytes=256)
HELD_BYTES = 24 * 1024
"""More than a connection with such limits may keep, and less than half of what it is sent."""

Asked = tuple[bytes, bytes, bytes, bytes]
"""Method, path, query and body of a request."""

_REFUSED = b"x-refused: yes\r\n"
_AFTERWARDS = b"GET /afterwards HTTP/1.1\r\nhost: h\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_REFUSAL = re.compile(rb"HTTP/1\.1 [45]\d\d [^\n]*\n" + _REFUSED + rb".*", re.DOTALL)
_DATE = re.compile(rb"date: [^\r]*\r\n")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def seeds() -> list[bytes]:
    """Refused and odd requests, alone and behind good ones."""
    good = [
        corpus.get(),
        corpus.post(b"Content-Length: 3\r\n", b"abc"),
        corpus.chunked(b"3;x=y\r\nabc\r\n0\r\nT: x\r\n\r\n"),
        corpus.post(b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"abc"),
        corpus.post(b"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 3\r\n", b"abc"),
        corpus.get(b"GET /a?b=c HTTP/1.0"),
        corpus.get(b"HEAD / HTTP/1.1", b"Host: h\r\nConnection: close\r\n"),
        b"\r\n" + corpus.get(b"OPTIONS * HTTP/1.1"),
    ]
    refused = [stream for stream, _ in corpus.REFUSED.values()]
    return [*good, b"".join(good[:5]), *refused, *(good[1] + stream for stream in refused)]


def memory_seeds() -> list[bytes]:
    """Some of them: each input is followed by a flood, and so takes its time."""
    return seeds()[::6]


def check(data: bytes) -> None:
    """However it is cut: the same answers, none too many, nothing behind a refusal; and what h11 reads, if it does."""
    output, asked = same_every_way(lambda pieces: run(_serve(pieces)), data)
    answers = len(_STATUS.findall(output))
    assert answers == len(asked) <= data.count(b"HTTP/1."), f"{answers} answers: {output!r}"
    for mine, theirs in zip(asked, _as_h11_reads(data), strict=False):
        assert mine == theirs, f"read as {mine!r}, by h11 as {theirs!r}"


def check_memory(data: bytes) -> None:
    """What follows for ever is refused, served or left in the socket: it is not kept."""
    run(_flood(data))


async def _serve(pieces: list[bytes]) -> tuple[bytes, list[Asked]]:
    """All that the client gets but for dates and interim answers, and what the applications saw."""
    served = _Served(LIMITS)
    wire = Wire(served.connection, asyncio.get_running_loop())
    await wire.feed(pieces, tick=len(pieces) % 3)
    await wire.settle()
    seen = bytes(wire.written), len(served.asked)
    if _REFUSED in wire.written:
        await wire.feed([_AFTERWARDS], tick=1)
        await wire.settle()
        assert (bytes(wire.written), len(served.asked)) == seen, "something was served behind a refusal"
        assert wire.ended or wire.is_closing(), "a refused client is not told that nothing more will come"
    await wire.hang_up()
    served.check_end()
    output = _DATE.sub(b"", seen[0]).replace(_CONTINUE, b"")
    # Of a request that is wrong in two ways, the cut decides which is found first.
    return _REFUSAL.sub(_REFUSED, output), served.asked


async def _flood(data: bytes) -> None:
    served = _Served(TIGHT)
    wire = Wire(served.connection, asyncio.get_running_loop())
    pieces = list(ways(data))[-1]
    await wire.feed(pieces, tick=2)
    tail = (data[-40:] or b"x") * 20
    await wire.feed([tail], tick=1)
    tracemalloc.start()
    try:
        for _ in range(60):
            # A copy each time, as a socket's reads are.
            await wire.feed([bytes(bytearray(tail))], tick=1)
            wire.written.clear()
            served.asked.clear()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < HELD_BYTES, f"{held} bytes are kept"
    await wire.hang_up()
    served.check_end()


class _Served:
    """A server with one connection, and what its applications were asked."""

    def __init__(self, limits: Limits) -> None:
        self.asked: list[Asked] = []
        self.failures: list[BaseException] = []
        self.server = Server(self._answer, limits, on_failure=self._on_failure, on_refusal=_on_refusal)
        self.connection = Connection(self.server, asyncio.get_running_loop())

    def check_end(self) -> None:
        server = self.server
        assert (server.connections, server.requests_in_flight, server.ledger.total_bytes) == (0, 0, 0)
        assert not self.failures, self.failures

    def _on_failure(self, request: Request, failure: BaseException) -> tuple[int, Headers, bytes]:
        self.failures.append(failure)
        return 500, [], b""

    def _answer(self, request: Request, responder: Responder) -> Coroutine[Any, Any, None] | Work | None:
        """At once, later, or as a coroutine that streams: it depends on the request alone."""
        self.asked.append((request.method, request.path, request.query, request.body))
        body = hashlib.sha256(repr((self.asked[-1], request.headers)).encode()).hexdigest().encode()
        kind = len(request.path) % 3
        if kind == 0:
            return _stream(responder, body)
        if kind == 1:
            responder.respond(200, [], body)
            responder.done()
            return None
        return _Later(responder, body)


class _Later:
    def __init__(self, responder: Responder, body: bytes) -> None:
        self._responder = responder
        self._timer = asyncio.get_running_loop().call_soon(self._answer, body)

    def cancel(self) -> None:
        self._timer.cancel()
        self._responder.done()

    def _answer(self, body: bytes) -> None:
        self._responder.respond(200, [], body)
        self._responder.done()


async def _stream(responder: Responder, body: bytes) -> None:
    responder.start(200, [])
    responder.write(body[:10])
    await asyncio.sleep(0)
    responder.finish(body[10:])


def _on_refusal(status: int, message: str, path: bytes) -> tuple[Headers, bytes]:
    return [(b"x-refused", b"yes")], message.encode()


def _as_h11_reads(data: bytes) -> list[Asked]:
    """The requests that another parser finds, up to what it refuses or must be told about."""
    found: list[Asked] = []
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    request: h11.Request | None = None
    body = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request, body = event, b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                path, _, query = request.target.partition(b"?")
                found.append((request.method, path, query, body))
                connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                connection.start_next_cycle()
            else:
                return found
    except (h11.ProtocolError, ValueError):
        return found
