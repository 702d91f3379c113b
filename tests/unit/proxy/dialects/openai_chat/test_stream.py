"""Streams of providers to neutral events."""

import json
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.dialects.openai_chat import chunks
from pilothouse_proxy.dialects.openai_chat.provider import Provider
from pilothouse_proxy.errors import Kind
from pilothouse_proxy.exchange import events, telling
from pilothouse_proxy.exchange.filters import Finding, Severity, Stage
from pilothouse_proxy.exchange.parts import RedactedThinking, Thinking
from pilothouse_proxy.exchange.reply import Finish, Reply
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.exchange.usage import Usage
from tests import feeding
from tests.unit.proxy.dialects.openai_chat.calls import HELLO, call
from tests.unit.proxy.dialects.openai_chat.test_reply import REPLIES

REQUEST = Request(turns=HELLO)
DONE = "data: [DONE]\n\n"
USAGE = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}
SETTLED = events.Settled(Usage(input_tokens=3, output_tokens=2))


def chunk(delta: dict[str, Any] | None = None, *, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": finish, **more.pop("choice", {})}
    if delta is not None:
        choice["delta"] = delta
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice], **more}


def told(*sent: dict[str, Any] | str, request: Request = REQUEST) -> list[events.Event]:
    """The events, which must not depend on how the stream is cut."""
    stream = "".join(it if isinstance(it, str) else f"data: {json.dumps(it)}\n\n" for it in sent).encode()

    def decoded(pieces: Iterable[bytes]) -> list[events.Event]:
        decoder = Provider().event_decoder(request, call(streams=True), [(b"x-request-id", b"req-1")])
        got = [event for piece in pieces for event in decoder.feed(piece)]
        got += decoder.end()
        assert decoder.feed(b"data: more\n\n") == [], "nothing follows the end"
        assert decoder.end() == []
        return got

    return feeding.feed_every_way(decoded, stream, cuts=24)


def call_piece(**more: Any) -> dict[str, Any]:
    return {"tool_calls": [more]}


def test_words_of_openai_with_usage_in_a_chunk_of_its_own() -> None:
    assert told(
        chunk({"role": "assistant", "content": "", "refusal": None}, usage=None, service_tier="flex"),
        chunk({"content": "Hel"}, obfuscation="xyz"),
        ": keep-alive\n\n",
        chunk({"content": "lo"}),
        chunk({}, finish="stop"),
        USAGE,
        DONE,
    ) == [
        events.Started(),
        events.TextDelta("Hel"),
        events.TextDelta("lo"),
        events.Finished(Finish.STOP),
        events.Settled(Usage(input_tokens=3, output_tokens=2), "flex"),
    ]


def test_thoughts_of_deepseek_and_vllm() -> None:
    for name in ("reasoning_content", "reasoning"):
        got = told(chunk({name: "2 + 2", "content": None}), chunk({"content": "4"}, finish="stop"), USAGE, DONE)
        assert got[1:3] == [events.ThinkingDelta("2 + 2"), events.TextDelta("4")]


def test_blocks_are_told_once_they_are_signed() -> None:
    got = told(
        chunk({"reasoning_content": "2 ", "thinking_blocks": [{"type": "thinking", "thinking": "2 "}]}),
        chunk({"reasoning_content": "+ 2"}),
        chunk({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "c2ln"}]}),
        chunk({"thinking_blocks": [{"type": "redacted_thinking", "data": "cmVk"}]}),
        chunk({"content": "4"}, finish="stop"),
        DONE,
    )
    assert got[3:5] == [
        events.ThinkingEnded(Thinking(text="2 + 2", signature="c2ln")),
        events.ThinkingEnded(RedactedThinking(base64="cmVk")),
    ]


def test_calls_are_told_apart_by_index_and_counted_from_zero() -> None:
    assert told(
        chunk(call_piece(index=1, id="a", type="function", function={"name": "look", "arguments": ""})),
        chunk(call_piece(index=4, id="b", type="function", function={"name": "see", "arguments": '{"x"'})),
        chunk(call_piece(index=4, function={"arguments": ":1}"})),
        chunk({}, finish="tool_calls"),
        USAGE,
        DONE,
    )[1:] == [
        events.ToolCallStarted(0, "a", "look"),
        events.ToolCallStarted(1, "b", "see"),
        events.ToolCallDelta(1, '{"x"'),
        events.ToolCallDelta(1, ":1}"),
        events.ToolCallDelta(0, "{}"),
        events.Finished(Finish.TOOL_CALLS),
        SETTLED,
    ]


