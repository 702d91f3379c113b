import asyncio
import gc
import socket
import sys

import pytest

from pilothouse_proxy.http.alarm import Alarm
from pilothouse_proxy.http.ledger import Ledger
from pilothouse_proxy.http.limits import Limits
from pilothouse_proxy.http.parser import RequestParser
from pilothouse_proxy.http.request import Request
from pilothouse_proxy.http.server import Connection, NoAnswer, Responder
from tests.unit.proxy.http.corpus import ACCEPTED, REFUSED
from tests.unit.proxy.http.rig import WAIT_S, Peer, echo, peer, serving, until

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
HEAD = b"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n"
OLD = b"GET /a HTTP/1.0\r\n\r\n"
CLOSE = b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def post(body: bytes, extra: bytes = b"") -> bytes:
    return b"POST /p HTTP/1.1\r\nHost: h\r\n" + extra + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def stream(request: Request, responder: Responder) -> None:
    responder.start(200, [(b"content-type", b"text/event-stream")])
    for part in (b"one", b"", b"two"):
        responder.write(part)
        await responder.drain()
    responder.finish()


async def test_an_answer_has_date_length_and_the_applications_headers() -> None:
    async with serving(echo) as rig, peer(rig.port) as client:
        client.send(post(b"hello"))
        status, headers, body = await client.answer()
    assert (status, body) == (200, b"POST /p hello")
    assert headers.pop("date").endswith(" GMT")
    assert headers == {"content-type": "text/plain", "content-length": "13"}


async def test_a_connection_serves_request_after_request() -> None:
    async with serving(echo) as rig, peer(rig.port) as client:
        for number in range(3):
            client.send(post(b"%d" % number))
            assert (await client.answer())[2] == b"POST /p %d" % number
        assert (rig.server.connections, rig.server.connections_accepted, rig.server.requests) == (1, 1, 3)


async def test_pipelined_requests_are_answered_in_order_though_the_first_takes_longest() -> None:
    async def slow_first(request: Request, responder: Responder) -> None:
        await asyncio.sleep(0.02 if request.body == b"0" else 0)
        await echo(request, responder)

    async with serving(slow_first) as rig, peer(rig.port) as client:
        client.send(b"".join(post(b"%d" % number) for number in range(20)))
        assert [(await client.answer())[2] for _ in range(20)] == [b"POST /p %d" % number for number in range(20)]


async def test_one_request_at_a_time_runs_on_a_connection() -> None:
    running: list[int] = []

    async def counting(request: Request, responder: Responder) -> None:
        running.append(1)
        await asyncio.sleep(0)
        assert len(running) == 1
        running.clear()
        await echo(request, responder)

    async with serving(counting) as rig, peer(rig.port) as client:
        client.send(GET * 3)
        await asyncio.sleep(0.01)
        client.send(GET * 3)
        assert [(await client.answer())[0] for _ in range(6)] == [200] * 6
    assert rig.failures == []


async def test_a_client_that_sends_far_ahead_is_read_no_further_than_the_limit() -> None:
    gate = asyncio.Event()

    async def gated(request: Request, responder: Responder) -> None:
        await gate.wait()
        await echo(request, responder)

    total = 20_000
    async with serving(gated, Limits(pipeline_bytes=4096)) as rig, peer(rig.port) as client:
        client.send(GET * total)
        await until(lambda: rig.server.requests == 1)
        await asyncio.sleep(0.05)
        (connection,) = rig.server._open
        assert connection._backlog_bytes <= 4096 + 256 * 1024
        assert len(connection._parser.completed) <= 4096 // len(GET) + 1
        gate.set()
        for _ in range(total):
            assert (await client.answer())[0] == 200


async def test_head_gets_the_head_alone() -> None:
    async with serving(echo) as rig, peer(rig.port) as client:
        client.send(HEAD + GET)
        assert (await client.head())[1]["content-length"] == "8"
        assert (await client.answer())[2] == b"GET /a "


async def test_head_of_a_stream_gets_the_head_alone() -> None:
    async with serving(stream) as rig, peer(rig.port) as client:
        client.send(HEAD + GET)
        assert (await client.head())[1]["transfer-encoding"] == "chunked"
        assert (await client.answer())[2] == b"onetwo"


