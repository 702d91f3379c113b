"""A caller that leaves: the provider is told at once, and what it has done until then is accounted for."""

import socket
from collections.abc import Callable

import pytest

from pilothouse_api.snapshot.quotas import Resource
from tests.integration.proxy.configurations import limit, quota
from tests.integration.proxy.faults.speakers import OPENAI, SPEAKERS, Speaker
from tests.integration.proxy.faults.stand import TOKENS, Stand
from tests.integration.proxy.faults.wire import Caller, Cloud, Line, calling, head
from tests.integration.proxy.upstream import completion

Leave = Callable[[Caller], None]


def closes(caller: Caller) -> None:
    caller.close()


def resets(caller: Caller) -> None:
    caller.reset()


def closes_its_half(caller: Caller) -> None:
    """Nothing else would tell of a caller that has gone: it counts as such."""
    caller.sock.shutdown(socket.SHUT_WR)


every_leave = pytest.mark.parametrize("leave", [closes, resets, closes_its_half], ids=lambda leave: leave.__name__)
every_speaker = pytest.mark.parametrize("speaker", SPEAKERS, ids=lambda speaker: speaker.dialect)
TEXT = "x" * 4_000


def asking(stand: Stand, cloud: Cloud, speaker: Speaker, *, stream: bool, named: str = "") -> tuple[Caller, Line]:
    """A caller whose long request a provider thinks about. Quotas begin at nothing used."""
    stand.serve(cloud.port, dialect=speaker.dialect, quotas={})
    quotas = {"q": quota(limit(Resource.REQUESTS, 100), limit(Resource.TOKENS, TOKENS))}
    stand.serve(cloud.port, dialect=speaker.dialect, quotas=quotas)
    caller = stand.caller()
    caller.ask(stream=stream, named=named, messages=[{"role": "user", "content": TEXT}])
    return caller, cloud.asked()


def tokens(stand: Stand, speaker: Speaker, kind: str) -> float:
    return stand.metric("pilothouse_tokens_total", f'provider="clouds/{speaker.dialect}-0",type="{kind}"')


def left(stand: Stand, cloud: Cloud, speaker: Speaker) -> tuple[int, int]:
    """What the quota has left of requests and tokens, as the next caller is told before its own request counts."""
    with calling(stand.process.port) as caller:
        caller.ask(stream=True)
        speaker.say(cloud.asked(), "more")
        headers = caller.answer().headers
    return tuple(int(headers[f"x-ratelimit-remaining-{what}"]) for what in ("requests", "tokens"))  # type: ignore[return-value] # two


@every_speaker
@every_leave
def test_in_the_middle_of_a_stream(stand: Stand, first: Cloud, speaker: Speaker, leave: Leave) -> None:
    caller, line = asking(stand, first, speaker, stream=True)
    before = [tokens(stand, speaker, kind) for kind in ("input", "output")]
    speaker.begin(line, "one", "two")
    _, headers = caller.head()
    while b'"two"' not in caller.chunk():
        pass
    leave(caller)
    line.gone()
    told = stand.process.request(headers["x-request-id"])
    assert (told["status"], told["tokens_estimated"], told["output_tokens"]) == (499, True, 3)
    assert 300 < told["input_tokens"] < 1_500
    after = [tokens(stand, speaker, kind) for kind in ("input", "output")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [told["input_tokens"], 3]
    requests, spare = left(stand, first, speaker)
    assert requests == 98
    # The reservation for an answer of unknown length is given back, what was used is not.
    assert 300 < TOKENS - spare < 1_500 + 600


@every_speaker
@every_leave
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_while_the_provider_thinks(stand: Stand, first: Cloud, speaker: Speaker, leave: Leave, stream: bool) -> None:
    named = f"{speaker.dialect}-{leave.__name__}-{stream}"
    caller, line = asking(stand, first, speaker, stream=stream, named=named)
    before = tokens(stand, speaker, "input")
    leave(caller)
    line.gone()
    told = stand.process.request(named)
    assert (told["status"], told["tokens_estimated"], told["output_tokens"]) == (499, True, 0)
    assert tokens(stand, speaker, "input") - before == told["input_tokens"] > 300
    assert left(stand, first, speaker)[0] == 98


@every_leave
def test_before_any_content_of_a_stream(stand: Stand, first: Cloud, leave: Leave) -> None:
    caller, line = asking(stand, first, OPENAI, stream=True)
    OPENAI.begin(line)
    leave(caller)
    line.gone()


@every_leave
def test_within_the_body_of_a_whole_answer(stand: Stand, first: Cloud, leave: Leave) -> None:
    caller, line = asking(stand, first, OPENAI, stream=False)
    line.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
    leave(caller)
    line.gone()


@pytest.mark.parametrize("leave", [closes, resets], ids=lambda leave: leave.__name__)
def test_that_takes_nothing_any_more(stand: Stand, first: Cloud, leave: Leave) -> None:
    """The proxy reads nothing of the provider then: that the caller leaves must be seen on its own side."""
    stand.serve(first.port)
    caller = stand.caller(buffer_bytes=4_096)
    caller.ask(stream=True)
    line = first.asked()
    OPENAI.begin(line, "first")
    line.sock.settimeout(0.5)
    said = OPENAI.text("x" * 100_000)
    with pytest.raises(TimeoutError):
        while True:
            line.chunk(said)
    leave(caller)
    line.sock.settimeout(20)
    line.gone()


def test_within_its_request(stand: Stand, first: Cloud) -> None:
    stand.serve(first.port)
    before = stand.metric("pilothouse_connections", 'direction="in"')
    for sent in (b"", b"POST /v1/chat", head(10) + b"abc"):
        for leave in (closes, resets, closes_its_half):
            caller = stand.caller()
            caller.sock.sendall(sent)
            leave(caller)
            if leave is closes_its_half:
                assert caller.ended() == b""
                caller.close()
    stand.process.until(
        lambda: stand.metric("pilothouse_connections", 'direction="in"') == before, "connections are left over"
    )
    with calling(stand.process.port) as caller:
        caller.ask()
        first.asked().answer(completion())
        assert caller.answer().status == 200


def test_nothing_is_left_over(stand: Stand, first: Cloud) -> None:
    for number in range(60):
        caller, line = asking(stand, first, OPENAI, stream=bool(number % 2))
        if number % 4 == 1:
            OPENAI.begin(line, "some")
        (resets if number % 3 else closes)(caller)
        line.gone()
    stand.process.until(lambda: stand.metric("pilothouse_requests_in_flight") == 0, "requests are left over")
    stand.process.until(lambda: stand.metric("pilothouse_connections", 'direction="out"') == 0, "or their connections")
