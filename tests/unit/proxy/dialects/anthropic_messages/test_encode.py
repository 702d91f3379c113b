"""Laws of answers: what a client sends back with the history is what the model has said."""

import json
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pilothouse_proxy.dialects.anthropic_messages import chunks, decode, encode
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange import telling
from pilothouse_proxy.exchange.counting import CountReply
from pilothouse_proxy.exchange.parts import RedactedThinking, Text, Thinking, ToolCall
from pilothouse_proxy.exchange.reply import Finish, Reply, ReplyPart
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.framing import sse
from tests.unit.proxy.dialects.anthropic_messages.calls import call

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
WORDS = st.text(min_size=1, max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | WORDS, lambda inner: st.lists(inner, max_size=2)
)
TEXTS = st.builds(lambda text: Text(text=text), WORDS)
THOUGHTS = st.builds(lambda text, sign: Thinking(text=text, signature=sign), st.text(max_size=20), WORDS)
REDACTED = st.builds(lambda data: RedactedThinking(base64=data), WORDS)
CALLS = st.builds(
    lambda name, members, gap: ToolCall(
        id=f"toolu_{name}", name=name, arguments=json.dumps(members, separators=(",", gap))
    ),
    st.sampled_from(["a", "b_c"]),
    st.dictionaries(WORDS, VALUES, max_size=3),
    st.sampled_from([":", ": "]),
)
PARTS = st.lists(TEXTS | THOUGHTS | REDACTED | CALLS, max_size=5)
USAGES = st.builds(
    lambda fresh, read, written, out, thought: Usage(
        input_tokens=fresh + read + written,
        cached_tokens=read,
        cache_write_tokens=written,
        output_tokens=out + thought,
        reasoning_tokens=thought,
    ),
    *[st.integers(0, 10_000)] * 5,
)


def reply_of(parts: list[ReplyPart], usage: Usage, finish: Finish = Finish.STOP, stop: str | None = None) -> Reply:
    return Reply(parts=tuple(parts), finish=finish, usage=usage, stop_sequence=stop)


@given(PARTS, USAGES)
def test_what_goes_back_with_the_history_is_what_came(parts: list[ReplyPart], usage: Usage) -> None:
    content = json.loads(encode.reply(call(), reply_of(parts, usage)))["content"]
    history = [{"role": "user", "content": "?"}, {"role": "assistant", "content": content}]
    told = decode.decode(call({"messages": history})).turns[1].parts
    assert [type(part) for part in told] == [type(part) for part in parts]
    for back, came in zip(told, parts, strict=True):
        if isinstance(came, ToolCall):
            assert isinstance(back, ToolCall)
            assert (back.id, back.name) == (came.id, came.name)
            assert json.loads(back.arguments) == json.loads(came.arguments)
        else:
            assert back == came


@given(PARTS, USAGES, st.sampled_from(Finish), st.none() | WORDS)
def test_the_sdk_puts_a_stream_together_to_the_same_message(
    parts: list[ReplyPart], usage: Usage, finish: Finish, stop: str | None
) -> None:
    reply = reply_of(parts, usage, finish, stop)
    encoder = chunks.Encoder(call({"stream": True}))
    sent = b"".join(encoder.encode(event) for event in telling.events_of(reply))
    message: Any = None
    pieces: dict[int, bytes] = {}
    for event in sse.Decoder().feed(sent):
        made = EVENT.validate_json(event.data)
        assert made.type.encode() == event.name
        message = accumulate_event(event=made, current_snapshot=message, json_bufs=pieces)
    at_once = Message.model_validate_json(encode.reply(call(), reply))
    assert joined(message.to_dict(mode="json")) == joined(at_once.to_dict(mode="json"))


def joined(message: dict[str, Any]) -> dict[str, Any]:
    """A stream cannot tell where one text ends and the next begins."""
    content: list[dict[str, Any]] = []
    for whole in message["content"]:
        block = {name: value for name, value in whole.items() if value is not None}
        if content and block["type"] == content[-1]["type"] == "text":
            content[-1]["text"] += block["text"]
        else:
            content.append(block)
    return {
        **{name: value for name, value in message.items() if value is not None},
        "content": content,
        "usage": {name: value for name, value in message["usage"].items() if value is not None},
    }


@given(USAGES)
def test_the_parts_of_the_input_add_up_to_it(usage: Usage) -> None:
    told = json.loads(encode.reply(call(), reply_of([], usage)))["usage"]
    cache = told["cache_creation_input_tokens"] + told["cache_read_input_tokens"]
    assert told["input_tokens"] + cache == usage.input_tokens
    assert told["output_tokens"] == usage.output_tokens


@pytest.mark.parametrize(
    ("finish", "stop", "reason", "sequence"),
    [
        (Finish.STOP, None, "end_turn", None),
        (Finish.STOP, "END", "stop_sequence", "END"),
        (Finish.STOP, "", "stop_sequence", None),
        (Finish.LENGTH, None, "max_tokens", None),
        (Finish.TOOL_CALLS, None, "tool_use", None),
        (Finish.CONTENT_FILTER, None, "refusal", None),
    ],
)
def test_why_the_model_stopped(finish: Finish, stop: str | None, reason: str, sequence: str | None) -> None:
    told = json.loads(encode.reply(call(), reply_of([], Usage(), finish, stop)))
    assert (told["stop_reason"], told["stop_sequence"]) == (reason, sequence)
    assert ("stop_details" in told) == (finish is Finish.CONTENT_FILTER)


@pytest.mark.parametrize(("tier", "told"), [("default", "standard"), ("priority", "priority"), ("flex", None)])
def test_a_tier_is_told_in_the_words_of_the_api(tier: str, told: str | None) -> None:
    reply = Reply(parts=(), finish=Finish.STOP, usage=Usage(), service_tier=tier)
    assert json.loads(encode.reply(call(), reply))["usage"].get("service_tier") == told


@pytest.mark.parametrize("arguments", ["{", "[1]", "null", "5"])
def test_a_call_without_an_object_is_a_fault_of_the_model(arguments: str) -> None:
    with pytest.raises(UpstreamBroken, match="`get`"):
        encode.reply(call(), reply_of([ToolCall(id="t", name="get", arguments=arguments)], Usage()))


def test_a_call_without_arguments_has_an_empty_object() -> None:
    sent = encode.reply(call(), reply_of([ToolCall(id="t", name="get", arguments="")], Usage()))
    assert json.loads(sent)["content"][0]["input"] == {}


def test_a_count_is_told() -> None:
    assert json.loads(encode.count(CountReply(input_tokens=42))) == {"input_tokens": 42}
