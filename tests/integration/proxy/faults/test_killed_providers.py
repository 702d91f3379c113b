"""A provider whose process is killed, or frozen, in every phase of a request."""

import contextlib
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse_api.snapshot.routes import Retry, Timeouts
from tests.integration.proxy.faults import doomed
from tests.integration.proxy.faults.speakers import OPENAI
from tests.integration.proxy.faults.stand import LONG, NO_RETRY, Stand
from tests.integration.proxy.faults.wire import Caller, Cloud, calling
from tests.integration.proxy.gateway import Answer
from tests.integration.proxy.process import PATIENCE_S
from tests.integration.proxy.upstream import completion

WHOLE = ("before the body", "within the body")
STREAMED = ("before the first event", "before content")
EITHER = ("before accepting", "before reading", "while reading the request", "before the head", "within the head")
BEFORE_CONTENT = [(phase, False) for phase in EITHER + WHOLE] + [(phase, True) for phase in EITHER + STREAMED]
AFTER_CONTENT = ("after content", "within a chunk")
LARGE = "x" * 8_000_000
"""More than the buffers of two sockets."""
IMPATIENT = Timeouts(first_token_ms=400, idle_ms=400, total_ms=1_500)
QUICKLY_IDLE = Timeouts(first_token_ms=60_000, idle_ms=300, total_ms=120_000)
NO_LONGER = {signal.SIGKILL: "killed", signal.SIGSTOP: "frozen"}
ends = pytest.mark.parametrize("end", NO_LONGER, ids=NO_LONGER.values())
in_every_phase = pytest.mark.parametrize(
    ("phase", "streamed"), BEFORE_CONTENT, ids=[f"{phase}{', streamed' * flag}" for phase, flag in BEFORE_CONTENT]
)


class Doomed:
    """One such process."""

    def __init__(self, phase: str, port: int = 0) -> None:
        command = [sys.executable, doomed.__file__, phase, str(port)]
        self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parent)
        assert self.popen.stdout is not None
        self.port = int(self.popen.stdout.readline())

    def there(self) -> None:
        """Return when it has come to its point."""
        assert self.popen.stdout is not None
        assert select.select([self.popen.stdout], [], [], PATIENCE_S)[0], "it does not get there"
        assert self.popen.stdout.readline() == b"there\n"

    def befall(self, end: int) -> None:
        self.popen.send_signal(end)
        if end == signal.SIGKILL:
            self.popen.wait()

    def close(self) -> None:
        self.popen.kill()
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def doomed_in(phase: str, port: int = 0) -> Iterator[Doomed]:
    running = Doomed(phase, port)
    try:
        yield running
    finally:
        running.close()


def ask(caller: Caller, phase: str, *, streamed: bool) -> None:
    more: dict[str, Any] = {"stream": True} if streamed else {}
    if phase == "while reading the request":
        more["messages"] = [{"role": "user", "content": LARGE}]
    caller.ask(**more)


def serves_on(stand: Stand, caller: Caller, cloud: Cloud) -> None:
    """One more request over the caller's same connection."""
    stand.serve(cloud.port)
    caller.ask()
    cloud.asked().answer(completion("more"))
    answer = caller.answer()
    assert (answer.status, answer.json["choices"][0]["message"]["content"]) == (200, "more")


def expected(phase: str, end: int) -> set[tuple[int, str]]:
    if end == signal.SIGSTOP:
        return {(504, "timeout")}
    # A connection that is reset before anybody has accepted it may not even have been seen to stand.
    unseen = {(502, "upstream_unreachable")} if phase == "before accepting" else set()
    return {(503, "unavailable")} | unseen


@ends
@in_every_phase
def test_before_any_content_another_target_answers(
    stand: Stand, second: Cloud, phase: str, streamed: bool, end: int
) -> None:
    patient = Timeouts(first_token_ms=1_000, idle_ms=1_000, total_ms=20_000)
    if end == signal.SIGSTOP and phase in WHOLE + STREAMED:
        # Each of two targets has half of the time to come to its point.
        patient = Timeouts(first_token_ms=2_000, idle_ms=2_000, total_ms=4_000)
    with doomed_in(phase) as provider, calling(stand.process.port) as caller:
        stand.serve(provider.port, second.port, timeouts=LONG if end == signal.SIGKILL else patient)
        ask(caller, phase, streamed=streamed)
        provider.there()
        provider.befall(end)
        line = second.asked()
        if streamed:
            OPENAI.say(line, "Ahoy")
        else:
            line.answer(completion("Ahoy"))
        answer = caller.answer()
        said = answer.text if streamed else answer.json["choices"][0]["message"]["content"]
        assert (answer.status, said, answer.headers["x-pilothouse-attempts"]) == (200, "Ahoy", "2")
        assert answer.headers["x-pilothouse-provider"] == "clouds/openai-1"
        serves_on(stand, caller, second)


