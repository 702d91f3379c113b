"""What is still under way when a drain's time is over: told in the caller's own terms, and not cut."""

import signal
from collections.abc import Iterator

import pytest

from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.faults.speakers import SPEAKERS, Speaker
from tests.integration.proxy.faults.stand import Stand
from tests.integration.proxy.faults.wire import Cloud, calling
from tests.integration.proxy.gateway import Answer
from tests.integration.proxy.process import process

every_speaker = pytest.mark.parametrize("speaker", SPEAKERS, ids=lambda speaker: speaker.dialect)


@pytest.fixture
def hurried() -> Iterator[Stand]:
    """It has little time for its drain."""
    flags = ("--admin-listen=127.0.0.1:0", "--drain-timeout=300ms")
    with ControlServer(None) as control, process(*control.flags, *flags) as running:
        found = Stand(control, running)
        yield found
        found.release()


@every_speaker
def test_a_stream_that_has_begun_gets_one_error_event_and_its_end(
    hurried: Stand, first: Cloud, speaker: Speaker
) -> None:
    hurried.serve(first.port, dialect=speaker.dialect)
    with calling(hurried.process.port) as caller:
        caller.ask(stream=True)
        line = first.asked()
        speaker.begin(line, "half")
        status, headers = caller.head()
        begun = b""
        while b'"half"' not in begun:
            begun += caller.chunk()
        hurried.process.popen.send_signal(signal.SIGTERM)
        answer = Answer(status, headers, begun + caller.rest())
        line.gone()
        assert caller.ended() == b""
    assert hurried.process.ended() == 0
    assert answer.text == "half"
    *before, last = answer.events
    assert not any(event == "[DONE]" or "error" in event for event in before)
    assert last["error"]["type"] == "server_error"
    assert "shutting down" in last["error"]["message"]
    told = hurried.process.request(headers["x-request-id"])
    assert (told["status"], told["error"]) == (200, last["error"]["code"])
    assert (told["tokens_estimated"], told["output_tokens"]) == (True, len(before))


@every_speaker
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("begun", [True, False], ids=["begun", "thinking"])
def test_what_has_shown_nothing_yet_is_refused_so_that_it_is_tried_elsewhere(
    hurried: Stand, first: Cloud, speaker: Speaker, stream: bool, begun: bool
) -> None:
    hurried.serve(first.port, dialect=speaker.dialect)
    with calling(hurried.process.port) as caller:
        caller.ask(stream=stream, named="refused")
        line = first.asked()
        if begun:
            line.send(speaker.head if stream else b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        hurried.process.popen.send_signal(signal.SIGTERM)
        answer = caller.answer()
        line.gone()
        assert caller.ended() == b""
    assert hurried.process.ended() == 0
    assert (answer.status, answer.error["type"]) == (503, "server_error")
    assert "shutting down" in answer.error["message"]
    assert answer.headers["connection"] == "close"
    # Another proxy may have what this one has not: an SDK should try again.
    assert "x-should-retry" not in answer.headers
    told = hurried.process.request("refused")
    assert (told["status"], told["error"], told["tokens_estimated"]) == (503, answer.error["code"], True)
