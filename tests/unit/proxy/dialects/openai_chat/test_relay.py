"""A stream between two speakers of chat completions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.dialects.openai_chat import relay
from pilothouse_proxy.errors import Failure, Kind

DONE = b"data: [DONE]\n\n"


def chunk(**members: object) -> bytes:
    return b"data: " + json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def delta(text: str, finish: str | None = None) -> bytes:
    return chunk(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": finish}], usage=None)


@given(st.lists(st.text(min_size=1), min_size=1))
def test_whatever_the_model_writes_passes_and_misleads_nobody(texts: list[str]) -> None:
    stream = b"".join(delta(text) for text in texts) + delta("", "stop") + DONE
    subject = relay.Relay(include_usage=False)
    assert subject.feed(stream) == stream
    assert (subject.complete, subject.finish_reason, subject.usage, subject.failure) == (True, "stop", None, None)


@pytest.mark.parametrize(
    "text", ['"finish_reason":"length"', '"usage":{"prompt_tokens":9}', '{"error":{"message":"x"}}', "data: [DONE]\n\n"]
)
def test_json_that_the_model_writes_is_text(text: str) -> None:
    subject = relay.Relay(include_usage=False)
    subject.feed(delta("so ") + delta(text))
    assert (subject.complete, subject.finish_reason, subject.usage, subject.failure) == (False, "", None, None)


@pytest.mark.parametrize(
    "first",
    [
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": None, "refusal": None},
        {"role": "assistant", "tool_calls": []},
        {},
    ],
)
def test_a_chunk_that_shows_nothing_is_no_content(first: dict[str, object]) -> None:
    subject = relay.Relay(include_usage=False)
    subject.feed(chunk(choices=[{"index": 0, "delta": first, "finish_reason": None}]))
    assert not subject.content


@pytest.mark.parametrize(
    "shown",
    [
        {"content": "x"},
        {"refusal": "x"},
        {"reasoning_content": "x"},
        {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]},
        {"content": [{"type": "thinking"}]},
    ],
)
def test_anything_else_is_content(shown: dict[str, object]) -> None:
    subject = relay.Relay(include_usage=False)
    subject.feed(chunk(choices=[{"index": 0, "delta": shown, "finish_reason": None}]))
    assert subject.content


def test_usage_in_every_chunk_is_kept_up_to_date() -> None:
    subject = relay.Relay(include_usage=True)
    for count in (1, 2, 3):
        usage = {"prompt_tokens": 5, "completion_tokens": count}
        subject.feed(chunk(choices=[{"index": 0, "delta": {"content": "x"}, "finish_reason": None}], usage=usage))
    assert subject.usage is not None
    assert subject.usage.output_tokens == 3


def test_an_event_that_is_too_large_breaks_the_stream() -> None:
    subject = relay.Relay(include_usage=False)
    subject.feed(b"data: " + b"x" * (9 * 1024 * 1024))
    assert subject.failure is not None
    assert subject.failure.kind is Kind.STREAM_BROKEN


def test_the_end_of_a_failed_stream_says_nothing_more() -> None:
    subject = relay.Relay(include_usage=False)
    subject.feed(chunk(error={"message": "x", "type": "server_error"}))
    failure = subject.failure
    assert subject.end() == b""
    assert subject.failure is failure


def test_an_error_event_is_openais_error_object() -> None:
    event = relay.Relay(include_usage=False).error_event(Failure(kind=Kind.TIMEOUT, message="too slow"))
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    assert json.loads(event[6:])["error"]["message"] == "too slow"


@given(st.lists(st.text(), min_size=3, max_size=8), st.booleans())
def test_event_by_event_is_as_in_one_piece(texts: list[str], include_usage: bool) -> None:
    events = [delta("first"), *(delta(text) for text in texts), delta("", "stop")]
    events += [chunk(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 2}), DONE]
    subject = relay.Relay(include_usage=include_usage)
    whole = relay.Relay(include_usage=include_usage)
    assert b"".join(map(subject.feed, events)) == whole.feed(b"".join(events))
    assert (subject.usage, subject.finish_reason, subject.complete) == (whole.usage, whole.finish_reason, True)


@pytest.mark.parametrize(
    "text", ['","finish_reason":"length', '"}}],"usage":{"prompt_tokens":9', "a\\", 'x"', "\n\ndata: [DONE]"]
)
def test_text_that_looks_like_the_end_of_a_chunk_is_text(text: str) -> None:
    subject = relay.Relay(include_usage=False)
    for event in (delta("so "), delta("we "), delta(text)):
        assert subject.feed(event) == event
    assert (subject.complete, subject.finish_reason, subject.usage, subject.failure) == (False, "", None, None)


def test_an_event_that_begins_like_the_ones_before_is_still_read() -> None:
    subject = relay.Relay(include_usage=False)
    for event in (delta("so "), delta("we "), delta("go")):
        subject.feed(event)
    assert subject.feed(delta("!", "stop")) == delta("!", "stop")
    assert subject.finish_reason == "stop"
    forged = delta("a").replace(b'"a"', b'"a","finish_reason":"length"')
    assert subject.feed(forged) == forged


def test_half_an_event_is_held_though_its_rest_looks_whole() -> None:
    subject = relay.Relay(include_usage=False)
    for event in (delta("so "), delta("we ")):
        subject.feed(event)
    event = delta("go")
    assert subject.feed(event[:9]) == b""
    assert subject.feed(event[9:] + event) == event + event
    assert subject.feed(event[:9]) + subject.feed(event[9:]) == event
