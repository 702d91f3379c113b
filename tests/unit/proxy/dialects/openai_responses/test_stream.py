"""Laws of the streams that clients get: whatever is told, its events hold to the SDK's types and order, and say what
the answer at once says.
"""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_responses import client, peek
from pilothouse_proxy.errors import Failure, Kind
from pilothouse_proxy.exchange import events, telling
from pilothouse_proxy.exchange.parts import RedactedThinking, Text, Thinking, ToolCall
from pilothouse_proxy.exchange.reply import Finish, Reply
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.operations import DialectName, Operation
from tests import responses_types

TEXT = st.text(min_size=1, max_size=12)
PART = st.one_of(
    st.builds(Text, text=st.text(max_size=12)),
    st.builds(Thinking, text=st.text(max_size=12), signature=st.none() | TEXT),
    st.builds(RedactedThinking, base64=TEXT),
    st.builds(
        ToolCall,
        id=TEXT,
        name=TEXT,
        arguments=st.dictionaries(TEXT, st.integers(), max_size=2).map(json.dumps),
    ),
)
REPLY = st.builds(
    Reply,
    parts=st.lists(PART, max_size=5).map(tuple),
    finish=st.sampled_from(Finish),
    usage=st.builds(Usage, input_tokens=st.integers(0, 99), output_tokens=st.integers(0, 99)),
)


def call(**asked: Any) -> Call:
    body = json.dumps({"model": "m", "input": "Hello", **asked}, indent=1).encode()
    return Call(
        operation=Operation.RESPONSES,
        request_id="r",
        created=0,
        peek=peek.read(body),
        body=body,
        model=Model(upstream=UpstreamModel("u")),
        dialect=DialectName.BEDROCK_CONVERSE,
        streams=True,
    )


def streamed(made: Call, told: list[events.Event]) -> list[Any]:
    encoder = client.Client().event_encoder(made)
    return responses_types.events(b"".join(encoder.encode(event) for event in told))


@given(REPLY, st.booleans(), st.booleans())
def test_a_stream_says_what_the_answer_at_once_says(reply: Reply, packs: bool, summary: bool) -> None:
    made = call(
        include=["reasoning.encrypted_content"] if packs else [],
        reasoning={"summary": "auto" if summary else None},
        tools=[{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}],
    )
    told = streamed(made, telling.events_of(reply))
    responses_types.in_order(told)
    at_once = client.Client().encode_reply(made, reply)
    assert told[-1].response == responses_types.response(at_once)
    done = [event.item for event in told if event.type == "response.output_item.done"]
    assert done == told[-1].response.output


@given(st.lists(st.sampled_from([0, 1, 2]), max_size=12))
def test_calls_that_are_written_at_a_time_are_told_one_after_the_other(order: list[int]) -> None:
    whole = ['{"a": 1}', '{"b": [2, 3]}', "{}"]
    told: list[events.Event] = [events.Started()]
    told += [events.ToolCallStarted(at, f"call_{at}", "f") for at in range(3)]
    left = {at: list(text) for at, text in enumerate(whole)}
    for at in [*order, 0, 1, 2]:
        size = len(left[at]) if at not in order or order.count(at) == 0 else 3
        piece = "".join(left[at][:size])
        del left[at][:size]
        told.append(events.ToolCallDelta(at, piece))
    told += [events.ToolCallDelta(at, "".join(rest)) for at, rest in left.items()]
    told += [events.Finished(Finish.TOOL_CALLS), events.Settled(Usage())]
    found = streamed(call(), told)
    responses_types.in_order(found)
    assert [item.arguments for item in found[-1].response.output] == whole


def test_what_follows_a_whole_call_is_no_part_of_it() -> None:
    told = [events.Started(), events.ToolCallStarted(0, "c", "f"), events.ToolCallDelta(0, "{}")]
    told += [events.ToolCallStarted(1, "d", "f"), events.ToolCallDelta(0, "]"), events.ToolCallDelta(1, "{}")]
    found = streamed(call(), [*told, events.Finished(Finish.TOOL_CALLS), events.Settled(Usage())])
    assert [item.arguments for item in found[-1].response.output] == ["{}", "{}"]


def test_an_error_is_the_next_event_in_the_count() -> None:
    encoder = client.Client().event_encoder(call())
    stream = encoder.encode(events.Started()) + encoder.error_event(Failure(kind=Kind.TIMEOUT, message="late"))
    assert responses_types.events(stream)[-1].code == "timeout"
