"""Callers that are slow, mute, greedy or rude, many at a time: the others are served, and memory stays bounded."""

import contextlib
import resource
import select
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.integration.proxy.configurations import provider, route, snapshot, target
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.faults.crowd import Crowd, play, said
from tests.integration.proxy.faults.speakers import OPENAI
from tests.integration.proxy.faults.stand import LONG, Stand
from tests.integration.proxy.faults.wire import Caller, Cloud, calling, head, request
from tests.integration.proxy.process import process
from tests.integration.proxy.upstream import completion

MANY = 200
MIB = 1_024 * 1_024
READERS = 40
SLOW_READER_KIB = 1_024
"""On either side 64 KiB and what one read brings, which is a quarter of a MiB at most; and both sockets' objects."""


def well_served(stand: Stand, *, times: int = 20) -> None:
    """One caller in good order, whole and streamed, over one connection."""
    with calling(stand.process.port) as caller:
        for number in range(times):
            caller.ask(stream=bool(number % 2), play=play("well", events=2))
            answer = caller.answer()
            assert answer.status == 200
            assert not number % 2 or (answer.text, answer.events[-1]) == ("<well.0><well.1>", "[DONE]")


def test_callers_that_drip_or_never_speak_are_ended_while_others_are_served(stand: Stand, both: Crowd) -> None:
    stand.serve(both.port)
    mute = [stand.caller() for _ in range(MANY)]
    heads = [stand.caller() for _ in range(MANY)]
    bodies = [stand.caller() for _ in range(MANY)]
    for caller in bodies:
        caller.sock.sendall(head(1_000))
    said = request()
    gone: dict[socket.socket, bytes] = {}
    for number in range(400):
        for dripping in heads:
            if dripping.sock not in gone:
                with contextlib.suppress(ConnectionError):
                    dripping.sock.sendall(said[number % 60 :][:1])
        for dripping in bodies:
            dripping.sock.sendall(b"x")
        gone |= {caller.sock: caller.sock.recv(4_096) for caller in readable(mute + heads, gone)}
        well_served(stand, times=2)
        if len(gone) == 2 * MANY:
            break
        time.sleep(0.1)
    # A head that is not whole after ten seconds is refused; who never spoke is left without a word.
    assert {gone[caller.sock] for caller in mute} == {b""}
    assert {gone[caller.sock][:12] for caller in heads} == {b"HTTP/1.1 408"}
    assert not readable(bodies, gone)


def readable(callers: list[Caller], gone: dict[socket.socket, bytes]) -> list[Caller]:
    found = select.poll()
    by_number = {caller.sock.fileno(): caller for caller in callers if caller.sock not in gone}
    for number in by_number:
        found.register(number, select.POLLIN)
    return [by_number[number] for number, _ in found.poll(0)]


def test_readers_of_streams_who_take_nothing_hold_little(stand: Stand, both: Crowd, second: Cloud) -> None:
    stand.serve(both.port, timeouts=LONG)
    before = stand.settled_kib()
    readers = [stand.caller(buffer_bytes=8_192) for _ in range(READERS)]
    for reader in readers:
        reader.ask(stream=True, play=play("poured", events=1_000_000, size=20_000))
    stand.process.until(lambda: len(both.names) == READERS, "not all of them are served")
    assert stand.settled_kib() - before < READERS * SLOW_READER_KIB
    serves_another(stand, second)
    for reader in readers:
        reader.close()
    stand.process.until(lambda: stand.metric("pilothouse_requests_in_flight") == 0, "some are still served")


def serves_another(stand: Stand, cloud: Cloud) -> None:
    """By another provider: the first one is busy."""
    stand.serve(cloud.port)
    with calling(stand.process.port) as caller:
        caller.ask()
        cloud.asked().answer(completion())
        assert caller.answer().status == 200
        caller.ask(stream=True)
        cloud.lines[-1].request()
        OPENAI.say(cloud.lines[-1], "Ahoy")
        assert caller.answer().text == "Ahoy"


def test_for_a_reader_who_takes_nothing_little_is_taken_from_the_provider(stand: Stand, first: Cloud) -> None:
    """Left to themselves the system's buffers grow to megabytes, which a container's memory counts."""
    stand.serve(first.port)
    reader = stand.caller(buffer_bytes=8_192)
    reader.ask(stream=True)
    line = first.asked()
    line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    line.sock.settimeout(1)
    event, poured = OPENAI.text("x" * 20_000), 0
    line.send(OPENAI.head)
    with contextlib.suppress(TimeoutError):
        while poured < 64 * MIB:
            line.chunk(event)
            poured += len(event)
    assert poured < 2 * MIB


