"""The same over TLS, where the end of a connection looks different: a reset, or no word of farewell (close_notify)."""

import ssl
import time
from collections.abc import Callable, Iterator

import pytest

from pilothouse_api.snapshot.routes import Timeouts
from pilothouse_operator.distribution import certificates
from tests.integration.proxy.faults.speakers import OPENAI, SPEAKERS, Speaker
from tests.integration.proxy.faults.stand import LONG, Stand
from tests.integration.proxy.faults.wire import EVENTS, Cloud, Line, calling
from tests.integration.proxy.gateway import Answer
from tests.integration.proxy.upstream import completion

AUTHORITY = certificates.make_authority(name="test", now=time.time())
LEAF = certificates.make_leaf(authority=AUTHORITY, names=["127.0.0.1"], now=time.time())
TRUST = {"ca_bundle": AUTHORITY.certificate}
UNCHUNKED = EVENTS.replace(b"transfer-encoding: chunked", b"connection: close")


def resets(line: Line) -> None:
    line.reset()


def closes_without_a_word(line: Line) -> None:
    line.close()


def says_farewell(line: Line) -> None:
    assert isinstance(line.sock, ssl.SSLSocket)
    line.sock.settimeout(0.1)
    # The other side need not answer it.
    with pytest.raises((TimeoutError, OSError)):
        line.sock.unwrap()
        raise TimeoutError
    line.close()


def sends_plain_text(line: Line) -> None:
    assert isinstance(line.sock, ssl.SSLSocket)
    line.sock._sslobj = None  # type: ignore[attr-defined] # what follows is not encrypted
    line.sock.sendall(b"HTTP/1.1 500 Oops\r\n\r\n")


every_death = pytest.mark.parametrize(
    "death", [resets, closes_without_a_word, says_farewell, sends_plain_text], ids=lambda death: death.__name__
)
every_speaker = pytest.mark.parametrize("speaker", SPEAKERS, ids=lambda speaker: speaker.dialect)
Death = Callable[[Line], None]


@pytest.fixture
def first() -> Iterator[Cloud]:
    with Cloud(tls=certificates.server_context(LEAF)) as running:
        yield running


@pytest.fixture
def second() -> Iterator[Cloud]:
    with Cloud(tls=certificates.server_context(LEAF)) as running:
        yield running


@every_speaker
@every_death
def test_before_any_content_the_next_target_takes_over_unseen(
    stand: Stand, first: Cloud, second: Cloud, speaker: Speaker, death: Death
) -> None:
    stand.serve(first.port, second.port, dialect=speaker.dialect, **TRUST)
    with calling(stand.process.port) as caller:
        caller.ask(stream=True)
        line = first.asked()
        speaker.begin(line)
        death(line)
        speaker.say(second.asked(), "whole")
        answer = caller.answer()
        assert (answer.status, answer.text, answer.events[-1]) == (200, "whole", "[DONE]")


@every_speaker
@every_death
def test_after_content_one_error_event_and_the_end_in_order(
    stand: Stand, first: Cloud, speaker: Speaker, death: Death
) -> None:
    stand.serve(first.port, dialect=speaker.dialect, **TRUST)
    with calling(stand.process.port) as caller:
        caller.ask(stream=True)
        line = first.asked()
        speaker.begin(line, "half")
        status, headers = caller.head()
        begun = b""
        while b'"half"' not in begun:
            begun += caller.chunk()
        death(line)
        answer = Answer(status, headers, begun + caller.rest())
        assert (answer.text, answer.events[-1]["error"]["code"]) == ("half", "unavailable")
        assert b"[DONE]" not in answer.body


@pytest.mark.parametrize("death", [closes_without_a_word, says_farewell], ids=lambda death: death.__name__)
def test_a_body_that_ends_with_its_connection_is_whole_only_by_its_own_word(
    stand: Stand, first: Cloud, death: Death
) -> None:
    stand.serve(first.port, **TRUST)
    for last, code in ((OPENAI.closing, None), (b"", "stream_broken")):
        with calling(stand.process.port) as caller:
            caller.ask(stream=True)
            line = first.asked()
            line.send(UNCHUNKED + OPENAI.opening + OPENAI.text("said") + last)
            death(line)
            answer = caller.answer()
            assert answer.text == "said"
            assert (answer.events[-1] == "[DONE]") == (code is None)
            assert code is None or answer.events[-1]["error"]["code"] == code


@every_speaker
def test_a_caller_that_leaves_is_told_to_the_provider(stand: Stand, first: Cloud, speaker: Speaker) -> None:
    stand.serve(first.port, dialect=speaker.dialect, **TRUST)
    for texts in ([], ["some"]):
        caller = stand.caller()
        caller.ask(stream=True)
        line = first.asked()
        speaker.begin(line, *texts)
        if texts:
            caller.head()
        caller.close()
        line.gone()


def test_a_provider_that_shakes_no_hands_is_given_up(stand: Stand, second: Cloud) -> None:
    with Cloud() as mute:
        stand.serve(mute.port, second.port, connect_timeout_ms=1_000, **TRUST)
        with calling(stand.process.port) as caller:
            caller.ask()
            mute.accept()
            second.asked().answer(completion())
            answer = caller.answer()
            assert (answer.status, answer.headers["x-pilothouse-attempts"]) == (200, "2")


def test_a_provider_of_another_authority_is_not_trusted(stand: Stand, first: Cloud) -> None:
    stranger = certificates.make_authority(name="stranger", now=time.time())
    stand.serve(first.port, ca_bundle=stranger.certificate)
    with calling(stand.process.port) as caller:
        caller.ask()
        with pytest.raises(OSError):
            first.accept()
        answer = caller.answer()
        assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")


@pytest.mark.parametrize("death", [resets, closes_without_a_word, says_farewell], ids=lambda death: death.__name__)
def test_one_that_was_closed_between_requests_is_replaced_and_no_attempt_is_lost(
    stand: Stand, first: Cloud, death: Death
) -> None:
    stand.serve(first.port, timeouts=LONG, **TRUST)
    with calling(stand.process.port) as caller:
        caller.ask()
        line = first.asked()
        line.answer(completion())
        assert caller.answer().status == 200
        death(line)
        stand.process.until(lambda: stand.metric("pilothouse_connections", 'direction="out"') == 0, "it stays")
        caller.ask()
        first.asked().answer(completion())
        answer = caller.answer()
        assert (answer.status, answer.headers["x-pilothouse-attempts"]) == (200, "1")


def test_silence_is_a_timeout(stand: Stand, first: Cloud) -> None:
    stand.serve(first.port, timeouts=Timeouts(first_token_ms=300, idle_ms=300, total_ms=10_000), **TRUST)
    with calling(stand.process.port) as caller:
        caller.ask()
        line = first.asked()
        answer = caller.answer()
        assert (answer.status, answer.error["code"]) == (504, "timeout")
        line.gone()
