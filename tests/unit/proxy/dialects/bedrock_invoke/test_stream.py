"""Laws of the streams: broken bytes never raise, and a stream says what the answer at once says."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy import translation
from pilothouse_proxy.framing import eventstream
from pilothouse_proxy.operations import DialectName
from tests.golden import cases
from tests.unit.proxy.dialects.bedrock_invoke.calls import call, met

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}
MEMBERS = st.sampled_from(
    [
        *("choices", "delta", "message", "content", "text", "outputs", "generation", "completion", "outputText"),
        *("event_type", "tool_calls", "function", "usage", "stop_reason", "finish_reason", "completionReason"),
        *("messageStop", "contentBlockStart", "contentBlockDelta", "metadata"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=8,
)


def frame(payload: bytes, name: str = "chunk") -> bytes:
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return eventstream.encode(headers, payload)


def chunk(document: object) -> bytes:
    return frame(json.dumps({"bytes": base64.b64encode(json.dumps(document).encode()).decode()}).encode())


@pytest.mark.parametrize("dialect", cases.INVOKED)
@given(documents=st.lists(JSON, max_size=3))
def test_no_document_raises(dialect: DialectName, documents: list[Any]) -> None:
    relay = met(dialect).relay(call(dialect, cases.INVOKED[dialect], HELLO), [])
    for document in documents:
        relay.feed(chunk(document))
    relay.end()
    assert relay.complete == (relay.failure is None)


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"bytes": 1}', b'{"bytes": "%%%"}', b'{"bytes": "e30"}', b"[]"])
def test_a_chunk_that_holds_no_document_breaks_the_stream(payload: bytes) -> None:
    dialect = DialectName.BEDROCK_INVOKE_LLAMA
    relay = met(dialect).relay(call(dialect, cases.INVOKED[dialect], HELLO), [])
    relay.feed(frame(payload))
    assert relay.failure is not None and relay.failure.kind == "stream_broken"


def test_an_event_that_is_new_is_counted_and_passed_over() -> None:
    dialect = DialectName.BEDROCK_INVOKE_LLAMA
    relay = met(dialect).relay(call(dialect, cases.INVOKED[dialect], HELLO), [])
    relay.feed(frame(b"{}", name="telemetry"))
    relay.feed(chunk({"generation": "Hi", "stop_reason": "stop"}))
    relay.end()
    assert (relay.complete, relay.unknown) == (True, ("event.telemetry",))


def test_metrics_may_come_behind_the_reason() -> None:
    dialect = DialectName.BEDROCK_INVOKE_LLAMA
    relay = met(dialect).relay(call(dialect, cases.INVOKED[dialect], HELLO), [])
    relay.feed(chunk({"generation": "Hi", "stop_reason": "stop"}))
    assert not relay.complete
    metrics = {"inputTokenCount": 3, "outputTokenCount": 4}
    relay.feed(chunk({"generation": "", "amazon-bedrock-invocationMetrics": metrics}))
    assert relay.complete and relay.usage is not None
    assert (relay.usage.input_tokens, relay.usage.output_tokens, relay.usage.estimated) == (3, 4, False)


@pytest.mark.parametrize(
    ("dialect", "upstream"),
    [
        (DialectName.BEDROCK_INVOKE_JURASSIC, "ai21.j2-mid-v1"),
        (DialectName.BEDROCK_INVOKE_LLAMA, "us.meta.llama4-scout-17b-instruct-v1:0"),
    ],
)
def test_a_model_that_does_not_stream_is_asked_for_the_whole_answer_which_is_told_as_a_stream(
    dialect: DialectName, upstream: str
) -> None:
    asked = call(dialect, upstream, HELLO)
    met(dialect).request(asked)
    assert not asked.streams
    answers = {
        DialectName.BEDROCK_INVOKE_JURASSIC: {
            "completions": [{"data": {"text": " Hi"}, "finishReason": {"reason": "endoftext"}}]
        },
        DialectName.BEDROCK_INVOKE_LLAMA: {"generation": "\n\nHi", "stop_reason": "stop"},
    }
    answer = met(dialect).reply(asked, [], json.dumps(answers[dialect]).encode())
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert b'"content":"Hi"' in answer.body


def test_the_dialects_are_loaded_by_name_and_serve_every_request() -> None:
    assert set(translation.HEADED) == set(cases.INVOKED)
    for dialect in cases.INVOKED:
        assert met(dialect) is met(dialect)
