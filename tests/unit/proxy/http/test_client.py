import asyncio
import contextlib
import gc
import gzip
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from pilothouse_proxy.http.body import Body, Pieces, whole
from pilothouse_proxy.http.client import Client, UpstreamResponse
from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import (
    Closed,
    ConnectError,
    Headers,
    HTTPError,
    Origin,
    Phase,
    ProtocolError,
    TimedOut,
    TooLarge,
    UpstreamRequest,
)
from pilothouse_proxy.http.transfer import Transfer
from pilothouse_proxy.http.upstream import UpstreamConnection
from tests.unit.proxy.http.rig import WAIT_S, Peer, Script, request_of, until, upstream

OK = b"HTTP/1.1 200 OK\r\n"


def length(body: bytes, extra: bytes = b"") -> bytes:
    return OK + extra + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def answers(*wires: bytes) -> Script:
    """One wire a request, then wait for the client to leave."""

    async def script(server: Peer) -> None:
        for wire in wires:
            await request_of(server)
            server.send(wire)
        await server.rest()

    return script


def answers_and_closes(*wires: bytes) -> Script:
    async def script(server: Peer) -> None:
        for wire in wires:
            await request_of(server)
            server.send(wire)

    return script


@contextlib.contextmanager
def client(limits: ClientLimits | None = None) -> Iterator[Client]:
    made = Client(limits or ClientLimits())
    try:
        yield made
    finally:
        made.close()


def to(port: int, **origin: object) -> UpstreamRequest:
    settings = {"scheme": "http", "host": "127.0.0.1", "port": port} | origin
    return UpstreamRequest(origin=Origin(**settings), method=b"POST", target=b"/v1/x?y", body=b"{}")  # type: ignore[arg-type]


async def call(sender: Client, request: UpstreamRequest) -> bytes:
    response = await sender.send(request, first_byte_timeout_s=WAIT_S)
    return await response.read(10_000_000, WAIT_S)


@contextlib.asynccontextmanager
async def answered(wire: bytes, limits: ClientLimits | None = None) -> AsyncIterator[UpstreamResponse]:
    """The response to one request, whose upstream stays."""
    async with upstream(answers(wire)) as server:
        with client(limits) as sender:
            response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            try:
                yield response
            finally:
                response.abort()


async def test_a_request_is_written_with_host_length_and_identity() -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def script(server: Peer) -> None:
        seen.append(await request_of(server))
        server.send(length(b""))
        await server.rest()

    async with upstream(script) as server:
        with client() as sender:
            request = to(server.port)
            request.headers = [
                (b"x-a", b"1"),
                (b"content-length", b"99"),
                (b"host", b"evil"),
                (b"connection", b"close"),
            ]
            await call(sender, request)
    head = b"POST /v1/x?y HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nx-a: 1\r\naccept-encoding: identity\r\n" % server.port
    assert seen == [(head + b"content-length: 2\r\n\r\n", b"{}")]


@pytest.mark.parametrize(
    ("method", "body", "has_length"),
    [(b"GET", b"", False), (b"POST", b"", True), (b"DELETE", b"", False), (b"GET", b"x", True)],
)
async def test_a_length_is_written_where_a_body_is_expected(method: bytes, body: bytes, has_length: bool) -> None:
    seen: list[bytes] = []

    async def script(server: Peer) -> None:
        head, got = await request_of(server)
        seen.extend([head, got])
        server.send(length(b""))
        await server.rest()

    async with upstream(script) as server:
        with client() as sender:
            request = to(server.port)
            request.method, request.body, request.headers = method, body, [(b"accept-encoding", b"br")]
            await call(sender, request)
    assert (b"content-length: " in seen[0], b"identity" in seen[0], seen[1]) == (has_length, False, body)


LARGE = bytes(range(256)) * 20_000


@pytest.mark.parametrize(
    "body", [LARGE, Pieces([memoryview(LARGE)[:70_000], b"between", memoryview(LARGE)[70_000:]])], ids=["one", "pieces"]
)
async def test_a_large_body_arrives_whole(body: Body) -> None:
    seen: list[bytes] = []

    async def script(server: Peer) -> None:
        seen.append((await request_of(server))[1])
        server.send(length(b"ok"))
        await server.rest()

    async with upstream(script) as server:
        with client() as sender:
            request = to(server.port)
            request.body = body
            assert await call(sender, request) == b"ok"
    assert seen == [whole(body)]


