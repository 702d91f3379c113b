"""Every stream of a provider's dialect meets every dialect of clients, in every way that it may be cut up."""

from pilothouse_proxy.operations import DialectName
import json
from collections.abc import Iterable
from typing import Any

import pytest
from anthropic._models import construct_type
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types import Completion
from openai.types.chat import ChatCompletionChunk

from pilothouse_proxy import translation
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.framing import eventstream, sse
from pilothouse_proxy.ports import StreamRelay
from tests import feeding
from tests.golden import cases, converse_model, messages_model
from tests.golden.streams_of import relay_of, stream_of
from tests.goldens import Goldens

MATRIX = [
    (client, upstream, case) for client, upstream, _ in cases.pairs() for case in cases.inputs("streams", upstream)
]
CONVERSE = cases.inputs("streams", DialectName.BEDROCK_CONVERSE)
STRANGE = {"stop-unknown", "unknown-event", "broken-payload", "broken-required-member"}
"""Cases of Bedrock that break its service model, on purpose."""


def relayed(client: DialectName, upstream: DialectName, document: dict[str, Any], pieces: Iterable[bytes]) -> str:
    """What the client gets, as the pipeline would send it, and what the gateway keeps of it (a comment line)."""
    relay = relay_of(client, upstream, document)
    sent = b"".join(relay.feed(piece) for piece in pieces) + relay.end()
    if relay.failure is not None and relay.content:
        sent += relay.error_event(relay.failure)
    failure = relay.failure
    outcome: dict[str, Any] = {
        "complete": relay.complete,
        "content": relay.content,
        "finish_reason": relay.finish_reason,
        "usage": relay.usage and {name: getattr(relay.usage, name) for name in relay.usage.__struct_fields__},
        "unknown": list(relay.unknown),
        "failure": failure and {"kind": failure.kind, "message": failure.message, "code": failure.code},
    }
    assert relay.feed(b"data: more\n\n") == b"", "nothing follows the end"
    return sent.decode() + f": {json.dumps(outcome, ensure_ascii=False)}\n"


def golden_name(client: DialectName, upstream: DialectName, case: str) -> str:
    return f"streams/{upstream}/{case}.{client}.sse"


@pytest.mark.parametrize(("client", "upstream", "case"), MATRIX)
def test_a_stream_is_relayed_as_written_down_however_it_is_cut(
    client: DialectName, upstream: DialectName, case: str, goldens: Goldens
) -> None:
    document = cases.load("streams", upstream, case)
    got = feeding.feed_every_way(
        lambda pieces: relayed(client, upstream, document, pieces), stream_of(document), cuts=48
    )
    goldens.check(golden_name(client, upstream, case), got)


def test_no_golden_stream_is_stale_and_none_is_missing(goldens: Goldens) -> None:
    assert len(MATRIX) > 60
    goldens.check_complete("streams/*/*.sse", {golden_name(*row) for row in MATRIX})


@pytest.mark.parametrize("case", sorted(set(CONVERSE) - STRANGE))
def test_what_converse_is_said_to_stream_holds_to_the_service_model(case: str) -> None:
    for event in cases.load("streams", DialectName.BEDROCK_CONVERSE, case)["events"]:
        if event[0] not in {"error", "exception"}:
            payload = {name: value for name, value in event[1].items() if name != "p"}
            assert converse_model.problems_of_event(event[0], payload) == "", event


STREAMED = [
    (upstream, case)
    for upstream in (
        DialectName.BEDROCK_CONVERSE,
        DialectName.ANTHROPIC_MESSAGES,
        DialectName.BEDROCK_INVOKE_ANTHROPIC,
        *cases.INVOKED,
    )
    for case in cases.inputs("streams", upstream)
]
"""All that is translated for every client."""


MESSAGES = cases.inputs("streams", DialectName.ANTHROPIC_MESSAGES)
NEWER = {"unknown-event", "unknown-block-and-delta", "stop-unknown", "broken-json", "broken-member"}
"""Cases of Messages that break the types of its SDK, on purpose."""


@pytest.mark.parametrize("case", sorted(set(MESSAGES) - NEWER))
def test_what_messages_is_said_to_stream_holds_to_the_types_of_anthropics_sdk(case: str) -> None:
    for event in cases.load("streams", DialectName.ANTHROPIC_MESSAGES, case).get("messages", ()):
        if event["type"] not in {"error", "ping"}:
            assert messages_model.problems_of_event(event) == "", event