async def test_a_stream_is_one_chunk_a_write() -> None:
    async with serving(stream) as rig, peer(rig.port) as client:
        client.send(GET)
        status, headers = await client.head()
        assert (status, headers["transfer-encoding"], "content-length" in headers) == (200, "chunked", False)
        assert [chunk async for chunk in client.chunks()] == [b"one", b"two"]


async def test_the_last_bytes_can_go_with_the_end() -> None:
    async def at_once(request: Request, responder: Responder) -> None:
        responder.start(200, [])
        responder.finish(b"all")

    async with serving(at_once) as rig, peer(rig.port) as client:
        client.send(GET)
        await client.head()
        assert [chunk async for chunk in client.chunks()] == [b"all"]
        client.send(OLD)
        assert (await client.rest()).endswith(b"\r\n\r\nall")


async def test_a_stream_without_a_write_is_an_empty_body() -> None:
    async def empty(request: Request, responder: Responder) -> None:
        responder.start(200, [])
        responder.finish()

    async with serving(empty) as rig, peer(rig.port) as client:
        client.send(GET)
        assert (await client.answer())[2] == b""


async def test_http_1_0_gets_a_stream_without_chunks_ended_by_the_connection() -> None:
    async with serving(stream) as rig, peer(rig.port) as client:
        client.send(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        _, headers = await client.head()
        assert (headers["connection"], "transfer-encoding" in headers) == ("close", False)
        assert await client.rest() == b"onetwo"


async def test_http_1_0_may_keep_its_connection() -> None:
    async with serving(echo) as rig, peer(rig.port) as client:
        for _ in range(2):
            client.send(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert (await client.answer())[1]["connection"] == "keep-alive"


@pytest.mark.parametrize("request_", [CLOSE, OLD])
async def test_the_connection_is_closed_when_the_client_wants_it(request_: bytes) -> None:
    async with serving(echo) as rig, peer(rig.port) as client:
        client.send(request_)
        assert (await client.answer())[1]["connection"] == "close"
        assert await client.rest() == b""


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_that_have_no_body_send_none(status: int) -> None:
    async def bodiless(request: Request, responder: Responder) -> None:
        responder.respond(status, [], b"ignored")

    async with serving(bodiless) as rig, peer(rig.port) as client:
        client.send(GET * 2)
        for _ in range(2):
            seen, headers = await client.head()
            assert (seen, "content-length" in headers) == (status, False)


async def test_an_unregistered_status_has_no_phrase() -> None:
    async def odd(request: Request, responder: Responder) -> None:
        responder.respond(529, [], b"")

    async with serving(odd) as rig, peer(rig.port) as client:
        client.send(CLOSE)
        assert (await client.rest()).startswith(b"HTTP/1.1 529 \r\n")


async def test_framing_headers_of_the_application_are_left_out() -> None:
    async def relay(request: Request, responder: Responder) -> None:
        given = [b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"date", b"upgrade", b"x-kept"]
        responder.respond(200, [(name, b"9") for name in given], b"ok")

    async with serving(relay) as rig, peer(rig.port) as client:
        client.send(CLOSE)
        _, headers, body = await client.answer()
    assert (sorted(headers), headers["content-length"], body) == (
        ["connection", "content-length", "date", "x-kept"],
        "2",
        b"ok",
    )


async def test_a_header_that_would_split_the_answer_becomes_a_failure() -> None:
    async def split(request: Request, responder: Responder) -> None:
        responder.respond(200, [(b"x", b"a\r\nset-cookie: evil")], b"ok")

    async with serving(split) as rig, peer(rig.port) as client:
        client.send(CLOSE)
        answer = await client.rest()
    assert b"evil" not in answer
    assert len(rig.failures) == 1


async def test_a_failure_is_answered_by_the_hook_and_the_connection_goes_on() -> None:
    async def failing(request: Request, responder: Responder) -> None:
        if request.method == b"POST":
            raise LookupError("lost")
        await echo(request, responder)

    async with serving(failing) as rig, peer(rig.port) as client:
        client.send(post(b"x") + GET)
        assert (await client.answer())[::2] == (500, b"failed: /p")
        assert (await client.answer())[0] == 200
    assert [str(failure) for failure in rig.failures] == ["lost"]


async def test_an_application_that_does_not_answer_is_a_failure() -> None:
    async def silent(request: Request, responder: Responder) -> None:
        pass

    async with serving(silent) as rig, peer(rig.port) as client:
        client.send(GET)
        assert (await client.answer())[0] == 500
    assert isinstance(rig.failures[0], NoAnswer)


async def test_a_cancellation_from_inside_the_application_is_a_failure() -> None:
    async def cancelled(request: Request, responder: Responder) -> None:
        raise asyncio.CancelledError

    async with serving(cancelled) as rig, peer(rig.port) as client:
        client.send(GET)
        assert (await client.answer())[0] == 500


@pytest.mark.parametrize("raises", [True, False])
async def test_a_stream_that_fails_is_cut_off_without_its_end(raises: bool) -> None:
    async def breaking(request: Request, responder: Responder) -> None:
        responder.start(200, [])
        responder.write(b"one")
        if raises:
            raise LookupError("lost")

    async with serving(breaking) as rig, peer(rig.port) as client:
        client.send(GET * 2)
        await client.head()
        assert await client.rest() == b"3\r\none\r\n"
    assert len(rig.failures) == 1


async def test_an_answer_is_given_once() -> None:
    problems: list[str] = []

    async def twice(request: Request, responder: Responder) -> None:
        for misuse in (responder.finish, lambda: responder.write(b"x")):
            with pytest.raises(RuntimeError):
                misuse()
        responder.respond(200, [], b"first")
        for misuse in (responder.finish, lambda: responder.respond(200, [], b"x"), lambda: responder.write(b"x")):
            with pytest.raises(RuntimeError):
                misuse()
        problems.append("none")

    async with serving(twice) as rig, peer(rig.port) as client:
        client.send(GET)
        assert (await client.answer())[2] == b"first"
        await until(lambda: problems == ["none"])
    assert rig.failures == []


async def test_a_client_that_waits_is_told_to_go_on() -> None:
    async with serving(echo) as rig, peer(rig.port) as client:
        client.send(b"POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await client.head() == (100, {})
        client.send(b"ab")
        assert (await client.answer())[2] == b"POST /p ab"


async def test_a_client_that_waits_is_refused_before_it_sends_too_much() -> None:
    async with serving(echo, Limits(body_bytes=10)) as rig, peer(rig.port) as client:
        client.send(b"POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
        assert (await client.head())[0] == 413


@pytest.mark.parametrize("name", REFUSED)
async def test_refused_requests_get_their_status_and_the_connection_ends(name: str) -> None:
    request, status = REFUSED[name]
    async with serving(echo, Limits(linger_s=0.01)) as rig, peer(rig.port) as client:
        client.send(GET + request + GET)
        assert (await client.answer())[2] == b"GET /a "
        seen, headers, body = await client.answer()
        assert (seen, headers["connection"], headers["content-type"]) == (status, "close", "text/plain")
        assert body
        assert await client.rest() == b""
        assert (rig.server.requests, rig.server.refusals) == (1, 1)


@pytest.mark.parametrize("name", REFUSED)
async def test_refused_requests_that_come_byte_by_byte_get_their_status(name: str) -> None:
    request, status = REFUSED[name]
    async with serving(echo) as rig, peer(rig.port) as client:
        await trickled(client, request + GET)
        assert (await client.answer())[0] == status
        assert (rig.server.requests, rig.server.refusals) == (0, 1)


@pytest.mark.parametrize("trickle", [False, True])
@pytest.mark.parametrize("name", ACCEPTED)
async def test_odd_requests_that_are_right_are_answered_and_so_is_the_next(name: str, trickle: bool) -> None:
    request, (method, path, body, kept) = ACCEPTED[name]
    async with serving(echo) as rig, peer(rig.port) as client:
        sent = request + GET if kept else request
        if trickle:
            await trickled(client, sent)
        else:
            client.send(sent)
        status, headers = await client.head()
        if status == 100:
            status, headers = await client.head()
        assert status == 200
        if method != b"HEAD":
            told = b"%b %b " % (method, path) + body
            assert await client.exactly(int(headers["content-length"])) == told
        asked = None if b"HTTP/1.1" in request else "keep-alive"
        assert headers.get("connection") == (asked if kept else "close")
        if kept:
            assert (await client.answer())[2] == b"GET /a "
        else:
            assert await client.rest() == b""


async def trickled(client: Peer, data: bytes) -> None:
    for at in range(len(data)):
        client.send(data[at : at + 1])
        await asyncio.sleep(0)


@pytest.mark.parametrize("bad", ["two different lengths", "no chunk size", "obs-fold", "HTTP/2.0", "CONNECT"])
async def test_a_bad_request_amid_pipelined_ones_ends_the_answers_in_order(bad: str) -> None:
    request, status = REFUSED[bad]
    gate = asyncio.Event()

    async def gated(request: Request, responder: Responder) -> None:
        await gate.wait()
        await echo(request, responder)

    async with serving(gated, Limits(linger_s=0.01)) as rig, peer(rig.port) as client:
        client.send(post(b"1") + GET + request + post(b"never"))
        await until(lambda: rig.server.requests == 1)
        gate.set()
        assert (await client.answer())[2] == b"POST /p 1"
        assert (await client.answer())[2] == b"GET /a "
        seen, headers, _ = await client.answer()
        assert (seen, headers["connection"]) == (status, "close")
        assert await client.rest() == b""
        assert rig.server.requests == 2


async def test_pipelined_requests_of_every_kind_are_answered_in_order() -> None:
    async with serving(echo) as rig, peer(rig.port) as client:
        options = b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"
        chunks = b"PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
        client.send((options + HEAD + chunks + b"\r\n" + post(b"b") + GET) * 50)
        for _ in range(50):
            assert (await client.answer())[2] == b"OPTIONS * "
            assert (await client.head())[1]["content-length"] == "8"
            assert (await client.answer())[2] == b"PUT /c x"
            assert (await client.answer())[2] == b"POST /p b"
            assert (await client.answer())[2] == b"GET /a "
        assert rig.server.requests == 250


async def test_streams_are_pipelined_in_order_too() -> None:
    async with serving(stream) as rig, peer(rig.port) as client:
        client.send(GET * 3)
        assert [(await client.answer())[2] for _ in range(3)] == [b"onetwo"] * 3


async def test_what_follows_a_request_that_closes_is_not_answered() -> None:
    async with serving(echo) as rig, peer(rig.port) as client:
        client.send(GET + CLOSE + GET)
        assert [(await client.answer())[1].get("connection") for _ in range(2)] == [None, "close"]
        assert await client.rest() == b""
        assert rig.server.requests == 2


async def test_each_of_two_clients_that_wait_on_one_connection_is_told_to_go_on() -> None:
    waits = b"POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    async with serving(echo) as rig, peer(rig.port) as client:
        for _ in range(2):
            client.send(waits)
            assert await client.head() == (100, {})
            client.send(b"a")
            client.send(b"b")
            assert (await client.answer())[2] == b"POST /p ab"


async def test_a_client_that_does_not_wait_although_it_said_so_hears_nothing_of_it() -> None:
    async with serving(echo) as rig, peer(rig.port) as client:
        client.send(b"POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab" + GET)
        assert (await client.answer())[2] == b"POST /p ab"
        assert (await client.answer())[2] == b"GET /a "


async def test_a_client_that_waits_behind_another_request_is_told_to_go_on_in_its_turn() -> None:
    gate = asyncio.Event()

    async def gated(request: Request, responder: Responder) -> None:
        await gate.wait()
        await echo(request, responder)

    async with serving(gated) as rig, peer(rig.port) as client:
        client.send(GET + b"POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        await until(lambda: rig.server.requests == 1)
        gate.set()
        assert (await client.answer())[2] == b"GET /a "
        assert await client.head() == (100, {})
        client.send(b"ab")
        assert (await client.answer())[2] == b"POST /p ab"


@pytest.mark.parametrize("begun", [b"", b"GET / HT", post(b"abc")[:-1], b"\r\n"])
async def test_a_client_that_half_closes_before_its_request_is_whole_is_closed(begun: bytes) -> None:
    async with serving(echo) as rig, peer(rig.port) as client:
        client.send(begun)
        client.writer.write_eof()
        assert await client.rest() == b""
        await until(lambda: rig.server.connections == 0)
    assert rig.server.requests == 0


async def test_a_client_that_half_closes_at_once_still_gets_what_can_be_answered_at_once() -> None:
    def at_once(request: Request, responder: Responder) -> None:
        responder.respond(200, [], request.body)
        responder.done()

    async with serving(at_once) as rig, peer(rig.port) as client:
        client.send(post(b"ab") + GET)
        client.writer.write_eof()
        assert [(await client.answer())[2] for _ in range(2)] == [b"ab", b""]
        assert await client.rest() == b""


async def test_a_refusal_reaches_a_client_that_is_still_sending() -> None:
    async with serving(echo, Limits(body_bytes=1000)) as rig, peer(rig.port) as client:
        client.send(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n" + b"x" * 8_000_000)
        assert (await client.answer())[0] == 413


async def test_a_refusal_behind_an_answer_reaches_a_client_that_is_still_sending() -> None:
    release = asyncio.Event()

    async def late(request: Request, responder: Responder) -> None:
        await release.wait()
        responder.respond(200, [], b"late")

    async with serving(late, Limits(linger_s=60)) as rig, peer(rig.port) as client:
        client.send(GET + b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: rig.server.requests_in_flight == 1)
        client.send(b"x" * 8_000_000)
        (connection,) = rig.server._open
        await until(lambda: not connection.transport.is_reading())
        release.set()
        assert (await client.answer())[2] == b"late"
        assert (await client.answer())[0] == 400
        async with asyncio.timeout(WAIT_S):
            await client.writer.drain()


async def test_a_slow_head_is_refused_and_closed() -> None:
    async with serving(echo, Limits(header_timeout_s=0.05, linger_s=0.01)) as rig, peer(rig.port) as client:
        client.send(GET)
        await client.answer()
        for byte in GET[:10]:
            client.send(bytes([byte]))
            await asyncio.sleep(0.002)
        assert (await client.answer())[0] == 408
        assert await client.rest() == b""


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
async def test_a_connection_without_a_request_is_closed_without_a_word(sent: bytes) -> None:
    async with serving(echo, Limits(header_timeout_s=0.05)) as rig, peer(rig.port) as client:
        client.send(sent)
        assert await client.rest() == b""


async def test_an_unused_connection_is_closed_without_a_word() -> None:
    async with serving(echo, Limits(keep_alive_s=0.05)) as rig, peer(rig.port) as client:
        client.send(GET)
        await client.answer()
        assert await client.rest() == b""


async def test_a_trickling_body_is_refused() -> None:
    limits = Limits(body_timeout_s=0.05, body_rate_bytes_s=1_000_000)
    async with serving(echo, limits) as rig, peer(rig.port) as client:
        client.send(post(b"x" * 1000)[:-900])
        for _ in range(8):
            client.send(b"x")
            await asyncio.sleep(0.01)
        assert (await client.answer())[0] == 408


async def test_a_body_that_comes_fast_enough_may_take_longer_than_the_grace() -> None:
    limits = Limits(body_timeout_s=0.05, body_rate_bytes_s=1000)
    async with serving(echo, limits) as rig, peer(rig.port) as client:
        body = b"x" * 1000
        client.send(post(body)[:-900])
        for _ in range(9):
            client.send(b"x" * 100)
            await asyncio.sleep(0.01)
        assert (await client.answer())[2] == b"POST /p " + body


@pytest.mark.parametrize("leave", ["reset", "close", "half-close"])
async def test_a_client_that_leaves_cancels_the_application_once(leave: str) -> None:
    started, unwound = asyncio.Event(), asyncio.Event()
    cancellations: list[str] = []

    async def waiting(request: Request, responder: Responder) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancellations.append("cancelled")
            # A finally-block that waits must not be broken into.
            await asyncio.sleep(0.02)
            responder.start(200, [])
            responder.write(b"into nothing")
            await responder.drain()
            responder.finish()
            unwound.set()
            raise

    async with serving(waiting) as rig, peer(rig.port) as client:
        client.send(post(b"x"))
        await started.wait()
        if leave == "reset":
            client.reset()
        elif leave == "close":
            client.writer.close()
        else:
            client.writer.write_eof()
        async with asyncio.timeout(5):
            await unwound.wait()
        await until(lambda: rig.server.connections == 0)
    assert (cancellations, rig.failures) == (["cancelled"], [])


async def test_a_client_that_leaves_within_a_stream_cancels_the_application() -> None:
    ended = asyncio.Event()

    async def endless(request: Request, responder: Responder) -> None:
        responder.start(200, [])
        try:
            while True:
                responder.write(b"tick")
                await responder.drain()
                await asyncio.sleep(0.001)
        finally:
            ended.set()

    async with serving(endless) as rig, peer(rig.port) as client:
        client.send(GET)
        await client.head()
        client.reset()
        async with asyncio.timeout(5):
            await ended.wait()
    assert rig.failures == []


def slow_socket(port: int) -> socket.socket:
    """A client with a tiny receive buffer that reads only when told."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.setblocking(False)
    return client


async def test_a_slow_reader_stops_the_application_and_memory_stays_bounded() -> None:
    written = 0
    limits = Limits(high_water_bytes=16 * 1024, low_water_bytes=4 * 1024)

    async def flood(request: Request, responder: Responder) -> None:
        nonlocal written
        responder.start(200, [])
        for _ in range(2000):
            responder.write(b"x" * 10_000)
            written += 10_000
            await responder.drain()
        responder.finish()

    async with serving(flood, limits) as rig:
        client = slow_socket(rig.port)
        client.send(CLOSE)
        await until(lambda: written > 0)
        await asyncio.sleep(0.1)
        stopped_at = written
        await asyncio.sleep(0.1)
        (connection,) = rig.server._open
        assert written == stopped_at < 20_000_000
        assert connection.transport.get_write_buffer_size() <= 16 * 1024 + 10_100
        loop = asyncio.get_running_loop()
        received = 0
        while data := await loop.sock_recv(client, 1 << 20):
            received += len(data)
        client.close()
    assert received > written == 20_000_000


async def test_a_reader_that_takes_nothing_is_cut_off() -> None:
    ended = asyncio.Event()
    limits = Limits(high_water_bytes=16 * 1024, low_water_bytes=4 * 1024, write_timeout_s=0.05)

    async def flood(request: Request, responder: Responder) -> None:
        responder.start(200, [])
        try:
            while True:
                responder.write(b"x" * 100_000)
                await responder.drain()
        finally:
            ended.set()

    async with serving(flood, limits) as rig:
        client = slow_socket(rig.port)
        client.send(GET)
        async with asyncio.timeout(5):
            await ended.wait()
        client.close()


async def test_a_reader_that_never_takes_a_whole_answer_is_cut_off() -> None:
    async def large(request: Request, responder: Responder) -> None:
        responder.respond(200, [], b"x" * 20_000_000)

    async with serving(large, Limits(write_timeout_s=0.05)) as rig:
        client = slow_socket(rig.port)
        client.send(CLOSE)
        await until(lambda: rig.server.requests == 1)
        await until(lambda: rig.server.connections == 0)
        client.close()


async def test_a_slow_but_steady_reader_is_not_cut_off() -> None:
    size = 30_000_000

    async def large(request: Request, responder: Responder) -> None:
        responder.respond(200, [], b"x" * size)

    async with serving(large, Limits(write_timeout_s=0.5)) as rig:
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", rig.port)) as client:
            client.setblocking(False)
            client.send(CLOSE)
            received = 0
            while data := await loop.sock_recv(client, 200_000):
                received += len(data)
                await asyncio.sleep(0.005)
    assert received > size


async def test_drain_closes_idle_connections_and_lets_running_requests_finish() -> None:
    gate = asyncio.Event()

    async def gated(request: Request, responder: Responder) -> None:
        await gate.wait()
        await echo(request, responder)

    async with serving(gated) as rig, peer(rig.port) as idle, peer(rig.port) as busy, peer(rig.port) as sending:
        busy.send(GET)
        sending.send(post(b"ab")[:-1])
        await until(lambda: rig.server.requests == 1 and rig.server.connections == 3)
        await asyncio.sleep(0.02)
        draining = asyncio.ensure_future(rig.server.drain(5))
        assert await idle.rest() == b""
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", rig.port)
        assert not draining.done()
        sending.send(b"b")
        gate.set()
        for client in (busy, sending):
            status, headers, _ = await client.answer()
            assert (status, headers["connection"]) == (200, "close")
            assert await client.rest() == b""
        await draining


async def test_drain_lets_a_stream_finish_and_then_closes() -> None:
    gate = asyncio.Event()

    async def gated(request: Request, responder: Responder) -> None:
        responder.start(200, [])
        responder.write(b"one")
        await gate.wait()
        responder.finish(b"two")

    async with serving(gated) as rig, peer(rig.port) as client:
        client.send(GET)
        await client.head()
        draining = asyncio.ensure_future(rig.server.drain(5))
        await asyncio.sleep(0.01)
        gate.set()
        assert [chunk async for chunk in client.chunks()] == [b"one", b"two"]
        assert await client.rest() == b""
        await draining


async def test_drain_cancels_what_takes_too_long() -> None:
    unwound = asyncio.Event()

    async def stuck(request: Request, responder: Responder) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            unwound.set()

    async with serving(stuck) as rig, peer(rig.port) as client:
        client.send(GET)
        await until(lambda: rig.server.requests_in_flight == 1)
        await rig.server.drain(0.02)
        assert unwound.is_set()
        assert rig.server.connections == 0


@pytest.mark.parametrize("earlier", [0, 1])
async def test_a_request_that_is_cancelled_before_its_first_step_is_not_left_in_flight(earlier: int) -> None:
    async with serving(echo) as rig, peer(rig.port) as client:
        for _ in range(earlier):
            client.send(GET)
            await client.answer()
        await until(lambda: rig.server.connections == 1)
        (connection,) = rig.server._open
        connection.data_received(GET)
        connection.abort()
        await until(lambda: rig.server.connections == 0)
        assert (rig.server.requests_in_flight, rig.server.requests) == (0, earlier + 1)


async def test_an_unused_connection_holds_no_body() -> None:
    kept: list[Request] = []

    async def keeping(request: Request, responder: Responder) -> None:
        kept.append(request)
        await echo(request, responder)

    lone = [object()]
    async with serving(keeping) as rig, peer(rig.port) as client:
        client.send(post(b"x" * 100_000))
        await client.answer()
        # Nobody but this list: what other requests have left to the garbage collector does not count.
        await until(lambda: sys.getrefcount(kept[0]) == sys.getrefcount(lone[0]))
        assert rig.server.connections == 1


async def test_bodies_that_are_on_their_way_are_bounded_together() -> None:
    begun = b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n" + b"x" * 600
    async with serving(echo, ledger=Ledger(2_500)) as rig:
        async with peer(rig.port) as first:
            first.send(begun)
            await until(lambda: rig.server.ledger.arriving_bytes == 600)
            async with peer(rig.port) as second:
                second.send(begun)
                assert (await second.answer())[0] == 503
            assert rig.server.ledger.arriving_bytes == 600
            first.send(b"x" * 400)
            assert (await first.answer())[0] == 200
            assert rig.server.ledger.arriving_bytes == 0
        async with peer(rig.port) as third:
            third.send(begun)
            await until(lambda: rig.server.ledger.arriving_bytes == 600)
        await until(lambda: rig.server.ledger.arriving_bytes == 0)
        async with peer(rig.port) as fourth:
            fourth.send(post(b"x" * 2_000))
            assert (await fourth.answer())[0] == 200


async def test_a_thousand_streams_at_once() -> None:
    gate = asyncio.Event()

    async def gated(request: Request, responder: Responder) -> None:
        responder.start(200, [])
        responder.write(b"first")
        await gate.wait()
        responder.finish(request.body)

    async def one(port: int, number: int) -> bytes:
        async with peer(port) as client:
            client.send(post(b"%d" % number))
            return (await client.answer())[2]

    async with serving(gated) as rig:
        answers = [asyncio.ensure_future(one(rig.port, number)) for number in range(1000)]
        await until(lambda: rig.server.requests_in_flight == 1000)
        gate.set()
        assert await asyncio.gather(*answers) == [b"first%d" % number for number in range(1000)]
    assert rig.failures == []


async def test_a_closed_connection_is_freed_without_the_garbage_collector() -> None:
    def alive() -> int:
        return sum(isinstance(it, Connection | RequestParser | Alarm | Responder) for it in gc.get_objects())

    async with serving(echo) as rig:
        gc.collect()
        gc.disable()
        try:
            async with peer(rig.port) as client:
                client.send(GET)
                await client.answer()
                assert alive() >= 3
            await until(lambda: rig.server.connections == 0)
            await until(lambda: alive() == 0)
        finally:
            gc.enable()
