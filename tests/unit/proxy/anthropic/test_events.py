"""The law of the reader: an answer that is streamed, cut into any pieces, is the answer that comes at once."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.anthropic import events as messages
from pilothouse_proxy.anthropic import reply
from pilothouse_proxy.exchange import events
from pilothouse_proxy.exchange.parts import RedactedThinking, Text, Thinking, ToolCall
from pilothouse_proxy.exchange.reply import Reply
from pilothouse_proxy.exchange.request import Request, Tool

NAMES = ("get_weather", "server.with.dots", "n" * 200)
REQUEST = Request(turns=(), tools=tuple(Tool(name=name) for name in NAMES))

said = st.text(min_size=1, max_size=20)
usage = st.fixed_dictionaries(
    {
        name: st.integers(0, 10_000)
        for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    }
)
blocks = st.lists(
    st.one_of(
        st.builds(lambda text: {"type": "text", "text": text}, said),
        st.builds(lambda text, sign: {"type": "thinking", "thinking": text, "signature": sign}, said, said),
        st.builds(lambda data: {"type": "redacted_thinking", "data": data}, said),
        st.builds(
            lambda call, name, value: {"type": "tool_use", "id": call, "name": name, "input": value},
            said,
            st.sampled_from(["get_weather", "other"]),
            st.dictionaries(said, st.one_of(said, st.integers(), st.none()), max_size=3),
        ),
    ),
    max_size=6,
)
answers = st.builds(
    lambda content, counts, reason: {"content": content, "usage": counts, "stop_reason": reason},
    blocks,
    usage,
    st.sampled_from(["end_turn", "max_tokens", "tool_use", "refusal", "pause_turn", "new"]),
)


def pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def streamed(answer: dict[str, Any], size: int) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"usage": answer["usage"] | {"output_tokens": 0}}}
    ]
    for index, block in enumerate(answer["content"]):
        kind = block["type"]
        empty = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}
        told.append({"type": "content_block_start", "index": index, "content_block": {**block, **empty.get(kind, {})}})
        deltas: list[dict[str, str]] = []
        if kind == "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"], size)]
        elif kind == "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"], size)]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        elif kind == "tool_use" and block["input"]:
            written = json.dumps(block["input"], separators=(",", ":"))
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces(written, size)]
        told += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        told += [{"type": "ping"}, {"type": "content_block_stop", "index": index}]
    output = {"output_tokens": answer["usage"]["output_tokens"]}
    told.append({"type": "message_delta", "delta": {"stop_reason": answer["stop_reason"]}, "usage": output})
    return [*told, {"type": "message_stop"}]


def read(stream: list[dict[str, Any]]) -> list[events.Event]:
    reader, told = messages.Reader(REQUEST, None), list[events.Event]()
    for event in stream:
        assert not reader.over
        reader.read(json.dumps(event).encode(), told)
    assert reader.over
    return told


def whole(told: list[events.Event]) -> dict[str, Any]:
    """What events say, as one reply would."""
    parts: list[Any] = []
    for event in told:
        match event:
            case events.TextDelta(text=text):
                if parts and isinstance(parts[-1], str):
                    parts[-1] += text
                else:
                    parts.append(text)
            case events.ThinkingEnded(block=block):
                parts.append(block)
            case events.ToolCallStarted(id=call, name=name):
                parts.append([call, name, ""])
            case events.ToolCallDelta(arguments=arguments):
                parts[-1][2] += arguments
    finished = next(event for event in told if isinstance(event, events.Finished))
    settled = next(event for event in told if isinstance(event, events.Settled))
    calls = [part for part in parts if isinstance(part, list)]
    for call in calls:
        call[2] = json.loads(call[2])
    return {"parts": parts, "finish": finished.finish, "usage": settled.usage}


def at_once(answer: Reply) -> dict[str, Any]:
    parts: list[Any] = []
    for part in answer.parts:
        if isinstance(part, Text):
            if parts and isinstance(parts[-1], str):
                parts[-1] += part.text
            else:
                parts.append(part.text)
        elif isinstance(part, ToolCall):
            parts.append([part.id, part.name, json.loads(part.arguments)])
        else:
            assert isinstance(part, Thinking | RedactedThinking)
            parts.append(part)
    return {"parts": parts, "finish": answer.finish, "usage": answer.usage}


@given(answers, st.integers(1, 7))
def test_a_stream_put_together_is_the_answer_at_once(answer: dict[str, Any], size: int) -> None:
    assert whole(read(streamed(answer, size))) == at_once(reply.decode(REQUEST, json.dumps(answer).encode()))


def test_a_stand_in_for_a_long_name_is_turned_back() -> None:
    from pilothouse_proxy.anthropic import names

    for name in NAMES[1:]:
        block = {"type": "tool_use", "id": "t", "name": names.tool_name(name), "input": {}}
        answer = {"content": [block], "usage": {}, "stop_reason": "tool_use"}
        assert at_once(reply.decode(REQUEST, json.dumps(answer).encode()))["parts"] == [["t", name, {}]]
        assert whole(read(streamed({**answer, "usage": {"output_tokens": 1}}, 3)))["parts"] == [["t", name, {}]]


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_break_the_stream_and_nothing_else(data: bytes) -> None:
    reader, told = messages.Reader(REQUEST, None), list[events.Event]()
    reader.read(data, told)
    assert all(
        isinstance(event, events.Failed | events.Unknown | events.Started | events.Finished | events.Settled)
        for event in told
    )