def test_calls_of_compatible_servers() -> None:
    """Google's: whole calls, all of index 0. vLLM's: id and name again in each piece. Others: no index, no id."""
    got = told(
        chunk(call_piece(index=0, id="a", function={"name": "look", "arguments": "{}"})),
        chunk(call_piece(index=0, id="b", function={"name": "see", "arguments": "{"})),
        chunk(call_piece(index=0, id="b", function={"name": "see", "arguments": "}"})),
        chunk({}, finish="stop"),
        DONE,
    )
    assert got[1:6] == [
        events.ToolCallStarted(0, "a", "look"),
        events.ToolCallDelta(0, "{}"),
        events.ToolCallStarted(1, "b", "see"),
        events.ToolCallDelta(1, "{"),
        events.ToolCallDelta(1, "}"),
    ]
    assert events.Finished(Finish.TOOL_CALLS) in got
    nameless = told(
        chunk(call_piece(function={"name": "look", "arguments": '{"a"'})),
        chunk(call_piece(function={"arguments": ":1}"})),
        chunk({}, finish="tool_calls"),
        DONE,
    )
    started = nameless[1]
    assert isinstance(started, events.ToolCallStarted)
    assert started.id.startswith("call_")
    assert nameless[2:4] == [events.ToolCallDelta(0, '{"a"'), events.ToolCallDelta(0, ":1}")]


def test_azures_filter_of_the_prompt_and_of_each_chunk() -> None:
    safe = {"hate": {"filtered": False, "severity": "safe"}}
    on_prompt = Finding(stage=Stage.PROMPT, category="hate", filtered=False, severity=Severity.SAFE)
    on_reply = Finding(stage=Stage.COMPLETION, category="hate", filtered=False, severity=Severity.SAFE)
    results = [{"prompt_index": 0, "content_filter_results": safe}]
    assert told(
        {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": results},
        chunk({"role": "assistant"}, choice={"content_filter_results": {}}),
        chunk({"content": "Hi"}, choice={"content_filter_results": safe}),
        chunk({"content": "!"}, choice={"content_filter_results": safe}),
        chunk({}, finish="stop", choice={"content_filter_results": {}}),
        USAGE,
        DONE,
    ) == [
        events.Started(),
        events.Judged((on_prompt,)),
        events.TextDelta("Hi"),
        events.Judged((on_reply,)),
        events.TextDelta("!"),
        events.Finished(Finish.STOP),
        SETTLED,
    ]


def test_azures_asynchronous_filter_may_change_the_finish_behind_it() -> None:
    annotation = {
        "index": 0,
        "finish_reason": None,
        "content_filter_results": {"violence": {"filtered": True, "severity": "high"}},
        "content_filter_offsets": {"check_offset": 2, "start_offset": 0, "end_offset": 2},
    }
    got = told(
        chunk({"content": "Hi"}),
        chunk({}, finish="stop"),
        {"id": "", "object": "", "created": 0, "model": "", "choices": [annotation]},
        chunk({}, finish="content_filter"),
        USAGE,
        DONE,
    )
    found = Finding(stage=Stage.COMPLETION, category="violence", filtered=True, severity=Severity.HIGH)
    assert got[2:] == [events.Judged((found,)), events.Finished(Finish.CONTENT_FILTER), SETTLED]


def test_a_refusal_is_said_and_ends_as_filtered() -> None:
    got = told(chunk({"refusal": "I "}), chunk({"refusal": "cannot."}), chunk({}, finish="stop"), DONE)
    assert got[1] == events.Finished(Finish.CONTENT_FILTER, refusal="I cannot.")


def test_what_is_unknown_is_named_once_and_further_choices_are_left_out() -> None:
    got = told(
        chunk({"content": "a", "audio": {"id": "x"}}),
        chunk({"audio": {"data": "x"}, "context": None}),
        {"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": None}]},
        chunk({}, finish="tired"),
        DONE,
    )
    assert got[2:5] == [
        events.Unknown("delta.audio"),
        events.Unknown("choices"),
        events.Unknown("finish_reason.tired"),
    ]
    assert got[5] == events.Finished(Finish.STOP)