@ends
@in_every_phase
def test_without_another_target_the_caller_is_told_what_happened(
    stand: Stand, second: Cloud, phase: str, streamed: bool, end: int
) -> None:
    with doomed_in(phase) as provider, calling(stand.process.port) as caller:
        stand.serve(provider.port, timeouts=LONG if end == signal.SIGKILL else IMPATIENT)
        ask(caller, phase, streamed=streamed)
        provider.there()
        provider.befall(end)
        answer = caller.answer()
        told = (answer.status, answer.error["code"])
        assert told in expected(phase, end)
        assert answer.error["type"] == "server_error"
        assert 'provider "clouds/openai-0"' in answer.error["message"]
        assert answer.headers["x-should-retry"] == "false"
        serves_on(stand, caller, second)


@ends
@pytest.mark.parametrize("phase", AFTER_CONTENT)
def test_after_content_the_stream_ends_with_one_error_event(stand: Stand, second: Cloud, phase: str, end: int) -> None:
    with doomed_in(phase) as provider, calling(stand.process.port) as caller:
        stand.serve(provider.port, second.port, timeouts=LONG if end == signal.SIGKILL else QUICKLY_IDLE)
        caller.ask(stream=True)
        provider.there()
        status, headers = caller.head()
        begun = b""
        while b"half" not in begun:
            begun += caller.chunk()
        provider.befall(end)
        answer = Answer(status, headers, begun + caller.rest())
        code = "unavailable" if end == signal.SIGKILL else "timeout"
        assert (answer.text, answer.events[-1]["error"]["code"]) == ("half", code)
        assert b"[DONE]" not in answer.body
        serves_on(stand, caller, second)


@ends
def test_after_the_last_event_the_answer_is_whole(stand: Stand, second: Cloud, end: int) -> None:
    with doomed_in("after the last event") as provider, calling(stand.process.port) as caller:
        stand.serve(provider.port)
        caller.ask(stream=True)
        provider.there()
        provider.befall(end)
        answer = caller.answer()
        assert (answer.text, answer.events[-1]) == ("half", "[DONE]")
        assert "error" not in stand.process.request(answer.headers["x-request-id"])
        serves_on(stand, caller, second)


def test_one_that_was_killed_between_requests_is_found_gone(stand: Stand, second: Cloud) -> None:
    with doomed_in("between requests") as provider, calling(stand.process.port) as caller:
        stand.serve(provider.port, second.port)
        caller.ask()
        provider.there()
        assert caller.answer().status == 200
        provider.befall(signal.SIGKILL)
        caller.ask()
        second.asked().answer(completion())
        answer = caller.answer()
        assert (answer.status, answer.headers["x-pilothouse-provider"]) == (200, "clouds/openai-1")
        assert "upstream_unreachable" not in answer.body.decode()


def test_one_that_was_restarted_between_requests_serves_on_and_no_attempt_is_lost(stand: Stand) -> None:
    with calling(stand.process.port) as caller:
        with doomed_in("between requests") as provider:
            stand.serve(provider.port)
            caller.ask()
            provider.there()
            assert caller.answer().status == 200
            provider.befall(signal.SIGKILL)
        with doomed_in("between requests", provider.port) as again:
            caller.ask()
            again.there()
            answer = caller.answer()
            assert (answer.status, answer.headers["x-pilothouse-attempts"]) == (200, "1")


def test_one_that_was_killed_is_told_apart_from_one_that_cannot_be_reached(stand: Stand) -> None:
    with doomed_in("before the head") as provider, calling(stand.process.port) as caller:
        stand.serve(provider.port, retry=NO_RETRY)
        provider.befall(signal.SIGKILL)
        caller.ask()
        answer = caller.answer()
        assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")


def test_one_that_was_frozen_between_requests_is_a_timeout(stand: Stand, second: Cloud) -> None:
    with doomed_in("between requests") as provider, calling(stand.process.port) as caller:
        stand.serve(provider.port, timeouts=Timeouts(first_token_ms=1_000, idle_ms=1_000, total_ms=10_000))
        caller.ask()
        provider.there()
        assert caller.answer().status == 200
        provider.befall(signal.SIGSTOP)
        caller.ask()
        answer = caller.answer()
        assert (answer.status, answer.error["code"]) == (504, "timeout")
        serves_on(stand, caller, second)


def test_one_whose_queue_of_connections_is_full_is_given_up_when_connecting_takes_too_long(stand: Stand) -> None:
    with Cloud(backlog=0) as cloud, contextlib.ExitStack() as queue, calling(stand.process.port) as caller:
        for _ in range(3):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", cloud.port))
        stand.serve(cloud.port, connect_timeout_ms=300)
        caller.ask()
        answer = caller.answer()
        assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")


def test_a_provider_that_comes_back_is_tried_again_within_the_same_request(stand: Stand, first: Cloud) -> None:
    retry = Retry(attempts=5, backoff_base_ms=1, backoff_max_ms=2, budget_percent=100)
    stand.serve(first.port, retry=retry)
    with calling(stand.process.port) as caller:
        caller.ask(stream=True)
        for _ in range(4):
            first.asked().reset()
        OPENAI.say(first.asked(), "at last")
        answer = caller.answer()
        assert (answer.text, answer.headers["x-pilothouse-attempts"]) == ("at last", "5")
