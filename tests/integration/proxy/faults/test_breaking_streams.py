"""A provider whose stream breaks off, in every way that a stream can: before its first content nobody sees it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pilothouse_api.snapshot.routes import Timeouts
from tests.integration.proxy.faults.speakers import BEDROCK, OPENAI, SPEAKERS, Speaker
from tests.integration.proxy.faults.stand import LONG, Stand
from tests.integration.proxy.faults.wire import Caller, Cloud, Line, calling
from tests.integration.proxy.gateway import Answer
from tests.simulators.bedrock import eventstream

Death = Callable[[Line, Speaker], None]
QUICKLY_IDLE = Timeouts(first_token_ms=60_000, idle_ms=300, total_ms=120_000)


def resets(line: Line, speaker: Speaker) -> None:
    line.reset()


def closes(line: Line, speaker: Speaker) -> None:
    line.close()


def closes_within_a_chunk(line: Line, speaker: Speaker) -> None:
    said = speaker.text("never")
    line.send(b"%x\r\n%b" % (len(said), said[:9]))
    line.close()


def sends_a_malformed_chunk(line: Line, speaker: Speaker) -> None:
    line.send(b"bytes\r\n")


def ends_within_an_event(line: Line, speaker: Speaker) -> None:
    line.chunk(speaker.text("never")[:-9])
    line.send(b"0\r\n\r\n")


def ends_without_its_last_event(line: Line, speaker: Speaker) -> None:
    line.send(b"0\r\n\r\n")


def falls_silent(line: Line, speaker: Speaker) -> None:
    pass


def falls_silent_within_an_event(line: Line, speaker: Speaker) -> None:
    line.chunk(speaker.text("never")[:-9])


def sends_gibberish(line: Line, speaker: Speaker) -> None:
    line.chunk(b"data: {no json\n\n" if speaker is OPENAI else eventstream.with_bad_crc(speaker.text("never")))


DEATHS: dict[Death, str] = {
    resets: "unavailable",
    closes: "unavailable",
    closes_within_a_chunk: "unavailable",
    sends_a_malformed_chunk: "provider_error",
    ends_within_an_event: "stream_broken",
    ends_without_its_last_event: "stream_broken",
    falls_silent: "timeout",
    falls_silent_within_an_event: "timeout",
    sends_gibberish: "stream_broken",
}
every_death = pytest.mark.parametrize("death", DEATHS, ids=lambda death: death.__name__)
every_speaker = pytest.mark.parametrize("speaker", SPEAKERS, ids=lambda speaker: speaker.dialect)


def patience(death: Death) -> Timeouts:
    return QUICKLY_IDLE if DEATHS[death] == "timeout" else LONG


def error_of(answer: Answer) -> dict[str, Any]:
    """Of a stream that ends with one, and holds no other."""
    errors = [event for event in answer.events if event == "[DONE]" or "error" in event]
    assert errors == [answer.events[-1]]
    found: dict[str, Any] = answer.events[-1]["error"]
    return found


def serves_on(stand: Stand, caller: Caller, cloud: Cloud, speaker: Speaker) -> None:
    """One more request over the caller's same connection."""
    stand.serve(cloud.port, dialect=speaker.dialect)
    caller.ask(stream=True)
    speaker.say(cloud.asked(), "more")
    answer = caller.answer()
    assert (answer.status, answer.text, answer.events[-1]) == (200, "more", "[DONE]")


@every_speaker
@every_death
def test_before_any_content_the_next_target_takes_over_unseen(
    stand: Stand, first: Cloud, second: Cloud, speaker: Speaker, death: Death
) -> None:
    stand.serve(first.port, second.port, dialect=speaker.dialect, timeouts=patience(death))
    with calling(stand.process.port) as caller:
        caller.ask(stream=True)
        line = first.asked()
        speaker.begin(line)
        death(line, speaker)
        speaker.say(second.asked(), "who", "le")
        answer = caller.answer()
        assert (answer.status, answer.text, answer.events[-1]) == (200, "whole", "[DONE]")
        assert (answer.headers["x-pilothouse-provider"], answer.headers["x-pilothouse-attempts"]) == (
            f"clouds/{speaker.dialect}-1",
            "2",
        )
        assert not any("error" in event for event in answer.events)
        serves_on(stand, caller, first, speaker)


@every_speaker
@every_death
def test_a_lone_target_that_breaks_before_any_content_is_a_plain_error(
    stand: Stand, first: Cloud, second: Cloud, speaker: Speaker, death: Death
) -> None:
    stand.serve(first.port, dialect=speaker.dialect, timeouts=patience(death))
    with calling(stand.process.port) as caller:
        caller.ask(stream=True)
        line = first.asked()
        speaker.begin(line)
        death(line, speaker)
        answer = caller.answer()
        assert (answer.status, answer.error["code"]) == (
            {"unavailable": 503, "timeout": 504}.get(DEATHS[death], 502),
            DEATHS[death],
        )
        assert answer.headers["content-type"] == "application/json"
        serves_on(stand, caller, second, speaker)


@every_speaker
@every_death
def test_after_content_one_error_event_and_the_end_in_order(
    stand: Stand, first: Cloud, second: Cloud, speaker: Speaker, death: Death
) -> None:
    stand.serve(first.port, second.port, dialect=speaker.dialect, timeouts=patience(death))
    with calling(stand.process.port) as caller:
        caller.ask(stream=True)
        line = first.asked()
        speaker.begin(line, "ha", "lf")
        status, headers = caller.head()
        begun = b""
        while b'"lf"' not in begun:
            begun += caller.chunk()
        death(line, speaker)
        answer = Answer(status, headers, begun + caller.rest())
        error = error_of(answer)
        assert (answer.text, error["code"], error["type"]) == ("half", DEATHS[death], "server_error")
        assert set(error) == {"message", "type", "param", "code"}
        told = stand.process.request(headers["x-request-id"])
        assert (told["status"], told["error"], told["attempts"]) == (200, DEATHS[death], 1)
        assert (told["tokens_estimated"], told["output_tokens"]) == (True, len(answer.events) - 1)
        serves_on(stand, caller, second, speaker)


@every_speaker
def test_after_the_last_event_a_break_does_no_harm(stand: Stand, first: Cloud, speaker: Speaker) -> None:
    stand.serve(first.port, dialect=speaker.dialect)
    with calling(stand.process.port) as caller:
        caller.ask(stream=True)
        line = first.asked()
        speaker.begin(line, "all")
        line.chunk(speaker.closing)
        line.reset()
        answer = caller.answer()
        assert (answer.text, answer.events[-1]) == ("all", "[DONE]")
        assert "error" not in stand.process.request(answer.headers["x-request-id"])
        serves_on(stand, caller, first, speaker)


def test_an_exception_within_bedrock_s_stream_is_one_error_event(stand: Stand, first: Cloud) -> None:
    stand.serve(first.port, dialect="bedrock")
    with calling(stand.process.port) as caller:
        caller.ask(stream=True)
        line = first.asked()
        BEDROCK.begin(line, "half")
        line.chunk(eventstream.exception("throttlingException", {"message": "slow down"}) + BEDROCK.text("never"))
        answer = caller.answer()
        assert (answer.text, error_of(answer)["code"]) == ("half", "rate_limit_exceeded")
        assert "never" not in json.dumps(answer.events)
        line.gone()
        serves_on(stand, caller, first, BEDROCK)
