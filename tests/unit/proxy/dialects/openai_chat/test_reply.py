"""Chat completions of providers to neutral replies."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.dialects.openai_chat import encode
from pilothouse_proxy.dialects.openai_chat.provider import Provider
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange.filters import Finding, Severity, Stage
from pilothouse_proxy.exchange.parts import Citation, RedactedThinking, Text, Thinking, ToolCall
from pilothouse_proxy.exchange.reply import Finish, Reply
from pilothouse_proxy.exchange.request import Request, Tool
from pilothouse_proxy.exchange.usage import Usage
from tests.unit.proxy.dialects.openai_chat.calls import HELLO, call

REQUEST = Request(turns=HELLO)
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def decoded(message: dict[str, Any], *, finish: str | None = "stop", request: Request = REQUEST, **more: Any) -> Reply:
    choice = {"index": 0, "message": message, "finish_reason": finish, **more.pop("choice", {})}
    document = {"id": "chatcmpl-1", "choices": [choice], "usage": USAGE, **more}
    return Provider().decode_reply(request, call().model, json.dumps(document).encode())


def test_an_answer_of_openai() -> None:
    reply = decoded(
        {
            "role": "assistant",
            "content": "See there.",
            "refusal": None,
            "annotations": [
                {
                    "type": "url_citation",
                    "url_citation": {"url": "https://x.test", "title": "X", "start_index": 0, "end_index": 3},
                }
            ],
        },
        service_tier="priority",
        system_fingerprint="fp_1",
        usage={
            **USAGE,
            "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    )
    assert reply == Reply(
        parts=(Text(text="See there."),),
        finish=Finish.STOP,
        usage=Usage(input_tokens=3, output_tokens=2, cached_tokens=1, reasoning_tokens=2),
        citations=(Citation(url="https://x.test", title="X", start=0, end=3),),
        service_tier="priority",
    )


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_of_compatible_servers_comes_first(name: str) -> None:
    reply = decoded({"role": "assistant", "content": "4", name: "2 + 2"})
    assert reply.parts == (Thinking(text="2 + 2"), Text(text="4"))
    assert reply.unknown == ()


def test_reasoning_that_is_told_twice_counts_once() -> None:
    reply = decoded({"content": "4", "reasoning": "2 + 2", "reasoning_content": "2 + 2"})
    assert reply.parts == (Thinking(text="2 + 2"), Text(text="4"))


def test_blocks_say_more_than_flat_reasoning() -> None:
    blocks = [
        {"type": "thinking", "thinking": "2 + 2", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "cmVk"},
    ]
    reply = decoded({"content": "4", "reasoning_content": "2 + 2", "thinking_blocks": blocks})
    assert reply.parts == (Thinking(text="2 + 2", signature="c2ln"), RedactedThinking(base64="cmVk"), Text(text="4"))


def test_content_in_parts_as_mistral_writes_it() -> None:
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "2 + 2"}]},
        {"type": "text", "text": "4"},
        {"type": "reference", "reference_ids": [1]},
    ]
    reply = decoded({"content": content})
    assert reply.parts == (Thinking(text="2 + 2"), Text(text="4"))
    assert reply.unknown == ("content.reference",)


def test_calls_end_the_answer_as_calls_whatever_the_server_says() -> None:
    called = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
    for finish in ("tool_calls", "stop", "function_call"):
        reply = decoded({"content": None, "tool_calls": [called]}, finish=finish)
        assert reply.parts == (ToolCall(id="c1", name="look", arguments='{"a": 1}'),)
        assert reply.finish is Finish.TOOL_CALLS


def test_calls_of_compatible_servers_get_what_they_lack() -> None:
    calls = [
        {"id": "", "function": {"name": "look", "arguments": {"a": 1}}},
        {"id": None, "function": {"name": "look", "arguments": None}},
        {"id": "c3", "type": "custom", "custom": {"name": "x", "input": "y"}},
    ]
    reply = decoded({"content": "", "tool_calls": calls})
    first, second = reply.parts
    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert (first.arguments, second.arguments) == ('{"a": 1}', "")
    assert first.id != second.id
    assert first.id.startswith("call_")
    assert reply.unknown == ("tool_calls.custom",)


def test_names_that_needed_a_stand_in_are_turned_back() -> None:
    name = "mcp/" + "x" * 90
    request = Request(turns=HELLO, tools=(Tool(name=name),))
    stand_in = json.loads(Provider().encode_request(request, call()))["tools"][0]["function"]["name"]
    reply = decoded({"tool_calls": [{"id": "1", "function": {"name": stand_in, "arguments": "{}"}}]}, request=request)
    assert reply.parts == (ToolCall(id="1", name=name, arguments="{}"),)


@pytest.mark.parametrize(
    ("reason", "finish", "unknown"),
    [
        ("stop", Finish.STOP, ()),
        ("length", Finish.LENGTH, ()),
        ("model_length", Finish.LENGTH, ()),
        ("MAX_TOKENS", Finish.LENGTH, ()),
        ("content_filter", Finish.CONTENT_FILTER, ()),
        ("tool_calls", Finish.STOP, ()),
        ("tired", Finish.STOP, ("finish_reason.tired",)),
        (None, Finish.STOP, ("finish_reason.None",)),
    ],
)
def test_finish_reasons(reason: str | None, finish: Finish, unknown: tuple[str, ...]) -> None:
    reply = decoded({"content": "x"}, finish=reason)
    assert reply.finish is finish
    assert reply.unknown == unknown


def test_a_refusal_is_said_and_ends_as_filtered() -> None:
    reply = decoded({"content": None, "refusal": "I cannot help with that."})
    assert reply.parts == (Text(text="I cannot help with that."),)
    assert reply.finish is Finish.CONTENT_FILTER


def test_azures_filter_is_read_from_both_places_and_content_may_be_missing() -> None:
    reply = decoded(
        {"role": "assistant"},
        finish="content_filter",
        choice={"content_filter_results": {"hate": {"filtered": True, "severity": "high"}}},
        prompt_filter_results=[
            {"prompt_index": 0, "content_filter_results": {"jailbreak": {"filtered": False, "detected": False}}}
        ],
    )
    assert reply.parts == ()
    assert reply.finish is Finish.CONTENT_FILTER
    assert reply.findings == (
        Finding(stage=Stage.PROMPT, category="jailbreak", filtered=False, detected=False),
        Finding(stage=Stage.COMPLETION, category="hate", filtered=True, severity=Severity.HIGH),
    )


def test_unknown_members_are_named_within_bounds_and_empty_ones_are_not() -> None:
    many = {f"new_{n:03}_{'x' * 90}": 1 for n in range(40)}
    reply = decoded({"content": "x", "audio": None, "context": {"citations": []}, "extra": [], **many})
    assert reply.unknown[0] == "message.context"
    assert len(reply.unknown) == 16
    assert max(map(len, reply.unknown)) == 64


def test_usage_that_is_not_told_is_estimated() -> None:
    usage = decoded({"content": "x" * 400}, usage=None).usage
    assert usage.estimated
    assert usage.input_tokens > 0
    assert usage.output_tokens > 100


BROKEN: list[tuple[bytes, str]] = [
    (b"<html>", "is not a chat completion"),
    (b'{"choices":[]}', "without choices"),
    (b'{"error":{"message":"no"}}', "is not a chat completion"),
    (b'{"choices":[{"message":{"content":5}}]}', "is not a chat completion"),
    (b'{"choices":[{"message":{},"finish_reason":"insufficient_system_resource"}]}', "given up"),
    (b'{"choices":[{"message":{"content":"\xff"}}]}', "is not a chat completion"),
]


@pytest.mark.parametrize(("body", "reason"), BROKEN)
def test_what_is_no_completion_is_broken(body: bytes, reason: str) -> None:
    with pytest.raises(UpstreamBroken, match=reason):
        Provider().decode_reply(REQUEST, call().model, body)


WORDS = st.text(min_size=1, max_size=10)
REPLIES = st.builds(
    Reply,
    parts=st.tuples(
        st.lists(st.builds(Thinking, text=WORDS, signature=WORDS), max_size=2),
        st.lists(st.builds(Text, text=WORDS), max_size=1),
        st.lists(st.builds(ToolCall, id=WORDS, name=WORDS, arguments=st.just("{}")), min_size=1, max_size=3),
    ).map(lambda parts: (*parts[0], *parts[1], *parts[2])),
    finish=st.sampled_from([Finish.TOOL_CALLS, Finish.LENGTH, Finish.CONTENT_FILTER]),
    usage=st.builds(Usage, input_tokens=st.integers(0, 9), output_tokens=st.integers(0, 9)),
    service_tier=st.none() | st.just("flex"),
)


@given(REPLIES)
def test_what_the_gateway_answers_another_gateway_reads(reply: Reply) -> None:
    assert Provider().decode_reply(REQUEST, call().model, encode.reply(call(), reply)) == reply


def test_a_form_of_its_own_of_what_an_answer_can_do_without_breaks_nothing() -> None:
    reply = decoded(
        {"content": "x"},
        id=7,
        service_tier={"tier": 1},
        prompt_filter_results={"hate": 1},
        choice={"content_filter_results": ["hate"]},
    )
    assert (reply.parts, reply.service_tier, reply.findings) == ((Text(text="x"),), None, ())
