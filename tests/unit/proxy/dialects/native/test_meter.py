import base64
import json
from typing import Any

import pytest

from pilothouse_proxy.dialects.native import meter
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.framing import eventstream
from pilothouse_proxy.http.messages import Headers
from tests import feeding

JSON: Headers = [(b"content-type", b"application/json; charset=utf-8")]
EVENTS: Headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
FRAMES: Headers = [(b"content-type", b"application/vnd.amazon.eventstream")]

CHAT = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
RESPONSES = {
    "input_tokens": 11,
    "output_tokens": 7,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens_details": {"reasoning_tokens": 3},
}
MESSAGES = {"input_tokens": 5, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 7}
CONVERSE = {"inputTokens": 5, "cacheReadInputTokens": 4, "cacheWriteInputTokens": 2, "outputTokens": 7}

OF_OPENAI = Usage(input_tokens=11, output_tokens=7, cached_tokens=4, reasoning_tokens=3)
OF_OTHERS = Usage(input_tokens=11, output_tokens=7, cached_tokens=4, cache_write_tokens=2)


def read(headers: Headers, body: bytes) -> Usage | None:
    def fed(pieces: Any) -> Usage | None:
        subject = meter.of(headers)
        for piece in pieces:
            subject.feed(piece)
        subject.end()
        return subject.usage

    found: Usage | None = feeding.feed_every_way(fed, body, cuts=64)
    return found


@pytest.mark.parametrize(
    ("usage", "expected"),
    [(CHAT, OF_OPENAI), (RESPONSES, OF_OPENAI), (MESSAGES, OF_OTHERS), (CONVERSE, OF_OTHERS)],
    ids=["chat", "responses", "messages", "converse"],
)
def test_a_whole_answer_tells_what_it_cost_in_the_words_of_each_api(usage: dict[str, Any], expected: Usage) -> None:
    assert read(JSON, json.dumps({"id": "x", "usage": usage, "more": [1]}).encode()) == expected


def test_headers_of_invoke_model_tell_it_where_bodies_do_not() -> None:
    counted = [
        (b"x-amzn-bedrock-input-token-count", b"5"),
        (b"x-amzn-bedrock-output-token-count", b"7"),
        (b"x-amzn-bedrock-cache-read-input-token-count", b"4"),
        (b"x-amzn-bedrock-cache-write-input-token-count", b"2"),
    ]
    assert read([*JSON, *counted], b'{"completion":"Ahoy"}') == OF_OTHERS


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"usage":null}', b'{"usage":"much"}', b"\xff"])
def test_what_cannot_be_read_tells_nothing(body: bytes) -> None:
    assert read(JSON, body) is None


def test_an_answer_of_another_type_is_not_kept() -> None:
    subject = meter.of([(b"content-type", b"audio/mpeg")])
    subject.feed(json.dumps({"usage": CHAT}).encode())
    subject.end()
    assert subject.usage is None


def test_a_long_answer_is_not_kept() -> None:
    subject = meter.of(JSON)
    for _ in range(20):
        subject.feed(b" " * 100_000)
    subject.feed(json.dumps({"usage": CHAT}).encode())
    subject.end()
    assert subject.usage is None


def events(*documents: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (events({"choices": [], "usage": None}, {"choices": [], "usage": CHAT}) + b"data: [DONE]\n\n", OF_OPENAI),
        (events({"type": "response.completed", "response": {"usage": RESPONSES}}), OF_OPENAI),
        (
            events(
                {"type": "message_start", "message": {"usage": {**MESSAGES, "output_tokens": 1}}},
                {"type": "message_delta", "usage": {"output_tokens": 7}},
            ),
            OF_OTHERS,
        ),
    ],
    ids=["chat", "responses", "messages"],
)
def test_a_stream_of_events_tells_it_when_it_comes(stream: bytes, expected: Usage) -> None:
    assert read(EVENTS, stream) == expected


def frame(payload: Any, kind: str) -> bytes:
    return eventstream.encode({":event-type": kind, ":message-type": "event"}, json.dumps(payload).encode())


def test_frames_of_converse_stream_tell_it() -> None:
    assert read(FRAMES, frame({"delta": {"text": "A"}}, "x") + frame({"usage": CONVERSE}, "metadata")) == OF_OTHERS


def test_chunks_of_invoke_model_tell_it_in_their_metrics() -> None:
    metrics = {
        "inputTokenCount": 5,
        "outputTokenCount": 7,
        "cacheReadInputTokenCount": 4,
        "cacheWriteInputTokenCount": 2,
    }
    chunk = base64.b64encode(json.dumps({"amazon-bedrock-invocationMetrics": metrics}).encode()).decode()
    assert read(FRAMES, eventstream.encode({":event-type": "chunk"}, b'{"bytes":"%b"}' % chunk.encode())) == OF_OTHERS


def test_frames_that_are_none_tell_nothing_and_break_nothing() -> None:
    assert read(FRAMES, b"\0" * 64) is None
