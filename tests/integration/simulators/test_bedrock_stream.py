"""ConverseStream by boto3, and the frames themselves."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

from botocore.eventstream import EventStreamBuffer

from tests.integration.simulators.raw import post
from tests.integration.simulators.test_bedrock_converse import CLAUDE, CLOCK, SONNET, WEATHER, user
from tests.integration.simulators.test_bedrock_sign_in import signed
from tests.simulators.fleet import Simulators
from tests.simulators.pacing import Pace


def events(client: Any, text: str, **more: Any) -> list[Any]:
    seen: list[Any] = []
    stream_into(seen, client, text, **more)
    return seen


def stream_into(seen: list[Any], client: Any, text: str, **more: Any) -> None:
    """Events one by one, so that those before an error are seen, and the connection closed whatever happens."""
    answer = client.converse_stream(**{"modelId": CLAUDE, "messages": [user(text)], **more})
    with contextlib.closing(answer["stream"]) as stream:
        for event in stream:
            seen.append(event)


def names(found: list[Any]) -> list[str]:
    return [next(iter(event)) for event in found]


def test_text_has_no_start_event_and_metadata_comes_last(bedrock: Any) -> None:
    found = events(bedrock, "simulate words=2")
    assert names(found) == [
        "messageStart",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    assert found[-2]["messageStop"] == {"stopReason": "end_turn"}
    assert found[-1]["metadata"]["usage"]["outputTokens"] == 2


def test_stream_and_whole_say_the_same(bedrock: Any) -> None:
    whole = bedrock.converse(modelId=CLAUDE, messages=[user("Hello")])
    found = events(bedrock, "Hello")
    pieces = [event["contentBlockDelta"]["delta"]["text"] for event in found if "contentBlockDelta" in event]
    assert "".join(pieces) == whole["output"]["message"]["content"][0]["text"]
    assert found[-1]["metadata"]["usage"] == whole["usage"]


def test_a_tool_call_streams_its_arguments_in_pieces(bedrock: Any) -> None:
    found = events(
        bedrock, 'call get_weather {"city": "Llanfairpwllgwyngyll"} call clock', toolConfig={"tools": [WEATHER, CLOCK]}
    )
    starts = [event["contentBlockStart"] for event in found if "contentBlockStart" in event]
    assert [(start["contentBlockIndex"], start["start"]["toolUse"]["name"]) for start in starts] == [
        (0, "get_weather"),
        (1, "clock"),
    ]
    deltas = [event["contentBlockDelta"] for event in found if "contentBlockDelta" in event]
    assert len(deltas) > 1
    # A call without arguments has no delta at all.
    assert {delta["contentBlockIndex"] for delta in deltas} == {0}
    assert json.loads("".join(delta["delta"]["toolUse"]["input"] for delta in deltas)) == {
        "city": "Llanfairpwllgwyngyll"
    }


def test_the_signature_of_reasoning_is_a_delta_of_its_own(bedrock: Any) -> None:
    found = events(bedrock, "simulate reasoning", modelId=SONNET)
    deltas = [event["contentBlockDelta"] for event in found if "contentBlockDelta" in event]
    reasoning = [delta["delta"]["reasoningContent"] for delta in deltas if delta["contentBlockIndex"] == 0]
    assert [next(iter(piece)) for piece in reasoning][-1] == "signature"
    assert {next(iter(piece)) for piece in reasoning[:-1]} == {"text"}


def test_redacted_reasoning_streams_as_bytes(bedrock: Any) -> None:
    found = events(bedrock, "simulate redacted", modelId=SONNET)
    first = next(event["contentBlockDelta"] for event in found if "contentBlockDelta" in event)
    assert isinstance(first["delta"]["reasoningContent"]["redactedContent"], bytes)


def test_every_payload_is_padded_and_framed_as_botocore_wants(simulators: Simulators) -> None:
    target = f"/model/{CLAUDE}/converse-stream"
    body = b'{"messages":[{"role":"user","content":[{"text":"simulate words=3"}]}]}'
    answer = post(simulators.bedrock_url, target, signed(target, body=body).headers, body)
    assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert answer.headers["transfer-encoding"] == "chunked"
    buffer = EventStreamBuffer()
    buffer.add_data(answer.body)
    messages = list(buffer)
    assert len(messages) == 7
    for message in messages:
        assert message.headers[":message-type"] == "event"
        assert message.headers[":content-type"] == "application/json"
        assert json.loads(message.payload)["p"]


def test_a_caller_that_goes_away_is_recorded(simulators: Simulators, bedrock: Any) -> None:
    simulators.controls.pacing.set(Pace(between_events_ms=50))
    stream = bedrock.converse_stream(modelId=CLAUDE, messages=[user("simulate words=1000")])["stream"]
    next(iter(stream))
    stream.close()
    record = simulators.controls.recorder.records[-1]
    for _ in range(200):
        if record.outcome != "pending":
            break
        time.sleep(0.01)
    assert record.outcome == "client-gone"
    assert record.steps < 1000