@pytest.mark.parametrize(
    ("target", "headers", "method"),
    [
        (b"/a b", [], b"POST"),
        (b"/a\r\nx: y", [], b"POST"),
        (b"/a\0", [], b"POST"),
        (b"/\xe9", [], b"POST"),
        (b"", [], b"POST"),
        (b"/", [(b"x", b"a\r\ny: z")], b"POST"),
        (b"/", [(b"x", b"a\nb")], b"POST"),
        (b"/", [(b"x", b"a\rb")], b"POST"),
        (b"/", [(b"x", b"a\0b")], b"POST"),
        (b"/", [(b"x\r\ny", b"a")], b"POST"),
        (b"/", [], b"POST / HTTP/1.1\r\nX:"),
        (b"/", [], b""),
    ],
)
async def test_what_would_smuggle_is_not_sent(target: bytes, headers: Headers, method: bytes) -> None:
    async with upstream(answers(length(b""))) as server:
        with client() as sender:
            request = to(server.port)
            request.target, request.headers, request.method = target, headers, method
            with pytest.raises(ProtocolError):
                await call(sender, request)
        assert server.connections == 0


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (length(b"abc"), b"abc"),
        (length(b""), b""),
        (CHUNKED + chunk(b"ab") + chunk(b"c") + LAST, b"abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + length(b"abc"), b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
async def test_bodies_are_read_and_the_connection_is_kept(wire: bytes, body: bytes) -> None:
    async with upstream(answers(wire, wire, wire)) as server:
        with client() as sender:
            for _ in range(3):
                assert await call(sender, to(server.port)) == body
            assert (server.connections, sender.connections, sender.requests) == (1, 1, 3)


async def test_status_and_headers_are_there_before_the_body() -> None:
    async with answered(
        b"HTTP/1.1 429 Slow\r\nRetry-After:  3 \r\nX: a\r\nx: b\r\nContent-Length: 5\r\n\r\n"
    ) as response:
        assert (response.status, response.complete) == (429, False)
        assert response.headers == [(b"retry-after", b"3"), (b"x", b"a"), (b"x", b"b"), (b"content-length", b"5")]
        assert (response.header(b"x"), response.header(b"y")) == (b"a", None)


async def test_a_body_may_end_with_the_connection() -> None:
    async with upstream(answers_and_closes(OK + b"\r\nto the end")) as server:
        with client() as sender:
            for number in (1, 2):
                assert await call(sender, to(server.port)) == b"to the end"
                assert server.connections == number


async def test_a_head_request_is_answered_without_a_body() -> None:
    async with upstream(answers(OK + b"Content-Length: 5\r\n\r\n")) as server:
        with client() as sender:
            request = to(server.port)
            request.method, request.body = b"HEAD", b""
            assert await call(sender, request) == b""


async def test_chunks_come_out_as_they_arrive() -> None:
    step = asyncio.Event()

    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(CHUNKED)
        for part in (b"one", b"two"):
            server.send(chunk(part))
            await step.wait()
            step.clear()
        server.send(chunk(b"three") + chunk(b"four") + LAST)
        await server.rest()

    async with upstream(script) as server:
        with client() as sender:
            response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            for part in (b"one", b"two", b"threefour"):
                assert await response.chunk(WAIT_S) == part
                step.set()
            assert [await response.chunk(WAIT_S), await response.chunk(WAIT_S)] == [None, None]
            assert response.complete
            response.abort()
            assert sender.connections == 1


@pytest.mark.parametrize(
    "wire",
    [
        length(b"a", b"Connection: close\r\n"),
        length(b"a") + b"surplus",
        length(b"a") + length(b"b"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
    ],
)
async def test_a_connection_that_cannot_be_trusted_further_is_not_kept(wire: bytes) -> None:
    async with upstream(answers(wire)) as server:
        with client() as sender:
            for number in (1, 2):
                assert await call(sender, to(server.port)) == b"a"
                assert server.connections == number


async def test_bytes_on_an_unused_connection_close_it() -> None:
    speak = asyncio.Event()

    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(length(b"a"))
        await speak.wait()
        server.send(length(b"poison"))
        await server.rest()

    async with upstream(script, answers(length(b"b"))) as server:
        with client() as sender:
            assert await call(sender, to(server.port)) == b"a"
            speak.set()
            await until(lambda: sender.connections == 0)
            assert await call(sender, to(server.port)) == b"b"


async def test_an_answer_before_the_whole_request_was_taken_ends_the_connection() -> None:
    async def script(server: Peer) -> None:
        await server.reader.readuntil(b"\r\n\r\n")
        server.send(b"HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno")
        await asyncio.sleep(60)

    async with upstream(script) as server:
        with client() as sender:
            request = to(server.port)
            request.body = b"x" * 50_000_000
            response = await sender.send(request, first_byte_timeout_s=WAIT_S)
            assert (response.status, await response.read(100, WAIT_S)) == (413, b"no")
            await until(lambda: sender.connections == 0)


async def test_unused_connections_expire() -> None:
    async with upstream(answers(length(b"a"))) as server:
        with client(ClientLimits(idle_s=0.02)) as sender:
            await call(sender, to(server.port))
            assert sender.connections == 1
            await until(lambda: sender.connections == 0)


async def test_a_server_that_says_how_long_it_waits_is_believed() -> None:
    async with upstream(answers(length(b"a", b"Keep-Alive: timeout=1, max=100\r\n"))) as server:
        with client() as sender:
            await call(sender, to(server.port))
            await until(lambda: sender.connections == 0)


async def test_a_connection_is_not_reused_for_ever() -> None:
    async with upstream(answers(length(b"a"))) as server:
        with client(ClientLimits(lifetime_s=0.02)) as sender:
            await call(sender, to(server.port))
            await asyncio.sleep(0.03)
            assert await call(sender, to(server.port)) == b"a"
            assert server.connections == 2


async def test_a_connection_seen_closed_is_simply_replaced() -> None:
    async with upstream(answers_and_closes(length(b"a"))) as server:
        with client() as sender:
            await call(sender, to(server.port))
            await until(lambda: sender.connections == 0)
            assert await call(sender, to(server.port)) == b"a"
            assert (server.connections, sender.stale_retries) == (2, 0)


class Blocking:
    """An upstream in a thread, which goes on while the client's loop stands still."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.closed = threading.Event()
        self.connections = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        for last in (False, True):
            connection, _ = self.listener.accept()
            self.connections += 1
            with connection:
                connection.recv(65536)
                connection.sendall(length(b"last" if last else b"first"))
                if last:
                    connection.recv(65536)
            self.closed.set()
        self.listener.close()


@pytest.mark.parametrize(("peek_after_s", "retries"), [(60.0, 1), (0.0, 0)])
async def test_a_connection_closed_unseen_is_replaced_even_for_post(peek_after_s: float, retries: int) -> None:
    server = Blocking()
    with client(ClientLimits(peek_after_s=peek_after_s)) as sender:
        assert await call(sender, to(server.port)) == b"first"
        server.closed.wait(WAIT_S)  # the loop must not see the close
        assert await call(sender, to(server.port)) == b"last"
        assert (server.connections, sender.stale_retries) == (2, retries)
    await asyncio.to_thread(server.thread.join, WAIT_S)


async def test_a_request_that_was_taken_is_never_sent_twice() -> None:
    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(length(b"a"))
        await request_of(server)

    async with upstream(script) as server:
        with client() as sender:
            await call(sender, to(server.port))
            with pytest.raises(Closed):
                await call(sender, to(server.port))
            assert (server.connections, sender.stale_retries) == (1, 0)


async def test_a_request_that_was_taken_is_never_sent_twice_though_the_connection_is_reset() -> None:
    taken: list[bytes] = []

    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(length(b"a"))
        taken.append((await request_of(server))[1])
        server.reset()

    async with upstream(script) as server:
        with client() as sender:
            await call(sender, to(server.port))
            with pytest.raises(Closed):
                await call(sender, to(server.port))
            assert (server.connections, sender.stale_retries, taken) == (1, 0, [b"{}"])


async def test_a_request_that_was_taken_is_never_sent_twice_whatever_follows_the_end_of_the_stream() -> None:
    taken: list[bytes] = []
    read = threading.Event()

    def run() -> None:
        connection, _ = listener.accept()
        connection.recv(65_536)
        connection.sendall(length(b"a"))
        taken.append(connection.recv(65_536))
        connection.shutdown(socket.SHUT_WR)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        read.set()

    with socket.create_server(("127.0.0.1", 0)) as listener, client() as sender:
        thread = threading.Thread(target=run)
        thread.start()
        port = listener.getsockname()[1]
        await call(sender, to(port))
        second = asyncio.ensure_future(call(sender, to(port)))
        await until(lambda: bool(taken))
        read.wait(WAIT_S)  # the end of the stream and the reset are there before the loop sees either
        with pytest.raises(Closed):
            await second
        thread.join(WAIT_S)
        assert (len(taken), sender.stale_retries) == (1, 0)


async def test_a_request_on_a_fresh_connection_is_never_sent_twice() -> None:
    async def script(server: Peer) -> None:
        await request_of(server)
        server.reset()

    async with upstream(script) as server:
        with client() as sender:
            with pytest.raises(Closed):
                await call(sender, to(server.port))
            assert (server.connections, sender.stale_retries) == (1, 0)


@pytest.mark.parametrize(
    ("sent", "in_head"),
    [
        (b"", True),
        (b"HTTP/1.1 2", True),
        (OK + b"X: y\r\n", True),
        (OK + b"Content-Length: 3\r\n\r\n", False),
        (OK + b"Content-Length: 3\r\n\r\nab", False),
        (CHUNKED, False),
        (CHUNKED + b"5\r\nab", False),
        (CHUNKED + chunk(b"ab"), False),
        (CHUNKED + chunk(b"ab") + b"0\r\n", False),
    ],
)
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_an_upstream_that_dies_is_closed_in_every_phase(sent: bytes, in_head: bool, end: str) -> None:
    go = asyncio.Event()

    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(sent)
        if not in_head:
            await go.wait()
        if end == "reset":
            server.reset()

    async with upstream(script) as server:
        with client() as sender:
            if in_head:
                with pytest.raises(Closed):
                    await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            else:
                response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
                go.set()
                with pytest.raises(Closed):
                    await response.read(1000, WAIT_S)
                response.abort()
            await until(lambda: sender.connections == 0)


async def test_what_came_before_the_end_is_given_out_before_the_error() -> None:
    async with upstream(answers_and_closes(CHUNKED + chunk(b"ab"))) as server:
        with client() as sender:
            response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            await until(lambda: sender.connections == 0)
            assert await response.chunk(WAIT_S) == b"ab"
            for _ in range(2):
                with pytest.raises(Closed):
                    await response.chunk(WAIT_S)


async def test_a_reset_does_not_pass_for_the_end_of_an_endless_body() -> None:
    go = asyncio.Event()

    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(OK + b"\r\nabc")
        await go.wait()
        server.reset()

    async with upstream(script) as server:
        with client() as sender:
            response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            assert await response.chunk(WAIT_S) == b"abc"
            go.set()
            with pytest.raises(Closed):
                await response.chunk(WAIT_S)


async def test_broken_answers_are_protocol_errors() -> None:
    async with upstream(answers(b"SSH-2.0-OpenSSH\r\n")) as server:
        with client() as sender:
            with pytest.raises(ProtocolError):
                await call(sender, to(server.port))
            await until(lambda: sender.connections == 0)


async def test_a_broken_chunk_is_a_protocol_error_behind_the_good_ones() -> None:
    async with answered(CHUNKED + chunk(b"ab") + b"zz\r\n") as response:
        assert await response.chunk(WAIT_S) == b"ab"
        with pytest.raises(ProtocolError):
            await response.chunk(WAIT_S)


async def test_a_head_that_is_too_large_is_not_read_on() -> None:
    async with upstream(answers(OK + b"X: " + b"y" * 300_000)) as server:
        with client() as sender, pytest.raises(TooLarge):
            await call(sender, to(server.port))


async def test_a_body_may_be_as_large_as_the_limit_and_no_larger() -> None:
    async with upstream(answers(length(b"x" * 1001), length(b"x" * 1000))) as server:
        with client() as sender:
            response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            with pytest.raises(TooLarge):
                await response.read(1000, WAIT_S)
            response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            assert len(await response.read(1000, WAIT_S)) == 1000


async def test_a_body_over_the_limit_is_not_waited_for() -> None:
    async with answered(CHUNKED + chunk(b"x" * 1001)) as response:
        with pytest.raises(TooLarge):
            await response.read(1000, WAIT_S)
        assert response.complete


async def test_an_upstream_that_does_not_answer_times_out() -> None:
    gone = asyncio.Event()

    async def script(server: Peer) -> None:
        await request_of(server)
        await server.rest()
        gone.set()

    async with upstream(script) as server:
        with client() as sender:
            with pytest.raises(TimedOut) as caught:
                await sender.send(to(server.port), first_byte_timeout_s=0.25)
            async with asyncio.timeout(WAIT_S):
                await gone.wait()
    assert caught.value.phase is Phase.FIRST_BYTE
    assert "0.25 s" in str(caught.value)


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.TOTAL])
async def test_an_upstream_that_stops_within_its_body_times_out(phase: Phase) -> None:
    async with answered(CHUNKED + chunk(b"ab")) as response:
        if phase is Phase.IDLE:
            assert await response.chunk(WAIT_S) == b"ab"
        with pytest.raises(TimedOut) as caught:
            await (response.chunk(0.02) if phase is Phase.IDLE else response.read(100, 0.02))
    assert caught.value.phase is phase
    assert "0.02 s" in str(caught.value)


async def test_a_body_that_trickles_is_still_held_to_its_whole_time() -> None:
    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(CHUNKED)
        with contextlib.suppress(OSError):
            while not server.reader.at_eof():
                server.send(chunk(b"x"))
                await asyncio.sleep(0.005)

    async with upstream(script) as server:
        with client() as sender:
            response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            with pytest.raises(TimedOut) as caught:
                await response.read(1_000_000, 0.05)
    assert caught.value.phase is Phase.TOTAL


async def test_time_that_the_application_takes_is_not_the_upstreams() -> None:
    step = asyncio.Event()

    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(CHUNKED + chunk(b"ab"))
        await step.wait()
        server.send(chunk(b"c") + LAST)
        await server.rest()

    async with upstream(script) as server:
        with client() as sender:
            response = await sender.send(to(server.port), first_byte_timeout_s=0.5)
            await asyncio.sleep(0.6)
            assert await response.chunk(0.05) == b"ab"
            await asyncio.sleep(0.1)
            step.set()
            assert await response.chunk(WAIT_S) == b"c"


async def test_a_body_that_is_not_taken_is_read_no_further_than_the_bound() -> None:
    sent = 0

    async def script(server: Peer) -> None:
        nonlocal sent
        await request_of(server)
        server.send(CHUNKED)
        for _ in range(500):
            server.send(chunk(b"x" * 100_000))
            sent += 100_000
            await server.writer.drain()
        server.send(LAST)
        await server.rest()

    async with upstream(script) as server:
        with client(ClientLimits(buffer_bytes=64 * 1024)) as sender:
            response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            await until(lambda: sent > 0)
            await asyncio.sleep(0.1)
            stopped_at = sent
            await asyncio.sleep(0.1)
            assert sent == stopped_at < 50_000_000
            first = await response.chunk(WAIT_S)
            assert first is not None
            assert len(first) <= 64 * 1024 + 256 * 1024
            rest = await response.read(50_000_000, WAIT_S)
    assert len(first) + len(rest) == sent == 50_000_000


@pytest.mark.parametrize("phase", ["head", "body"])
async def test_giving_up_reaches_the_upstream_at_once(phase: str) -> None:
    gone = asyncio.Event()
    taken = asyncio.Event()

    async def script(server: Peer) -> None:
        await request_of(server)
        taken.set()
        if phase == "body":
            server.send(CHUNKED + chunk(b"ab"))
        with contextlib.suppress(OSError):
            await server.rest()
        gone.set()

    async with upstream(script) as server:
        with client() as sender:
            if phase == "body":
                response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
                response.abort()
                response.abort()
                with pytest.raises(Closed):
                    await response.chunk(WAIT_S)
            else:
                sending = asyncio.ensure_future(sender.send(to(server.port), first_byte_timeout_s=WAIT_S))
                await taken.wait()
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending
            async with asyncio.timeout(WAIT_S):
                await gone.wait()
            await until(lambda: sender.connections == 0)


async def test_cancelling_a_wait_for_the_body_leaves_the_abort_to_the_caller() -> None:
    async with answered(CHUNKED) as response:
        waiting = asyncio.ensure_future(response.chunk(WAIT_S))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not response.complete


@pytest.mark.parametrize(
    ("origin", "says"),
    [
        ({"host": "no-such-name.invalid"}, "no-such-name.invalid cannot be resolved"),
        ({"host": "a" * 64 + ".example"}, "is no host name: a part of it is empty or too long"),
        ({"scheme": "ftp"}, "ftp is not a scheme"),
        ({"scheme": "https", "ca_bundle": "not PEM"}, "CA bundle for 127.0.0.1"),
    ],
)
async def test_what_cannot_be_connected_to_says_why(origin: dict[str, object], says: str) -> None:
    with client() as sender, pytest.raises(ConnectError, match=says):
        await call(sender, to(9, **origin))


async def test_a_refused_connection_says_where() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with client() as sender:
        with pytest.raises(ConnectError, match=f"127.0.0.1:{port} refuses connections"):
            await call(sender, to(port))
        assert sender.connections == 0


async def test_only_the_five_errors_come_out_of_a_hostile_upstream() -> None:
    junk = [
        b"\0" * 100,
        b"HTTP/1.1 ",
        b"HTTP/1.1 101 X\r\n\r\n",
        OK + b"Transfer-Encoding: gzip\r\n\r\n",
        b"\r\n\r\n",
        LAST,
    ]
    async with upstream(*[answers_and_closes(wire) for wire in junk]) as server:
        with client() as sender:
            for _ in junk:
                with pytest.raises(HTTPError):
                    await call(sender, to(server.port))


async def test_close_ends_unused_connections_at_once_and_others_when_they_come_free() -> None:
    go = asyncio.Event()

    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(CHUNKED)
        await go.wait()
        server.send(LAST)
        await server.rest()

    async with upstream(answers(length(b"a")), script) as server, upstream(answers(length(b"b"))) as other:
        with client() as sender:
            await call(sender, to(other.port))
            busy = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            await busy.read(10, WAIT_S)
            first, second = await asyncio.gather(
                sender.send(to(server.port), first_byte_timeout_s=0.05),
                sender.send(to(server.port), first_byte_timeout_s=WAIT_S),
                return_exceptions=True,
            )
            assert isinstance(first, TimedOut)
            assert isinstance(second, UpstreamResponse)
            sender.close()
            go.set()
            assert await second.read(10, WAIT_S) == b""


async def test_a_place_that_is_not_asked_any_more_is_forgotten() -> None:
    async def one_answer(server: Peer) -> None:
        await request_of(server)
        server.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    async with upstream(one_answer) as first, upstream(one_answer) as second:
        sender = Client(ClientLimits())
        for server in (first, second):
            response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            await response.read(10, WAIT_S)
            await until(lambda: sender.connections == 0)
        assert [origin.port for origin in sender._pools] == [second.port]


def gzipped(body: bytes) -> bytes:
    return length(gzip.compress(body), b"Content-Encoding: gzip\r\n")


async def test_a_body_that_came_compressed_is_read_decoded_and_the_connection_kept() -> None:
    async with upstream(answers(gzipped(b"one"), length(b"two"), gzipped(b"three"))) as server:
        with client() as sender:
            for body in (b"one", b"two", b"three"):
                assert await call(sender, to(server.port)) == body
            assert server.connections == 1


async def test_the_limit_of_a_body_is_that_of_the_decoded_one() -> None:
    async with answered(gzipped(b"x" * 100_000)) as response:
        with pytest.raises(TooLarge, match="larger than 99999 bytes"):
            await response.read(99_999, WAIT_S)


async def test_a_compressed_body_that_ends_early_is_a_protocol_error_though_its_message_is_whole() -> None:
    cut = gzip.compress(b"to be or not to be")[:-4]
    for wire in (length(cut, b"Content-Encoding: gzip\r\n"), CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n"):
        parts = [wire] if wire.endswith(cut) else [wire, chunk(cut), LAST]

        async def script(server: Peer, parts: list[bytes] = parts) -> None:
            await request_of(server)
            for part in parts:
                server.send(part)
                await asyncio.sleep(0.01)
            await server.rest()

        async with upstream(script) as server:
            with client() as sender, pytest.raises(ProtocolError, match="ends within its gzip"):
                await call(sender, to(server.port))


async def test_a_head_request_to_what_would_be_compressed_has_no_body_to_decode() -> None:
    async with upstream(answers(OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n")) as server:
        with client() as sender:
            request = to(server.port)
            request.method, request.body = b"HEAD", b""
            assert await call(sender, request) == b""


async def test_answers_without_a_body_have_none_whatever_their_headers_say() -> None:
    wires = (
        b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        length(b"next"),
    )
    async with upstream(answers(*wires)) as server:
        with client() as sender:
            bodies = [await call(sender, to(server.port)) for _ in wires]
    assert bodies == [b"", b"", b"next"]


async def test_interim_answers_without_end_are_too_large() -> None:
    async def script(server: Peer) -> None:
        await request_of(server)
        with contextlib.suppress(ConnectionError):
            while True:
                server.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100)
                await server.writer.drain()

    async with upstream(script) as server:
        with client() as sender:
            with pytest.raises(TooLarge, match="head of the upstream's answer"):
                await call(sender, to(server.port))
            await until(lambda: sender.connections == 0)


@pytest.mark.parametrize(
    "head",
    [
        b"X: " + b"y" * 70_000 + b"\r\n",
        b"X: y\r\n" * 129,
        b"".join(b"X%d: %b\r\n" % (n, b"y" * 1_000) for n in range(70)),
    ],
    ids=["a long header", "many headers", "many long headers"],
)
async def test_a_head_over_the_limits_is_too_large_and_its_connection_ends(head: bytes) -> None:
    async with upstream(answers(OK + head + b"Content-Length: 0\r\n\r\n")) as server:
        with client() as sender:
            with pytest.raises(TooLarge):
                await call(sender, to(server.port))
            await until(lambda: sender.connections == 0)


async def test_a_body_without_a_length_is_bounded_too() -> None:
    async with upstream(answers_and_closes(OK + b"\r\n" + b"x" * 1_000_000)) as server:
        with client() as sender:
            response = await sender.send(to(server.port), first_byte_timeout_s=WAIT_S)
            with pytest.raises(TooLarge):
                await response.read(999_999, WAIT_S)
            await until(lambda: sender.connections == 0)


async def read_whole(sender: Client, port: int) -> None:
    assert await call(sender, to(port)) == b"whole"


async def left_before_the_head(sender: Client, port: int) -> None:
    asked = asyncio.create_task(call(sender, to(port)))
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.wait([asked])


async def left_within_the_body(sender: Client, port: int) -> None:
    (await sender.send(to(port), first_byte_timeout_s=WAIT_S)).abort()


@pytest.mark.parametrize("exchange", [read_whole, left_before_the_head, left_within_the_body])
async def test_an_exchange_that_is_over_is_freed_without_the_garbage_collector(
    exchange: Callable[[Client, int], Awaitable[None]],
) -> None:
    """With TLS each holds the memory of its connection, which the collector does not see."""

    def alive() -> int:
        return sum(isinstance(it, UpstreamConnection | UpstreamResponse | Transfer) for it in gc.get_objects())

    async with upstream(answers_and_closes(length(b"whole"))) as server:
        with client() as sender:
            gc.collect()
            gc.disable()
            try:
                before = alive()
                await exchange(sender, server.port)
                await until(lambda: sender.connections == 0)
                await until(lambda: alive() == before)
            finally:
                gc.enable()