def chunks_of(case: str, upstream: DialectName = DialectName.BEDROCK_CONVERSE) -> list[bytes]:
    """The data of what a client of openai.chat gets of a provider's stream."""
    document = cases.load("streams", upstream, case)
    relay = relay_of(DialectName.OPENAI_CHAT, upstream, document)
    decoder = sse.Decoder()
    return [event.data for event in decoder.feed(relay.feed(stream_of(document)) + relay.end())]


@pytest.mark.parametrize(("upstream", "case"), STREAMED)
def test_the_sdk_reads_every_chunk(upstream: DialectName, case: str) -> None:
    for data in chunks_of(case, upstream):
        if data != b"[DONE]":
            chunk = ChatCompletionChunk.model_validate_json(data)
            assert chunk.id == "chatcmpl-golden"
            for choice in chunk.choices:
                assert set(choice.delta.model_extra or {}) <= {"reasoning_content", "thinking_blocks"}


@pytest.mark.parametrize(("upstream", "case"), STREAMED)
def test_done_is_said_once_and_last_and_only_of_whole_streams(upstream: DialectName, case: str) -> None:
    document = cases.load("streams", upstream, case)
    relay = relay_of(DialectName.OPENAI_CHAT, upstream, document)
    sent = relay.feed(stream_of(document)) + relay.end()
    assert sent.count(b"data: [DONE]") == int(relay.complete)
    assert sent.endswith(b"data: [DONE]\n\n") == relay.complete
    assert relay.complete == (relay.failure is None)


@pytest.mark.parametrize(
    ("upstream", "case"),
    [
        row
        for row in STREAMED
        if row[0] not in {DialectName.ANTHROPIC_MESSAGES, DialectName.BEDROCK_INVOKE_ANTHROPIC}
        and row[1] in cases.inputs("responses", row[0])
    ],
)
def test_a_stream_put_together_equals_the_answer_at_once(upstream: DialectName, case: str) -> None:
    document = cases.load("responses", upstream, case)
    met = translation.between(DialectName.OPENAI_CHAT, upstream)
    assert met is not None
    try:
        at_once = met.reply(
            cases.call_of(DialectName.OPENAI_CHAT, upstream, document), cases.headers_of(document), json.dumps(document["answer"]).encode()
        )
    except UpstreamBroken:
        assert b"[DONE]" not in chunks_of(case, upstream)
        return
    state = ChatCompletionStreamState()
    for data in chunks_of(case, upstream):
        if data != b"[DONE]":
            state.handle_chunk(ChatCompletionChunk.model_validate_json(data))
    together = json.loads(state.current_completion_snapshot.model_dump_json(exclude_none=True))
    expected = json.loads(at_once.body)
    assert said(together) == said(expected)
    assert together["usage"] == expected["usage"]


@pytest.mark.parametrize("case", CONVERSE)
def test_anthropics_events_open_and_close_one_block_after_the_other(case: str) -> None:
    names, open_, index = [], None, -1
    for name, data in messages_events(case):
        names.append(name)
        assert data["type"] == name
        if name == "content_block_start":
            assert open_ is None
            index += 1
            assert data["index"] == index
            open_ = index
        elif name == "content_block_delta":
            assert data["index"] == open_
        elif name == "content_block_stop":
            assert data["index"] == open_
            open_ = None
    document = cases.load("streams", DialectName.BEDROCK_CONVERSE, case)
    relay = relay_of(DialectName.ANTHROPIC_MESSAGES, DialectName.BEDROCK_CONVERSE, document)
    relay.feed(stream_of(document))
    relay.end()
    assert (names[-2:] == ["message_delta", "message_stop"]) == relay.complete
    assert names[:1] in ([], ["message_start"])
    assert names.count("message_stop") == int(relay.complete)


@pytest.mark.parametrize("case", sorted(set(CONVERSE) & set(cases.inputs("responses", DialectName.BEDROCK_CONVERSE))))
def test_what_anthropics_sdk_puts_together_equals_the_message_at_once(case: str) -> None:
    document = cases.load("responses", DialectName.BEDROCK_CONVERSE, case)
    client, upstream = DialectName.ANTHROPIC_MESSAGES, DialectName.BEDROCK_CONVERSE
    met = translation.between(client, upstream)
    assert met is not None
    try:
        at_once = met.reply(cases.call_of(client, upstream, document), [], json.dumps(document["answer"]).encode())
    except UpstreamBroken:
        assert "message_stop" not in dict(messages_events(case))
        return
    message: Any = None
    pieces: dict[int, bytes] = {}
    for _, data in messages_events(case):
        event = construct_type(type_=RawMessageStreamEvent, value=data)
        message = accumulate_event(event=event, current_snapshot=message, json_bufs=pieces)
    together = json.loads(message.to_json(exclude_none=True))
    expected = json.loads(Message.model_validate_json(at_once.body).to_json(exclude_none=True))
    assert written(together) == written(expected)


