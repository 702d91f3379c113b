"""Anthropic's API by the anthropic SDK, in both versions of the API."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types import Message

from tests.golden import messages_model
from tests.integration.simulators.raw import post
from tests.simulators import credentials
from tests.simulators.faults import Fault, Kind, Provider
from tests.simulators.fleet import Simulators
from tests.simulators.limits import Limit
from tests.simulators.pacing import Pace

SONNET, BUDGET, OPUS, HAIKU = (
    "claude-sonnet-5-5",
    "claude-haiku-4-5-20251001",
    "claude-opus-4-7",
    "claude-3-haiku-20240307",
)
OLD = {"anthropic-version": "2023-06-01"}
HELLO: Any = [{"role": "user", "content": "Hello"}]
SMALL = json.dumps({"model": SONNET, "max_tokens": 9, "messages": HELLO}).encode()
PNG: Any = {
    "type": "base64",
    "media_type": "image/png",
    "data": base64.b64encode(b"\x89PNG\r\n\x1a\n").decode(),
}
WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CALL: Any = [{"role": "user", "content": 'call get_weather {"city": "Oslo"}'}]


def made(simulators: Simulators, **changed: Any) -> anthropic.Anthropic:
    settings = {"base_url": simulators.anthropic_url, "api_key": credentials.ANTHROPIC_API_KEY, "max_retries": 0}
    return anthropic.Anthropic(**{**settings, "timeout": 5, **changed})


@pytest.fixture(scope="module")
def shared(simulators_thread: Simulators) -> Iterator[anthropic.Anthropic]:
    with made(simulators_thread) as client:
        yield client


@pytest.fixture
def client(simulators: Simulators, shared: anthropic.Anthropic) -> anthropic.Anthropic:
    return shared


def said(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def asked(client: anthropic.Anthropic, model: str = SONNET, **more: Any) -> Message:
    return client.messages.create(**{"model": model, "max_tokens": 4_096, "messages": HELLO, **more})


@pytest.mark.parametrize("headers", [{}, OLD])
def test_a_message_is_answered_in_either_version(client: anthropic.Anthropic, headers: dict[str, str]) -> None:
    message = asked(client, extra_headers=headers, system="Be brief.")
    assert said(message).startswith("You said: Hello (anthropic: model=claude-sonnet-5-5 turns=1 system='Be brief.'")
    assert (message.stop_reason, message.model) == ("end_turn", SONNET)
    assert message.usage.input_tokens > 0
    assert (message._request_id or "").startswith("req_")


def test_every_answer_holds_to_the_types_of_the_sdk(client: anthropic.Anthropic) -> None:
    for text in ("Hello", "simulate redacted", "simulate refusal", "simulate empty", CALL[0]["content"]):
        message = asked(client, messages=[{"role": "user", "content": text}], tools=[WEATHER])
        assert messages_model.problems_of_reply(message.model_dump()) == "", text


@pytest.mark.parametrize("text", ["Hello", "simulate words=50", CALL[0]["content"], "simulate redacted"])
def test_a_stream_says_the_same_as_the_answer_at_once(client: anthropic.Anthropic, text: str) -> None:
    question: Any = {
        "model": SONNET,
        "max_tokens": 999,
        "messages": [{"role": "user", "content": text}],
        "tools": [WEATHER],
    }
    whole = client.messages.create(**question)
    with client.messages.stream(**question) as stream:
        together = stream.get_final_message()
    ids = {"id": True, "content": {"__all__": {"id"}}}
    assert (
        together.model_dump(exclude=ids, exclude_none=True)["content"]
        == (whole.model_dump(exclude=ids, exclude_none=True)["content"])
    )
    assert together.stop_reason == whole.stop_reason
    assert together.usage.output_tokens == whole.usage.output_tokens


def test_a_raw_stream_holds_to_the_types_of_the_sdk(client: anthropic.Anthropic) -> None:
    events = list(client.messages.create(model=SONNET, max_tokens=99, messages=HELLO, stream=True))
    kinds = [event.type for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert all(messages_model.problems_of_event(event.model_dump()) == "" for event in events)


def test_a_key_goes_in_either_header_and_no_other_opens(simulators: Simulators) -> None:
    for settings in ({}, {"api_key": None, "auth_token": credentials.ANTHROPIC_API_KEY}):
        with made(simulators, **settings) as client:
            assert asked(client)
    for headers, message in (({}, "header is required"), ({"x-api-key": "sk-ant-other"}, "invalid x-api-key")):
        answer = post(simulators.azure_url, "/anthropic/v1/messages", {**OLD, **headers}, SMALL)
        assert (answer.status, answer.json()["error"]["type"]) == (401, "authentication_error")
        assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize("version", [None, "2024-01-01"])
def test_a_version_must_be_one_that_there_is(simulators: Simulators, version: str | None) -> None:
    headers = {"x-api-key": credentials.ANTHROPIC_API_KEY} | ({"anthropic-version": version} if version else {})
    answer = post(simulators.azure_url, "/anthropic/v1/messages", headers, SMALL)
    assert (answer.status, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert answer.json()["error"]["message"].startswith("anthropic-version")


def test_the_newer_version_takes_no_sampling_and_the_older_leaves_it_to_the_model(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="temperature: Extra inputs"):
        asked(client, HAIKU, extra_body={"temperature": 1})
    assert "temperature=0.5" in said(asked(client, HAIKU, extra_body={"temperature": 0.5}, extra_headers=OLD))
    for model, body in ((SONNET, {"top_k": 5}), (BUDGET, {"temperature": 0.5, "top_p": 0.5})):
        with pytest.raises(anthropic.BadRequestError):
            asked(client, model, extra_body=body, extra_headers=OLD)


def test_tools_are_called_and_their_results_are_read(client: anthropic.Anthropic) -> None:
    first = asked(client, messages=CALL, tools=[WEATHER])
    assert first.stop_reason == "tool_use"
    call = next(block for block in first.content if block.type == "tool_use")
    assert (call.name, call.input) == ("get_weather", {"city": "Oslo"})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "rain", "is_error": True}
    answered = [*CALL, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    assert said(asked(client, messages=answered, tools=[WEATHER])).startswith("The tools said: failed: rain")


@pytest.mark.parametrize(
    ("model", "more", "shown"),
    [
        (BUDGET, {"thinking": {"type": "enabled", "budget_tokens": 2_048}}, True),
        (OPUS, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}, False),
        (OPUS, {"thinking": {"type": "adaptive", "display": "summarized"}}, True),
        (SONNET, {}, False),
    ],
)
def test_thinking_is_signed_and_its_signature_is_checked(
    client: anthropic.Anthropic, model: str, more: Any, shown: bool
) -> None:
    first = asked(client, model, messages=CALL, tools=[WEATHER], **more)
    thought = first.content[0]
    assert thought.type == "thinking"
    assert bool(thought.thinking) == shown
    assert first.usage.output_tokens_details is not None
    assert first.usage.output_tokens_details.thinking_tokens > 0
    call = first.content[-1]
    assert call.type == "tool_use"
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"}]}

    def again(blocks: Any) -> Message:
        answered: Any = [*CALL, {"role": "assistant", "content": blocks}, result]
        return asked(client, model, messages=answered, tools=[WEATHER], **more)

    assert "thoughts=1" in said(again(first.content))
    spoiled = {**thought.model_dump(), "thinking": thought.thinking + "."}
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
        again([spoiled, call])
    if model == BUDGET:
        with pytest.raises(anthropic.BadRequestError, match="must start with a thinking block"):
            again([call])


def test_redacted_thinking_goes_back_as_it_came(client: anthropic.Anthropic) -> None:
    question = {"role": "user", "content": "simulate redacted"}
    block = asked(client, messages=[question]).content[0]
    assert block.type == "redacted_thinking"
    assert asked(client, messages=[question, {"role": "assistant", "content": [block]}, HELLO[0]])
    spoiled = {**block.model_dump(), "data": block.data[:-1]}
    with pytest.raises(anthropic.BadRequestError, match="redacted_thinking"):
        asked(client, messages=[question, {"role": "assistant", "content": [spoiled]}, HELLO[0]])


def turns(*contents: Any) -> Any:
    return [{"role": "assistant" if at % 2 else "user", "content": content} for at, content in enumerate(contents)]


USE: Any = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
RESULT: Any = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}
MARK: Any = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        (SONNET, {"max_tokens": 200_000}, "maximum allowed number of output tokens"),
        (SONNET, {"messages": [{"role": "assistant", "content": "Hi"}]}, "first message"),
        (SONNET, {"messages": turns("Hi", "Ho")}, "prefill"),
        (SONNET, {"messages": turns(" ")}, "non-whitespace"),
        (SONNET, {"messages": turns([{"type": "text", "text": "x", "mood": "y"}])}, "Extra inputs"),
        (SONNET, {"messages": turns("Hi", [USE], "Ho"), "tools": [WEATHER]}, "without `tool_result` blocks"),
        (SONNET, {"messages": turns("Hi", "Ho", [RESULT]), "tools": [WEATHER]}, "unexpected `tool_use_id`"),
        (SONNET, {"messages": turns("Hi", [USE], [RESULT])}, "must define tools"),
        (SONNET, {"messages": turns("Hi", [USE], [MARK, RESULT]), "tools": [WEATHER]}, "must come first"),
        (SONNET, {"messages": turns([MARK] * 5)}, "maximum of 4 blocks"),
        (SONNET, {"tool_choice": {"type": "any"}, "tools": [WEATHER]}, "forced tool use"),
        (SONNET, {"tool_choice": {"type": "auto"}}, "while providing `tools`"),
        (SONNET, {"tools": [WEATHER, WEATHER]}, "must be unique"),
        (SONNET, {"tools": [{**WEATHER, "name": "a.b"}]}, "match pattern"),
        (SONNET, {"thinking": {"type": "disabled"}}, "not supported"),
        (SONNET, {"thinking": {"type": "enabled", "budget_tokens": 2_048}}, "not supported"),
        (BUDGET, {"thinking": {"type": "enabled", "budget_tokens": 8_192}}, "must be greater than"),
        (BUDGET, {"thinking": {"type": "enabled", "budget_tokens": 9}}, "greater than or equal to 1024"),
        (BUDGET, {"output_config": {"effort": "high"}}, "not supported"),
        (HAIKU, {"output_config": {"format": {"type": "json_schema", "schema": {"type": "string"}}}}, "structured"),
        (
            SONNET,
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            "additionalProperties",
        ),
        (
            SONNET,
            {
                "messages": turns([{"type": "image", "source": {**PNG, "media_type": "image/gif"}}]),
            },
            "does not match the provided media type",
        ),
        (HAIKU, {"messages": turns("word " * 200_000)}, "prompt is too long"),
        (HAIKU, {"messages": turns("x" * 790_000)}, "exceed context limit"),
    ],
)
def test_what_the_documentation_forbids_is_refused(
    client: anthropic.Anthropic, model: str, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(anthropic.BadRequestError, match=message) as raised:
        asked(client, model, **more)
    assert raised.value.body["error"]["type"] == "invalid_request_error"


def test_images_and_documents_arrive(client: anthropic.Anthropic) -> None:
    content: Any = [
        {"type": "image", "source": PNG},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "abc"}},
        {"type": "text", "text": "What is it?"},
    ]
    assert "images=2 documents=1" in said(asked(client, messages=[{"role": "user", "content": content}]))


def test_a_schema_is_answered_with_what_fits(client: anthropic.Anthropic) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    message = asked(client, output_config={"format": {"type": "json_schema", "schema": schema}})
    assert said(message) == '{"n":1}'


def test_a_marked_prefix_is_written_once_and_read_afterwards(client: anthropic.Anthropic) -> None:
    manual: Any = [{"type": "text", "text": "word " * 2_000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    first, second = (asked(client, system=manual).usage for _ in range(2))
    assert first.cache_creation is not None
    assert first.cache_creation.ephemeral_1h_input_tokens == first.cache_creation_input_tokens == 2_500
    assert (second.cache_read_input_tokens, second.cache_creation_input_tokens) == (2_500, 0)
    assert first.input_tokens == second.input_tokens < 100


def test_tokens_are_counted_as_they_are_billed(client: anthropic.Anthropic) -> None:
    counted = client.messages.count_tokens(model=SONNET, messages=HELLO, system="Be brief.", tools=[WEATHER])
    answered = asked(client, system="Be brief.", tools=[WEATHER])
    assert counted.input_tokens == answered.usage.input_tokens


def test_models_are_listed_with_what_they_can_do(client: anthropic.Anthropic) -> None:
    listed = list(client.models.list(limit=2))
    assert [model.id for model in listed][:1] == [SONNET]
    assert len(listed) == 5
    sonnet = client.models.retrieve(SONNET)
    assert sonnet.capabilities is not None
    assert sonnet.capabilities.thinking.types.adaptive.supported
    assert not sonnet.capabilities.thinking.types.disabled.supported
    assert sonnet.max_tokens == 128_000
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("claude-nowhere")


def test_a_model_that_there_is_not_and_a_path_that_there_is_not(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="model: claude-nowhere"):
        asked(client, "claude-nowhere")
    with pytest.raises(anthropic.NotFoundError, match="Not Found"):
        client.post("/v1/nowhere", cast_to=object, body={})


def test_limits_are_told_and_kept(simulators: Simulators, client: anthropic.Anthropic) -> None:
    simulators.controls.limits.set(Limit(provider="anthropic", rpm=1))
    answer = client.messages.with_raw_response.create(model=SONNET, max_tokens=9, messages=HELLO)
    assert answer.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert answer.headers["anthropic-ratelimit-input-tokens-reset"].endswith("Z")
    with pytest.raises(anthropic.RateLimitError) as raised:
        asked(client)
    assert 0 < int(raised.value.response.headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (Fault(kind=Kind.THROTTLE), 429, "rate_limit_error"),
        (Fault(kind=Kind.THROTTLE, name="capacity"), 529, "overloaded_error"),
        (Fault(kind=Kind.THROTTLE, name="quota"), 400, "invalid_request_error"),
        (Fault(kind=Kind.ERROR, status=500), 500, "api_error"),
        (Fault(kind=Kind.ERROR, name="permission_error"), 403, "permission_error"),
    ],
)
def test_faults_speak_anthropics_words(
    simulators: Simulators, client: anthropic.Anthropic, fault: Fault, status: int, kind: str
) -> None:
    simulators.controls.fail(fault)
    with pytest.raises(anthropic.APIStatusError) as raised:
        asked(client)
    assert (raised.value.status_code, raised.value.body["error"]["type"]) == (status, kind)
    assert asked(client)


def test_an_overload_inside_a_stream_is_an_event_of_its_own(
    simulators: Simulators, client: anthropic.Anthropic
) -> None:
    simulators.controls.fail(Fault(kind=Kind.STREAM_ERROR, provider=Provider.ANTHROPIC, after_events=5))
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(client.messages.create(model=SONNET, max_tokens=99, messages=HELLO, stream=True))


def test_answers_take_their_time(simulators: Simulators, client: anthropic.Anthropic) -> None:
    simulators.controls.pacing.set(Pace(provider="anthropic", first_byte_ms=10_000))
    with pytest.raises(anthropic.APITimeoutError):
        asked(client.with_options(timeout=0.2))
