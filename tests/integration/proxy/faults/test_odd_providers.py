"""Providers that answer too early, too much, too long or in an odd form."""

import itertools

import pytest

from pilothouse_api.snapshot.routes import Timeouts
from tests.integration.proxy.faults.speakers import OPENAI, SPEAKERS, Speaker
from tests.integration.proxy.faults.stand import Stand
from tests.integration.proxy.faults.wire import Cloud, calling
from tests.integration.proxy.upstream import completion

LARGE = [{"role": "user", "content": "x" * 12_000_000}]
"""More than the buffers of two sockets."""
REFUSAL = {"error": {"message": "too much", "type": "invalid_request_error", "code": "too_much", "param": None}}


def test_a_refusal_that_comes_before_the_request_is_out_is_told_at_once(stand: Stand, first: Cloud) -> None:
    stand.serve(first.port)
    with calling(stand.process.port) as caller:
        caller.ask(messages=LARGE)
        line = first.accept()
        size = line.head()
        line.answer(REFUSAL, status=400)
        answer = caller.answer()
        assert (answer.status, answer.error["message"]) == (400, "too much")
        # The rest of the request would be in the way of the next one.
        assert line.cut_off() < size
        caller.ask()
        first.asked().answer(completion())
        assert caller.answer().status == 200


@pytest.mark.parametrize("together", [True, False], ids=["in one piece", "later"])
def test_an_answer_that_nobody_asked_for_is_nobody_s(stand: Stand, first: Cloud, together: bool) -> None:
    stand.serve(first.port)
    poison = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    with calling(stand.process.port) as caller:
        caller.ask()
        line = first.asked()
        if together:
            line.answer(completion("mine"), more=poison)
            answer = caller.answer()
        else:
            line.answer(completion("mine"))
            answer = caller.answer()
            line.send(poison)
        assert answer.json["choices"][0]["message"]["content"] == "mine"
        line.gone()
        caller.ask()
        first.asked().answer(completion("next"))
        assert caller.answer().json["choices"][0]["message"]["content"] == "next"


@pytest.mark.parametrize("speaker", SPEAKERS, ids=lambda speaker: speaker.dialect)
def test_a_stream_without_end_is_ended_at_the_route_s_total_time(stand: Stand, first: Cloud, speaker: Speaker) -> None:
    timeouts = Timeouts(first_token_ms=10_000, idle_ms=10_000, total_ms=1_500)
    stand.serve(first.port, dialect=speaker.dialect, timeouts=timeouts)
    with calling(stand.process.port) as caller:
        caller.ask(stream=True)
        line = first.asked()
        speaker.begin(line, "0")
        line.sock.settimeout(0.02)
        for number in itertools.count(1):
            try:
                line.chunk(speaker.text(f" {number}"))
                if line.sock.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        answer = caller.answer()
        assert answer.events[-1]["error"]["code"] == "timeout"
        assert answer.text == " ".join(str(at) for at in range(len(answer.text.split())))


def test_interim_answers_are_passed_over(stand: Stand, first: Cloud) -> None:
    stand.serve(first.port)
    with calling(stand.process.port) as caller:
        caller.ask()
        line = first.asked()
        line.send(b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 3)
        line.answer(completion())
        assert caller.answer().status == 200


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x-more: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        b"\0" * 100,
    ],
    ids=["two lengths", "negative", "no colon", "version", "ssh", "long header", "switch", "empty", "coding", "zeros"],
)
def test_what_is_no_answer_is_an_error_of_the_provider_and_the_next_target_is_asked(
    stand: Stand, first: Cloud, second: Cloud, said: bytes
) -> None:
    stand.serve(first.port, second.port)
    with calling(stand.process.port) as caller:
        for streamed in (False, True):
            caller.ask(stream=streamed)
            line = first.asked()
            line.send(said)
            line.close()
            other = second.lines[-1] if second.lines else second.accept()
            other.request()
            if streamed:
                OPENAI.say(other, "Ahoy")
            else:
                other.answer(completion("Ahoy"))
            answer = caller.answer()
            assert (answer.status, answer.headers["x-pilothouse-attempts"]) == (200, "2")
            assert b"Ahoy" in answer.body
