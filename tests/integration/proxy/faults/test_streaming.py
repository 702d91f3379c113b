"""Event by event: how a stream comes out of a provider's socket and goes into the caller's."""

from collections.abc import Iterator

import pytest

from tests.integration.proxy.faults.speakers import OPENAI, SPEAKERS, Speaker
from tests.integration.proxy.faults.stand import Stand
from tests.integration.proxy.faults.wire import Caller, Cloud, Line, calling

every_speaker = pytest.mark.parametrize("speaker", SPEAKERS, ids=lambda speaker: speaker.dialect)
CHUNK = '{"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}'
FORMS = {
    "LF": "data: {0}\n\ndata: {1}\n\ndata: [DONE]\n\n",
    "CRLF": "data: {0}\r\n\r\ndata: {1}\r\n\r\ndata: [DONE]\r\n\r\n",
    "CR": "data: {0}\r\rdata: {1}\r\rdata: [DONE]\r\r",
    "mixed": "data: {0}\r\n\ndata: {1}\n\rdata: [DONE]\r\r\n",
    "mark": "\ufeffdata: {0}\n\ndata: {1}\n\ndata: [DONE]\n\n",
    "comments": ": ping\n\ndata: {0}\n\n:\n: \r\n\ndata: {1}\n\n: ping\n\ndata: [DONE]\n\n",
    "fields": "event: chunk\nid: 7\nretry: 10\ndata: {0}\nother\n\nid\ndata: {1}\nevent:\n\ndata: [DONE]\n\n",
    "no blank": "data:{0}\n\ndata:{1}\n\ndata:[DONE]\n\n",
    "many lines": "data: {2}\ndata: {3}\n\ndata:{1}\n\ndata: [DONE]\n\n",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("step", [1, 2, 7, 1_000])
def test_every_form_of_an_event_stream_passes_byte_for_byte_however_it_is_cut(
    stand: Stand, first: Cloud, form: str, step: int
) -> None:
    whole = CHUNK % "Grüße 🚢"
    begin, comma, rest = whole.partition(",")
    said = FORMS[form].replace("{0}", whole).replace("{1}", CHUNK % "日本").replace("{2}", begin + comma)
    sent = said.replace("{3}", rest).encode()
    stand.serve(first.port)
    with calling(stand.process.port) as caller:
        caller.ask(stream=True)
        line = first.asked()
        line.send(OPENAI.head)
        for at in range(0, len(sent), step):
            line.chunk(sent[at : at + step])
        line.send(b"0\r\n\r\n")
        answer = caller.answer()
        # A line end that nothing shows to be one of two may be written as the plain one.
        assert answer.body.rstrip() == sent.rstrip()
        assert "error" not in stand.process.request(answer.headers["x-request-id"])


def begun(caller: Caller, cloud: Cloud, speaker: Speaker) -> Line:
    """A stream whose first content has reached the caller."""
    caller.ask(stream=True)
    line = cloud.asked()
    speaker.begin(line, "first")
    caller.head()
    while b'"first"' not in caller.chunk():
        pass
    return line


@every_speaker
def test_an_event_is_one_write_and_comes_before_the_next_one_is_sent(
    stand: Stand, first: Cloud, speaker: Speaker
) -> None:
    stand.serve(first.port, dialect=speaker.dialect)
    with calling(stand.process.port) as caller:
        line = begun(caller, first, speaker)
        before = caller.segments
        for number in range(30):
            line.chunk(speaker.text(f"word {number}"))
            assert f"word {number}".encode() in caller.chunk()
            assert caller.segments == before + number + 1


@every_speaker
def test_head_and_first_content_are_one_write(stand: Stand, first: Cloud, speaker: Speaker) -> None:
    stand.serve(first.port, dialect=speaker.dialect)
    with calling(stand.process.port) as caller:
        begun(caller, first, speaker)
        assert caller.segments == 1


@every_speaker
def test_an_event_that_comes_byte_by_byte_is_one_write(stand: Stand, first: Cloud, speaker: Speaker) -> None:
    stand.serve(first.port, dialect=speaker.dialect)
    with calling(stand.process.port) as caller:
        line = begun(caller, first, speaker)
        before = caller.segments
        for byte in speaker.text("Grüße"):
            line.chunk(bytes([byte]))
        assert "Grüße".encode() in caller.chunk()
        assert caller.segments == before + 1


@every_speaker
def test_events_that_come_together_are_fewer_writes_than_events(stand: Stand, first: Cloud, speaker: Speaker) -> None:
    stand.serve(first.port, dialect=speaker.dialect)
    with calling(stand.process.port) as caller:
        line = begun(caller, first, speaker)
        before = caller.segments
        line.chunk(b"".join(speaker.text(f"<{number}>") for number in range(50)))
        found = b"".join(until(caller, b"<49>"))
        assert [b"<%d>" % number in found for number in range(50)] == [True] * 50
        assert caller.segments - before < 50


def until(caller: Caller, last: bytes) -> Iterator[bytes]:
    while True:
        yield (chunk := caller.chunk())
        if last in chunk:
            return


def test_the_end_of_a_stream_is_told_with_its_last_event_or_after_it_at_once(stand: Stand, first: Cloud) -> None:
    stand.serve(first.port)
    with calling(stand.process.port) as caller:
        caller.ask(stream=True)
        OPENAI.say(first.asked(), "all")
        assert caller.answer().text == "all"
        assert caller.segments <= 2