def test_readers_of_whole_answers_who_take_nothing_hold_their_answer_once(
    stand: Stand, both: Crowd, second: Cloud
) -> None:
    size_kib = 4_096
    stand.serve(both.port)
    before = stand.settled_kib()
    readers = [stand.caller(buffer_bytes=8_192) for _ in range(READERS)]
    for reader in readers:
        reader.ask(play=play("large", size=size_kib * 1_024))
    stand.process.until(lambda: both.answered == READERS, "not all of them are served")
    # The dialect looks at a whole answer before it is passed on: for a moment one of them is there several times.
    assert stand.settled_kib() - before < READERS * (size_kib + SLOW_READER_KIB) + 4 * size_kib
    serves_another(stand, second)
    for reader in readers:
        reader.reset()
    stand.process.until(lambda: stand.metric("pilothouse_connections", 'direction="in"') == 0, "some are left over")


def test_a_reader_who_takes_little_at_a_time_gets_it_all(stand: Stand, both: Crowd) -> None:
    stand.serve(both.port)
    reader = stand.caller(buffer_bytes=4_096)
    reader.ask(stream=True, play=play("slow", events=400, size=500))
    answer = reader.answer()
    expected = "".join(said("slow", number) + "x" * 500 for number in range(400))
    assert (answer.text, answer.events[-1]) == (expected, "[DONE]")


def rude() -> Iterator[tuple[str, Callable[[Caller], None]]]:
    whole_request = request()
    yield "resets without a word", lambda caller: caller.reset()
    yield "resets within a head", lambda caller: (caller.sock.sendall(whole_request[:30]), caller.reset())[1]
    yield "resets within a body", lambda caller: (caller.sock.sendall(whole_request[:-5]), caller.reset())[1]
    yield "resets behind a request", lambda caller: (caller.sock.sendall(whole_request), caller.reset())[1]
    yield "speaks TLS", lambda caller: caller.sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 80)
    yield "speaks HTTP/2", lambda caller: caller.sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 9)
    yield "sends zeros", lambda caller: caller.sock.sendall(b"\0" * 10_000)
    yield "sends a head without end", lambda caller: caller.sock.sendall(b"GET / HTTP/1.1\r\nx: " + b"y" * 60_000)
    yield "sends headers without end", lambda caller: caller.sock.sendall(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5_000)
    yield "closes its half", lambda caller: caller.sock.shutdown(socket.SHUT_WR)


RUDE = dict(rude())


@pytest.mark.parametrize("manner", RUDE)
def test_rude_callers_do_no_harm(stand: Stand, both: Crowd, manner: str) -> None:
    stand.serve(both.port)
    for _ in range(50):
        caller = stand.caller()
        with contextlib.suppress(ConnectionError):
            RUDE[manner](caller)
    well_served(stand)
    stand.release()
    stand.process.until(lambda: stand.metric("pilothouse_requests_in_flight") == 0, "requests are left over")
    stand.process.until(lambda: stand.metric("pilothouse_connections", 'direction="in"') == 0, "connections too")
    assert "Traceback" not in stand.process.told()


def test_a_huge_pipeline_is_answered_in_order_and_read_no_further_than_its_answers_are_taken(
    stand: Stand, both: Crowd
) -> None:
    stand.serve(both.port)
    before = stand.settled_kib()
    sender = stand.caller(buffer_bytes=8_192)
    sender.sock.setblocking(False)
    pipeline = b"".join(request(named=f"pipelined-{number}", user="x" * 500) for number in range(20_000))
    sent = 0
    for _ in range(30):
        with contextlib.suppress(BlockingIOError):
            while sent < len(pipeline):
                sent += sender.sock.send(pipeline[sent : sent + 65_536])
        well_served(stand, times=2)
    assert sent < len(pipeline)
    assert stand.settled_kib() - before < 8_192
    sender.sock.settimeout(20)
    for number in range(50):
        answer = sender.answer()
        assert (answer.status, answer.headers["x-request-id"]) == (200, f"pipelined-{number}")
    sender.reset()


def test_when_file_descriptors_run_out_new_callers_are_turned_away_and_the_others_served(both: Crowd) -> None:
    configured = snapshot({"a": provider(f"http://127.0.0.1:{both.port}/v1")}, {"r": route(target("a"))})
    with ControlServer(configured) as control, process(*control.flags) as proxy:
        proxy.event("configuration applied")
        port = proxy.port
        with calling(port) as early, contextlib.ExitStack() as opened:
            early.ask()
            assert early.answer().status == 200
            resource.prlimit(proxy.popen.pid, resource.RLIMIT_NOFILE, (60, 60))
            late = [opened.enter_context(calling(port)) for _ in range(150)]
            assert late[-1].ended() == b""
            early.ask(stream=True)
            assert early.answer().status == 200
        proxy.until(lambda: answered(port), "it serves nobody any more")


def answered(port: int) -> bool:
    with contextlib.suppress(OSError, IndexError), calling(port) as caller:
        caller.ask()
        return caller.answer().status == 200
    return False


def test_it_may_have_as_many_connections_as_the_system_allows(both: Crowd) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    configured = snapshot({"a": provider(f"http://127.0.0.1:{both.port}/v1")}, {"r": route(target("a"))})
    with ControlServer(configured) as control:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        try:
            with process(*control.flags) as proxy:
                proxy.event("listening")
                assert resource.prlimit(proxy.popen.pid, resource.RLIMIT_NOFILE) == (hard, hard)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
