"""SIGTERM while callers are served: what has begun is brought to its end."""

import contextlib
import signal
import socket
from collections.abc import Iterator

import pytest

from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.faults.crowd import Crowd, play
from tests.integration.proxy.faults.load import load
from tests.integration.proxy.faults.stand import Stand
from tests.integration.proxy.faults.wire import calling
from tests.integration.proxy.process import process


@contextlib.contextmanager
def ending(*flags: str) -> Iterator[Stand]:
    """One that a test may end."""
    with ControlServer(None) as control, process(*control.flags, "--admin-listen=127.0.0.1:0", *flags) as running:
        found = Stand(control, running)
        yield found
        found.release()


@pytest.fixture
def leaving() -> Iterator[Stand]:
    with ending() as found:
        yield found


@pytest.fixture
def hurried() -> Iterator[Stand]:
    """It has little time for its drain."""
    with ending("--drain-timeout=300ms") as found:
        yield found


def test_no_request_that_has_reached_a_provider_is_lost(leaving: Stand, both: Crowd) -> None:
    leaving.serve(both.port)
    with load(leaving.process.port, callers=40, events=20, pause_s=0.02) as running:
        leaving.process.until(lambda: both.answered >= 80, "no request is answered")
        leaving.process.popen.send_signal(signal.SIGTERM)
        assert leaving.process.ended() == 0
    sent = set(both.names)
    assert not [result for result in running.failures if result.name in sent]
    # A caller whose connection is closed before a byte of its request was read may send it elsewhere.
    assert all(result.unanswered for result in running.failures)
    assert len(sent) == both.answered == len(running.results) - len(running.failures)
    assert leaving.process.events("stopped")
    assert {line["status"] for line in leaving.process.events("request")} == {200}


def test_an_answer_during_a_drain_says_that_its_connection_ends(leaving: Stand, both: Crowd) -> None:
    leaving.serve(both.port)
    with calling(leaving.process.port) as caller, calling(leaving.process.port) as streaming:
        for one, flag in ((caller, False), (streaming, True)):
            one.ask(stream=flag, play=play("late", events=10, pause_s=0.05))
        leaving.process.until(lambda: len(both.names) == 2, "no request has come")
        leaving.process.popen.send_signal(signal.SIGTERM)
        leaving.process.event("draining")
        answer = caller.answer()
        assert (answer.status, answer.headers["connection"], caller.ended()) == (200, "close", b"")
        # Its head had not gone out yet.
        assert streaming.answer().events[-1] == "[DONE]"
        assert streaming.ended() == b""
        assert leaving.process.ended() == 0


def test_who_comes_or_idles_during_a_drain_is_turned_away_at_once(leaving: Stand, both: Crowd) -> None:
    leaving.serve(both.port)
    idle = [leaving.caller() for _ in range(20)]
    for caller in idle:
        caller.ask(play=play("first"))
        assert caller.answer().status == 200
    with calling(leaving.process.port) as caller:
        caller.ask(stream=True, play=play("long", events=100, pause_s=0.02))
        caller.head()
        leaving.process.popen.send_signal(signal.SIGTERM)
        assert [one.ended() for one in idle] == [b""] * 20
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", leaving.process.port))
        assert leaving.process.ask("GET", "/readyz", port=leaving.process.admin_port).status == 503
        assert caller.rest().endswith(b"data: [DONE]\n\n")
    assert leaving.process.ended() == 0


def test_readers_who_take_nothing_do_not_hold_it_beyond_the_drain_s_time(hurried: Stand, both: Crowd) -> None:
    hurried.serve(both.port)
    for _ in range(10):
        reader = hurried.caller(buffer_bytes=8_192)
        reader.ask(stream=True, play=play("poured", events=1_000_000, size=20_000))
        reader.head()
    hurried.process.popen.send_signal(signal.SIGTERM)
    assert hurried.process.ended() == 0
    assert hurried.process.events("stopped")
