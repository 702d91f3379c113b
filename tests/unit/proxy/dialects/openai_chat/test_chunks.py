"""Events of the exchange to chunks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.names import ModelName, UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call, Peek
from pilothouse_proxy.dialects.openai_chat import chunks
from pilothouse_proxy.errors import Failure, Kind
from pilothouse_proxy.exchange import events
from pilothouse_proxy.exchange.filters import Finding, Severity, Stage
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.operations import DialectName, Operation


def encoder(*, include_usage: bool = False, model: str = "claude") -> chunks.Encoder:
    return chunks.Encoder(
        Call(
            operation=Operation.CHAT,
            request_id="r1",
            created=7,
            peek=Peek(model=ModelName(model), stream=True, include_usage=include_usage),
            body=b"",
            model=Model(upstream=UpstreamModel("up")),
            dialect=DialectName.BEDROCK_CONVERSE,
            streams=True,
        )
    )


def data(event: bytes) -> dict[str, object]:
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    assert event.count(b"\n") == 2, "one line of data"
    decoded: dict[str, object] = json.loads(event[6:])
    return decoded


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_text_and_any_name_of_a_model_make_a_chunk(text: str, model: str) -> None:
    assert data(encoder(model=model).encode(events.TextDelta(text))) == {
        "id": "chatcmpl-r1",
        "object": "chat.completion.chunk",
        "created": 7,
        "model": model,
        "choices": [{"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}],
    }


@pytest.mark.parametrize("finish", list(Finish))
def test_the_finish_has_a_chunk_of_its_own(finish: Finish) -> None:
    chunk = data(encoder(include_usage=True).encode(events.Finished(finish)))
    assert chunk["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": finish.value}]
    assert chunk["usage"] is None


def test_usage_comes_only_if_asked_for() -> None:
    settled = events.Settled(Usage(input_tokens=1, output_tokens=2))
    assert encoder().encode(settled) == b"data: [DONE]\n\n"
    last, done, _ = encoder(include_usage=True).encode(settled).split(b"\n\n")
    assert json.loads(last[6:])["usage"]["total_tokens"] == 3
    assert json.loads(last[6:])["choices"] == []
    assert done == b"data: [DONE]"


@pytest.mark.parametrize("event", [events.Unknown("x"), events.Failed(Failure(kind=Kind.TIMEOUT, message="m"))])
def test_what_a_client_is_not_told_makes_no_bytes(event: events.Event) -> None:
    assert encoder().encode(event) == b""


def test_findings_are_told_as_azure_tells_them() -> None:
    on_prompt = Finding(stage=Stage.PROMPT, category="jailbreak", filtered=False, detected=True)
    on_reply = Finding(stage=Stage.COMPLETION, category="hate", filtered=True, severity=Severity.HIGH)
    first, second = encoder(include_usage=True).encode(events.Judged((on_prompt, on_reply))).split(b"\n\n")[:2]
    prompt, reply = data(first + b"\n\n"), data(second + b"\n\n")
    assert prompt["prompt_filter_results"] == [
        {"prompt_index": 0, "content_filter_results": {"jailbreak": {"filtered": False, "detected": True}}}
    ]
    assert prompt["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}]
    assert reply["choices"] == [
        {
            "index": 0,
            "delta": {},
            "logprobs": None,
            "finish_reason": None,
            "content_filter_results": {"hate": {"filtered": True, "severity": "high"}},
        }
    ]
    assert prompt["usage"] is None
    assert reply["usage"] is None


def test_no_finding_is_no_chunk() -> None:
    assert encoder().encode(events.Judged(())) == b""
