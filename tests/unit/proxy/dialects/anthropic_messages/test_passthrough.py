import json
from collections.abc import Iterable
from typing import Any

import pytest

from pilothouse_api.names import ModelName, UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call, Peek
from pilothouse_proxy.dialects.anthropic_messages.passthrough import CountPassThrough, PassThrough
from pilothouse_proxy.errors import Failure, Kind, UpstreamBroken
from pilothouse_proxy.exchange import members
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.operations import DialectName, Operation
from pilothouse_proxy.ports import StreamRelay
from tests import feeding
from tests.golden import cases
from tests.golden.streams_of import server_sent

BODY = b'{"model":"claude","max_tokens":10, "brand_new":{"a":[1]},"messages":[{"role":"user","content":"Hi"}]}'


def call(body: bytes = BODY) -> Call:
    return Call(
        operation=Operation.MESSAGES,
        request_id="req-1",
        created=0,
        peek=Peek(model=ModelName("claude"), stream=True, members=members.read(body)),
        body=body,
        model=Model(upstream=UpstreamModel("claude-sonnet-5-5")),
        dialect=DialectName.ANTHROPIC_MESSAGES,
        streams=True,
    )


def test_the_models_name_alone_is_replaced() -> None:
    sent = PassThrough().request(call())
    assert json.loads(sent) == {**json.loads(BODY), "model": "claude-sonnet-5-5"}
    assert b'"brand_new":{"a":[1]}' in sent


def test_an_answer_passes_byte_for_byte_and_its_usage_is_read() -> None:
    body = (
        b'{"id":"msg_1","type":"message","content":[{"type":"brand_new"}],"stop_reason":"tool_use", "mood":"calm",'
        b'"usage":{"input_tokens":3,"cache_read_input_tokens":100,"cache_creation_input_tokens":20,"output_tokens":7,'
        b'"output_tokens_details":{"thinking_tokens":4}}}'
    )
    answer = PassThrough().reply(call(), [], body)
    assert answer.body == body
    assert answer.finish_reason == "tool_calls"
    assert answer.usage == Usage(
        input_tokens=123, output_tokens=7, cached_tokens=100, cache_write_tokens=20, reasoning_tokens=4
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"type":"error"}', b'{"usage":7}'])
def test_an_answer_of_another_kind_is_broken(body: bytes) -> None:
    with pytest.raises(UpstreamBroken):
        PassThrough().reply(call(), [], body)


def relayed(stream: bytes) -> tuple[StreamRelay, bytes]:
    """The stream fed in every way, and what became of it."""

    def feed(pieces: Iterable[bytes]) -> tuple[Any, ...]:
        relay = PassThrough().relay(call(), [(b"request-id", b"req_up")])
        sent = b"".join(relay.feed(piece) for piece in pieces) + relay.end()
        relays.append(relay)
        return sent, relay.content, relay.complete, relay.failure, relay.finish_reason, relay.usage, relay.events

    relays: list[StreamRelay] = []
    sent = feeding.feed_every_way(feed, stream, cuts=64)[0]
    assert relays[0].feed(stream) == b"", "nothing follows the end"
    return relays[0], sent


STREAMS = [case for case in cases.inputs("streams", DialectName.ANTHROPIC_MESSAGES) if case != "line-ends-and-comments"]


@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_passes_byte_for_byte_up_to_its_end_or_its_failure(case: str) -> None:
    document = cases.load("streams", DialectName.ANTHROPIC_MESSAGES, case)
    framed = [server_sent(event) for event in document["messages"]]
    stream = b"".join(framed)[: -document["cut_bytes"] if "cut_bytes" in document else None]
    relay, sent = relayed(stream)
    kinds = [event["type"] if isinstance(event, dict) else "" for event in document["messages"]]
    if relay.complete:
        assert relay.failure is None
        assert sent == b"".join(framed[: kinds.index("message_stop") + 1])
        assert relay.usage is not None
        assert not relay.usage.estimated
    else:
        assert relay.failure is not None
        assert stream.startswith(sent)
        assert b"event: error" not in sent
        assert relay.usage is None or relay.usage.estimated


def test_what_the_beginning_told_is_kept_of_a_stream_that_is_cut() -> None:
    document = cases.load("streams", DialectName.ANTHROPIC_MESSAGES, "cut-after-content")
    relay, _ = relayed(b"".join(server_sent(event) for event in document["messages"]))
    assert relay.content
    assert relay.usage is not None
    assert (relay.usage.input_tokens, relay.usage.cached_tokens, relay.usage.estimated) == (125, 100, True)


def test_the_event_that_tells_of_a_failure_is_one_of_messages() -> None:
    relay = PassThrough().relay(call(), [])
    told = relay.error_event(Failure(kind=Kind.NOT_READY, message="busy"))
    name, data, *_ = told.split(b"\n")
    assert name == b"event: error"
    assert json.loads(data.removeprefix(b"data: ")) == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "busy"},
        "request_id": "req-1",
    }


def test_an_overload_inside_a_stream_names_the_providers_request() -> None:
    document = cases.load("streams", DialectName.ANTHROPIC_MESSAGES, "error-after-content")
    relay, _ = relayed(b"".join(server_sent(event) for event in document["messages"]))
    assert relay.failure is not None
    assert (relay.failure.kind, relay.failure.request_id) == (Kind.UNAVAILABLE, "req_up")


def test_a_count_passes_and_costs_nothing() -> None:
    body = b'{"input_tokens": 2095}'
    answer = CountPassThrough().reply(call(), [], body)
    assert (answer.body, answer.usage) == (body, Usage())
    assert json.loads(CountPassThrough().request(call()))["model"] == "claude-sonnet-5-5"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"input_tokens":"many"}'])
def test_a_count_of_another_kind_is_broken(body: bytes) -> None:
    with pytest.raises(UpstreamBroken):
        CountPassThrough().reply(call(), [], body)


def test_a_count_is_never_streamed() -> None:
    with pytest.raises(UpstreamBroken):
        CountPassThrough().relay(call(), [])