def messages_events(case: str) -> list[tuple[str, dict[str, Any]]]:
    """What a client of anthropic.messages gets of a stream of Bedrock's: (event name, data)."""
    document = cases.load("streams", DialectName.BEDROCK_CONVERSE, case)
    relay = relay_of(DialectName.ANTHROPIC_MESSAGES, DialectName.BEDROCK_CONVERSE, document)
    events = sse.Decoder().feed(relay.feed(stream_of(document)) + relay.end())
    return [(event.name.decode(), json.loads(event.data)) for event in events]


def written(message: dict[str, Any]) -> dict[str, Any]:
    """A stream tells texts of several blocks of the provider's as one; the tier is told at the end, where no event of
    Anthropic's has a place for it.
    """
    content: list[dict[str, Any]] = []
    for block in message["content"]:
        if content and block["type"] == content[-1]["type"] == "text":
            content[-1]["text"] += block["text"]
        else:
            content.append(block)
    usage = {name: value for name, value in message["usage"].items() if name != "service_tier"}
    return {**message, "content": content, "usage": usage}


def said(completion: dict[str, Any]) -> dict[str, Any]:
    """What a completion says, whichever way it came."""
    choice = completion["choices"][0]
    message = choice["message"]
    calls = message.get("tool_calls") or []
    return {
        "content": message.get("content") or None,
        "reasoning": message.get("reasoning_content") or None,
        "blocks": message.get("thinking_blocks") or [],
        "calls": [(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls],
        "finish_reason": choice["finish_reason"],
    }


@pytest.mark.parametrize(
    ("upstream", "case"),
    [
        (upstream, case)
        for client, upstream, case in MATRIX
        if client is DialectName.OPENAI_COMPLETIONS and upstream is not client
    ],
)
def test_the_sdk_reads_every_chunk_of_a_legacy_completion(upstream: DialectName, case: str) -> None:
    document = cases.load("streams", upstream, case)
    relay = relay_of(DialectName.OPENAI_COMPLETIONS, upstream, document)
    sent = relay.feed(stream_of(document)) + relay.end()
    for event in sse.Decoder().feed(sent):
        if event.data != b"[DONE]":
            # The SDK's type leaves out the null that OpenAI sends until the end.
            chunk = Completion.model_validate_json(event.data.replace(b'"finish_reason":null', b'"finish_reason":"stop"'))
            assert (chunk.object, chunk.id) == ("text_completion", "cmpl-golden")
    assert sent.endswith(b"data: [DONE]\n\n") == relay.complete
    assert relay.complete == (relay.failure is None)


def is_usage_chunk(event: str) -> bool:
    if '"choices"' not in event or not event.endswith("\n"):
        return False
    chunk = json.loads(sse.Decoder().feed(event.encode())[0].data)
    return chunk["choices"] == [] and chunk.get("usage") is not None


@pytest.mark.parametrize(
    ("dialect", "case"),
    [
        (client, case)
        for client, upstream, case in MATRIX
        if client is upstream and client in {DialectName.OPENAI_CHAT, DialectName.OPENAI_COMPLETIONS}
    ],
)
def test_whole_streams_of_the_same_dialect_pass_byte_for_byte_but_for_the_usage_chunk(
    dialect: DialectName, case: str
) -> None:
    document = cases.load("streams", dialect, case)
    relay = relay_of(dialect, dialect, document)
    sent = relay.feed(stream_of(document)) + relay.end()
    asked = "stream_options" in document["request"]
    kept = "".join(event for event in document["stream"] if asked or not is_usage_chunk(event)).encode()
    if relay.complete:
        assert kept.rstrip(b"\n").startswith(sent.rstrip(b"\n"))
        assert len(sent) == len(kept) or case in {"nothing-after-done", "done-without-blank-line"}
    else:
        assert kept.startswith(sent)


@pytest.mark.parametrize("case", MESSAGES)
def test_whole_streams_of_messages_pass_byte_for_byte(case: str) -> None:
    document = cases.load("streams", DialectName.ANTHROPIC_MESSAGES, case)
    relay = relay_of(DialectName.ANTHROPIC_MESSAGES, DialectName.ANTHROPIC_MESSAGES, document)
    stream = stream_of(document)
    sent = relay.feed(stream) + relay.end()
    assert stream.startswith(sent)
    assert not relay.complete or sent == stream or case == "nothing-after-stop"
