"""Events of the exchange to the events of a Message's stream."""

import json
from typing import Any

import pytest

from pilothouse_proxy.dialects.anthropic_messages import chunks
from pilothouse_proxy.errors import Failure, Kind
from pilothouse_proxy.exchange import events
from pilothouse_proxy.exchange.parts import RedactedThinking, Thinking
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.framing import sse
from tests.unit.proxy.dialects.anthropic_messages.calls import call


def told(*said: events.Event) -> list[dict[str, Any]]:
    encoder = chunks.Encoder(call({"stream": True}))
    sent = b"".join(encoder.encode(event) for event in said)
    return [json.loads(event.data) for event in sse.Decoder().feed(sent)]


def short(*said: events.Event) -> list[tuple[Any, ...]]:
    """(what, index, piece) of each event."""
    found: list[tuple[Any, ...]] = []
    for event in told(*said):
        what = event["type"].removeprefix("content_block_")
        delta = event.get("delta", {})
        piece = next((delta[name] for name in delta if name != "type"), None) if what == "delta" else None
        found.append((what, event.get("index"), piece or event.get("content_block", {}).get("type")))
    return found


def test_usage_that_is_known_early_is_told_early() -> None:
    (start,) = told(events.Started(Usage(input_tokens=30, cached_tokens=10, output_tokens=1)))
    assert start["message"]["usage"]["input_tokens"] == 20
    assert (start["message"]["id"], start["message"]["content"]) == ("msg_r1", [])


def test_one_block_after_the_other() -> None:
    assert short(
        events.ThinkingDelta("a"),
        events.ThinkingEnded(Thinking(text="a", signature="s")),
        events.ThinkingEnded(RedactedThinking(base64="r")),
        events.TextDelta("b"),
        events.TextDelta("c"),
        events.ToolCallStarted(0, "t0", "get"),
        events.ToolCallDelta(0, "{}"),
        events.Finished(Finish.TOOL_CALLS),
    ) == [
        ("start", 0, "thinking"), ("delta", 0, "a"), ("delta", 0, "s"), ("stop", 0, None),
        ("start", 1, "redacted_thinking"), ("stop", 1, None),
        ("start", 2, "text"), ("delta", 2, "b"), ("delta", 2, "c"), ("stop", 2, None),
        ("start", 3, "tool_use"), ("delta", 3, "{}"), ("stop", 3, None),
    ]  # fmt: skip


def test_thinking_without_a_signature_ends_where_the_next_block_begins() -> None:
    assert short(events.ThinkingDelta("a"), events.TextDelta("b"))[:4] == [
        ("start", 0, "thinking"), ("delta", 0, "a"), ("stop", 0, None), ("start", 1, "text"),
    ]  # fmt: skip


def test_of_calls_that_come_by_turns_the_later_one_waits_for_the_end_of_the_earlier() -> None:
    assert short(
        events.ToolCallStarted(0, "t0", "a"),
        events.ToolCallStarted(1, "t1", "b"),
        events.ToolCallDelta(1, '{"x"'),
        events.ToolCallDelta(0, '{"y":'),
        events.ToolCallDelta(0, "1}"),
        events.ToolCallDelta(1, ":2}"),
        events.Finished(Finish.TOOL_CALLS),
    ) == [
        ("start", 0, "tool_use"), ("delta", 0, '{"y":'), ("delta", 0, "1}"), ("stop", 0, None),
        ("start", 1, "tool_use"), ("delta", 1, '{"x"'), ("delta", 1, ":2}"), ("stop", 1, None),
    ]  # fmt: skip


def test_calls_that_never_became_whole_are_told_at_the_end() -> None:
    assert short(
        events.ToolCallStarted(0, "t0", "a"),
        events.ToolCallStarted(1, "t1", "b"),
        events.ToolCallStarted(2, "t2", "c"),
        events.ToolCallDelta(2, "{}"),
        events.Finished(Finish.TOOL_CALLS),
    ) == [
        ("start", 0, "tool_use"), ("stop", 0, None), ("start", 1, "tool_use"), ("stop", 1, None),
        ("start", 2, "tool_use"), ("delta", 2, "{}"), ("stop", 2, None),
    ]  # fmt: skip


def test_the_reason_and_the_counts_come_together_at_the_end() -> None:
    usage = Usage(input_tokens=12, cache_write_tokens=2, output_tokens=9, reasoning_tokens=4)
    delta, stop = told(events.Finished(Finish.STOP, "END"), events.Settled(usage))
    assert delta["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    assert delta["usage"] == {
        "input_tokens": 10,
        "cache_creation_input_tokens": 2,
        "cache_read_input_tokens": 0,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
    }
    assert stop == {"type": "message_stop"}


@pytest.mark.parametrize("event", [events.Unknown("x"), events.Failed(Failure(kind=Kind.TIMEOUT, message="x"))])
def test_what_a_client_is_not_told(event: events.Event) -> None:
    assert told(event) == []


def test_a_failure_is_an_event_of_its_own() -> None:
    encoder = chunks.Encoder(call({"stream": True}))
    (event,) = sse.Decoder().feed(encoder.error_event(Failure(kind=Kind.UNAVAILABLE, message="gone")))
    assert event.name == b"error"
    assert json.loads(event.data) == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "gone"},
        "request_id": "r1",
    }
