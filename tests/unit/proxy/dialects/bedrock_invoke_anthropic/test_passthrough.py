import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from pilothouse_api.names import ModelName, UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy import translation
from pilothouse_proxy.call import Call, Peek
from pilothouse_proxy.dialects.bedrock_invoke_anthropic.passthrough import PassThrough
from pilothouse_proxy.errors import Failure, GatewayError, Kind
from pilothouse_proxy.exchange import members
from pilothouse_proxy.framing import sse
from pilothouse_proxy.operations import DialectName, Operation
from pilothouse_proxy.ports import StreamRelay
from tests import feeding
from tests.golden import cases
from tests.golden.streams_of import stream_of

BODY = (
    b'{"model":"claude","max_tokens":10,"stream":true,"anthropic_version":"2026-10-21",'
    b'"messages":[{"role":"user","content":"Hi"}],"context_management":{"edits": []}}'
)


def call(body: bytes = BODY, headers: Mapping[bytes, bytes] | None = None) -> Call:
    return Call(
        operation=Operation.MESSAGES,
        request_id="req-1",
        created=0,
        peek=Peek(model=ModelName("claude"), stream=True, members=members.read(body)),
        body=body,
        model=Model(upstream=UpstreamModel("us.anthropic.claude-sonnet-4-5-20250929-v1:0")),
        dialect=DialectName.BEDROCK_INVOKE_ANTHROPIC,
        streams=True,
        headers=headers or {},
    )


def test_messages_meet_invoke_without_the_exchange() -> None:
    met = translation.between(DialectName.ANTHROPIC_MESSAGES, DialectName.BEDROCK_INVOKE_ANTHROPIC)
    assert isinstance(met, PassThrough)


def test_members_are_put_where_bedrock_wants_them_and_values_pass() -> None:
    sent = PassThrough().request(call())
    assert json.loads(sent) == {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "Hi"}],
        "context_management": {"edits": []},
    }
    assert b'"context_management":{"edits": []}' in sent


@pytest.mark.parametrize(
    ("named", "header", "sent"),
    [
        (b"", b"a-1, b-2", ["a-1", "b-2"]),
        (b',"anthropic_beta":["b-2","c-3"]', b"a-1,b-2", ["b-2", "c-3", "a-1"]),
        (b',"anthropic_beta":["c-3"]', None, ["c-3"]),
        (b',"anthropic_beta":null', b"a-1", ["a-1"]),
        (b',"anthropic_beta":[]', None, None),
        (b"", b" ,", None),
    ],
)
def test_betas_go_into_the_body(named: bytes, header: bytes | None, sent: list[str] | None) -> None:
    body = b'{"model":"claude","max_tokens":10,"messages":[]' + named + b"}"
    headers = {} if header is None else {b"anthropic-beta": header}
    assert json.loads(PassThrough().request(call(body, headers))).get("anthropic_beta") == sent


def test_betas_that_are_no_list_are_named() -> None:
    with pytest.raises(GatewayError) as raised:
        PassThrough().request(call(b'{"model":"claude","anthropic_beta":"a-1"}'))
    assert (raised.value.kind, raised.value.param) == (Kind.INVALID_REQUEST, "anthropic_beta")


def relayed(document: dict[str, Any]) -> tuple[StreamRelay, bytes]:
    """The stream fed in every way, and what became of it."""

    def feed(pieces: Iterable[bytes]) -> tuple[Any, ...]:
        relay = PassThrough().relay(call(), [(b"x-amzn-requestid", b"up-1")])
        sent = b"".join(relay.feed(piece) for piece in pieces) + relay.end()
        relays.append(relay)
        return sent, relay.content, relay.complete, relay.failure, relay.finish_reason, relay.usage, relay.unknown

    relays: list[StreamRelay] = []
    sent = feeding.feed_every_way(feed, stream_of(document), cuts=64)[0]
    assert relays[0].feed(stream_of(document)) == b"", "nothing follows the end"
    return relays[0], sent


@pytest.mark.parametrize("case", cases.inputs("streams", DialectName.BEDROCK_INVOKE_ANTHROPIC))
def test_each_chunk_is_an_event_with_the_very_json(case: str) -> None:
    document = cases.load("streams", DialectName.BEDROCK_INVOKE_ANTHROPIC, case)
    relay, sent = relayed(document)
    told = [(event.name.decode(), event.data.decode()) for event in sse.Decoder().feed(sent)]
    expected = [
        (event["type"], json.dumps(event, ensure_ascii=False, separators=(",", ":")))
        for event in document["chunks"]
        if isinstance(event, dict) and event["type"] != "error"
    ]
    assert told == expected[: len(told)]
    assert relay.complete == (relay.failure is None) == (len(told) == len(expected) and "message_stop" in dict(told))


def test_usage_comes_from_the_events_or_from_bedrocks_figures() -> None:
    for case in ("text", "usage-of-the-metrics"):
        relay, _ = relayed(cases.load("streams", DialectName.BEDROCK_INVOKE_ANTHROPIC, case))
        assert relay.usage is not None
        assert (relay.usage.input_tokens, relay.usage.output_tokens, relay.usage.estimated) == (10, 5, False)


def test_an_exception_keeps_its_class_and_the_providers_request() -> None:
    relay, _ = relayed(cases.load("streams", DialectName.BEDROCK_INVOKE_ANTHROPIC, "exception-before-content"))
    assert relay.failure is not None
    assert (relay.failure.kind, relay.failure.request_id) == (Kind.RATE_LIMITED, "up-1")
    assert not relay.content


def test_a_frame_of_another_kind_is_counted() -> None:
    relay, _ = relayed(cases.load("streams", DialectName.BEDROCK_INVOKE_ANTHROPIC, "frame-of-another-kind"))
    assert relay.unknown == ("event.brandNew",)


def test_the_event_that_tells_of_a_failure_is_one_of_messages() -> None:
    told = PassThrough().relay(call(), []).error_event(Failure(kind=Kind.TIMEOUT, message="late"))
    assert told.startswith(b'event: error\ndata: {"type":"error","error":{"type":"timeout_error"')
