"""Laws of Bedrock's streams: the same blocks, streamed or at once, say the same; broken bytes never raise."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.names import ModelName, UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call, Peek
from pilothouse_proxy.dialects.bedrock_converse import decode, stream
from pilothouse_proxy.exchange import events
from pilothouse_proxy.exchange.parts import RedactedThinking, Text, Thinking, ToolCall
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.framing import eventstream
from pilothouse_proxy.operations import DialectName, Operation

MODEL = Model(upstream=UpstreamModel("anthropic.claude-opus-4-8"))
REQUEST = Request(turns=())

TEXT = st.text(min_size=1, max_size=20)
BLOCK = st.one_of(
    TEXT.map(lambda text: {"text": text}),
    st.builds(
        lambda text, signature: {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}},
        st.text(max_size=10),
        TEXT,
    ),
    st.just({"reasoningContent": {"redactedContent": "cmVk"}}),
    st.builds(
        lambda arguments: {"toolUse": {"toolUseId": "t", "name": "f", "input": arguments}},
        st.dictionaries(TEXT, st.integers(-(2**53), 2**53) | st.text(max_size=5), max_size=3),
    ),
)
STOPS = st.sampled_from(["end_turn", "max_tokens", "tool_use", "stop_sequence", "content_filtered"])


def decoder() -> stream.Decoder:
    call = Call(
        operation=Operation.CHAT,
        request_id="r",
        created=0,
        peek=Peek(model=ModelName("m"), stream=True),
        body=b"",
        model=MODEL,
        dialect=DialectName.BEDROCK_CONVERSE,
        streams=True,
    )
    return stream.Decoder(REQUEST, call, [])


def frame(name: str, payload: dict[str, Any]) -> bytes:
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return eventstream.encode(headers, json.dumps(payload).encode())


def pieces(text: str, cut: int) -> list[str]:
    return [text[at : at + cut] for at in range(0, len(text), cut)]


def streamed(blocks: list[dict[str, Any]], stop: str, cut: int) -> bytes:
    frames = [frame("messageStart", {"role": "assistant"})]
    for index, block in enumerate(blocks):
        deltas: list[dict[str, Any]]
        if "text" in block:
            deltas = [{"text": piece} for piece in pieces(block["text"], cut)]
        elif "toolUse" in block:
            start = {"toolUse": {"toolUseId": block["toolUse"]["toolUseId"], "name": block["toolUse"]["name"]}}
            frames.append(frame("contentBlockStart", {"contentBlockIndex": index, "start": start}))
            written = json.dumps(block["toolUse"]["input"]) if block["toolUse"]["input"] else ""
            deltas = [{"toolUse": {"input": piece}} for piece in pieces(written, cut)]
        elif "redactedContent" in block["reasoningContent"]:
            deltas = [block]
        else:
            thought = block["reasoningContent"]["reasoningText"]
            deltas = [{"reasoningContent": {"text": piece}} for piece in pieces(thought["text"], cut)]
            deltas.append({"reasoningContent": {"signature": thought["signature"]}})
        frames += [frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas]
        frames.append(frame("contentBlockStop", {"contentBlockIndex": index}))
    usage = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7, "cacheReadInputTokens": 2}
    frames.append(frame("messageStop", {"stopReason": stop}))
    frames.append(frame("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}))
    return b"".join(frames)


def put_together(told: list[events.Event]) -> dict[str, Any]:
    calls: list[list[Any]] = []
    together: dict[str, Any] = {"text": "", "thoughts": "", "blocks": [], "calls": calls}
    for event in told:
        match event:
            case events.TextDelta(text=text):
                together["text"] += text
            case events.ThinkingDelta(text=text):
                together["thoughts"] += text
            case events.ThinkingEnded(block=block):
                together["blocks"].append(block)
            case events.ToolCallStarted(index=index, id=call_id, name=name):
                assert index == len(calls)
                calls.append([call_id, name, ""])
            case events.ToolCallDelta(index=index, arguments=arguments):
                calls[index][2] += arguments
            case events.Finished(finish=finish):
                together["finish"] = finish
            case events.Settled(usage=usage):
                together["usage"] = usage
            case _:
                assert isinstance(event, events.Started)
    for call in calls:
        call[2] = json.loads(call[2])
    return together


@given(st.lists(BLOCK, max_size=5), STOPS, st.integers(1, 7))
def test_a_stream_says_what_the_answer_at_once_says(blocks: list[dict[str, Any]], stop: str, cut: int) -> None:
    subject = decoder()
    together = put_together(subject.feed(streamed(blocks, stop, cut)))
    answer = {
        "output": {"message": {"role": "assistant", "content": blocks}},
        "stopReason": stop,
        "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7, "cacheReadInputTokens": 2},
    }
    reply = decode.reply(REQUEST, MODEL, json.dumps(answer).encode())
    assert together == {
        "text": "".join(part.text for part in reply.parts if isinstance(part, Text)),
        "thoughts": "".join(part.text for part in reply.parts if isinstance(part, Thinking)),
        "blocks": [part for part in reply.parts if isinstance(part, Thinking | RedactedThinking)],
        "calls": [
            [part.id, part.name, json.loads(part.arguments)] for part in reply.parts if isinstance(part, ToolCall)
        ],
        "finish": reply.finish,
        "usage": reply.usage,
    }


@given(st.lists(BLOCK, max_size=3), st.integers(0, 2_000))
def test_a_stream_that_is_cut_anywhere_never_counts_as_whole(blocks: list[dict[str, Any]], at: int) -> None:
    whole = streamed(blocks, "end_turn", 5)
    tail = len(
        frame(
            "metadata",
            {
                "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7, "cacheReadInputTokens": 2},
                "metrics": {"latencyMs": 1},
            },
        )
    )
    stop = len(frame("messageStop", {"stopReason": "end_turn"}))
    cut = min(at, len(whole) - tail - stop)
    subject = decoder()
    told = subject.feed(whole[:cut]) + subject.end()
    assert isinstance(told[-1], events.Failed)
    assert not any(isinstance(event, events.Settled | events.Finished) for event in told)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_no_bytes_raise(noise: bytes, cut: int) -> None:
    subject = decoder()
    told = [event for at in range(0, len(noise), cut) for event in subject.feed(noise[at : at + cut])]
    told += subject.end()
    assert isinstance(told[-1], events.Failed)


@given(
    st.sampled_from(
        ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]
    ),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(
                    ["delta", "text", "toolUse", "input", "start", "usage", "stopReason", "contentBlockIndex"]
                ),
                inner,
            )
        ),
    ),
)
def test_no_payload_raises(name: str, payload: Any) -> None:
    subject = decoder()
    told = subject.feed(frame(name, payload) * 2) + subject.end()
    assert isinstance(told[-1], events.Failed | events.Settled)


def test_an_estimate_is_marked_as_one() -> None:
    subject = decoder()
    told = subject.feed(frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "x" * 1_000}}))
    told += subject.feed(frame("messageStop", {"stopReason": "end_turn"})) + subject.end()
    settled = told[-1]
    assert isinstance(settled, events.Settled)
    assert settled.usage.estimated
    assert settled.usage.output_tokens == 270