def failure_of(got: list[events.Event]) -> tuple[Kind, str]:
    last = got[-1]
    assert isinstance(last, events.Failed)
    return last.failure.kind, last.failure.message


def test_a_stream_that_is_cut_has_failed() -> None:
    kind, message = failure_of(told(chunk({"content": "Hel"}), 'data: {"choices":[{"del'))
    assert kind is Kind.STREAM_BROKEN
    assert "before it was complete" in message
    assert failure_of(told(""))[0] is Kind.STREAM_BROKEN
    assert failure_of(told(DONE))[0] is Kind.STREAM_BROKEN


def test_behind_the_finish_only_the_counts_can_be_missing() -> None:
    got = told(chunk({"content": "Hello there"}), chunk({}, finish="length"))
    settled = got[-1]
    assert isinstance(settled, events.Settled)
    assert settled.usage.estimated
    assert settled.usage.input_tokens > 0
    assert settled.usage.output_tokens == 3


def test_errors_inside_the_stream_keep_their_meaning() -> None:
    for error, kind in (
        ({"message": "slow down", "code": "rate_limit_exceeded"}, Kind.RATE_LIMITED),
        ({"message": "oops", "type": "server_error"}, Kind.UNAVAILABLE),
        ({"message": "no", "code": "content_filter", "innererror": {"code": "X"}}, Kind.CONTENT_FILTER),
        ("overloaded", Kind.PROVIDER_ERROR),
    ):
        got = told(chunk({"content": "Hel"}), {"error": error}, chunk({"content": "lo"}), DONE)
        assert failure_of(got)[0] is kind, error
        assert got[1] == events.TextDelta("Hel")
        last = got[-1]
        assert isinstance(last, events.Failed)
        assert last.failure.request_id == "req-1"
    assert failure_of(told('event: error\ndata: {"message": "x"}\n\n'))[0] is Kind.PROVIDER_ERROR


def test_a_server_that_gives_up_has_failed() -> None:
    got = told(chunk({"content": "a"}, finish="insufficient_system_resource"), DONE)
    assert failure_of(got) == (
        Kind.PROVIDER_ERROR,
        "the provider has given up the answer (insufficient_system_resource)",
    )


def test_what_is_no_chunk_breaks_the_stream() -> None:
    for data in ("data: <html>\n\n", 'data: {"choices": 5}\n\n', "data: [1]\n\n"):
        assert failure_of(told(data))[0] is Kind.STREAM_BROKEN


@given(REPLIES, st.booleans())
def test_what_the_gateway_streams_another_gateway_reads(reply: Reply, usage_asked: bool) -> None:
    asked = {"model": "m", "messages": [{}], "stream": True, "stream_options": {"include_usage": usage_asked}}
    outgoing = call(body=json.dumps(asked).encode(), streams=True)
    encoder = chunks.Encoder(outgoing)
    sent = telling.events_of(reply)
    decoder = Provider().event_decoder(REQUEST, call(streams=True), [])
    got = decoder.feed(b"".join(encoder.encode(event) for event in sent))
    assert got[:-1] == sent[:-1]
    settled = got[-1]
    assert isinstance(settled, events.Settled)
    assert settled.usage.estimated != usage_asked
    assert not usage_asked or settled == sent[-1]


def test_a_form_of_its_own_of_what_a_chunk_can_do_without_breaks_nothing() -> None:
    odd = chunk({"content": "x"}, choice={"content_filter_results": [1]}, service_tier=5, prompt_annotations="none")
    got = told({**odd, "id": None}, {**chunk({}, finish="stop"), "id": 7}, USAGE, DONE)
    assert got == [events.Started(), events.TextDelta("x"), events.Finished(Finish.STOP), SETTLED]
