"""The openai and the anthropic SDK through a proxy to Anthropic's simulated API."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, RouteKey, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import APIKey
from pilothouse_api.snapshot.endpoints.anthropic import AnthropicEndpoint
from pilothouse_api.snapshot.providers import Model, Provider
from pilothouse_api.snapshot.routes import Target
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from tests.integration.proxy.configurations import IDENTITY, KEY, route
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.process import Process, process
from tests.integration.proxy.test_clouds import HELLO, WEATHER, png
from tests.simulators import credentials
from tests.simulators.anthropic import service  # noqa: F401 -- loaded before a request waits for it
from tests.simulators.faults import CutEnding, Fault, Kind
from tests.simulators.faults import Provider as Faulty
from tests.simulators.fleet import Simulators

UPSTREAM = {"newest": "claude-sonnet-5-5", "adaptive": "claude-sonnet-4-6", "budget": "claude-haiku-4-5-20251001"}
CALL: Any = [{"role": "user", "content": 'call get_weather {"city": "Oslo"}'}]


@pytest.fixture(scope="module")
def proxy(simulators_thread: Simulators) -> Iterator[Process]:
    claude = ProviderKey("clouds/anthropic")
    snapshot = Snapshot(
        schema=SCHEMA,
        scope=GATEWAY_SCOPE,
        providers={
            claude: Provider(
                endpoint=AnthropicEndpoint(url=simulators_thread.anthropic_url),
                models={name: Model(upstream=UpstreamModel(model)) for name, model in UPSTREAM.items()},
            )
        },
        credentials={claude: APIKey(key=Secret(credentials.ANTHROPIC_API_KEY))},
        routes={
            RouteKey(f"apps/{name}"): route(Target(provider=claude, model=name), models=(name,)) for name in UPSTREAM
        },
        identity=IDENTITY,
    )
    with ControlServer(snapshot) as control, process(*control.flags) as proxy:
        proxy.event("configuration applied")
        yield proxy


@pytest.fixture(scope="module")
def client(proxy: Process) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{proxy.port}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def claude(proxy: Process) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=f"http://127.0.0.1:{proxy.port}", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture(autouse=True)
def _fresh(simulators: Simulators) -> None:
    """No faults of an earlier test."""


def asked(client: openai.OpenAI, model: str, messages: Any, **more: Any) -> ChatCompletion:
    """The answer at once; that the stream says the same is asserted."""
    whole: ChatCompletion = client.chat.completions.create(model=model, messages=messages, **more)
    state = ChatCompletionStreamState()
    usage = {"include_usage": True}
    for chunk in client.chat.completions.create(
        model=model, messages=messages, stream=True, stream_options=usage, **more
    ):
        state.handle_chunk(chunk)
    together = state.current_completion_snapshot
    assert together.choices[0].finish_reason == whole.choices[0].finish_reason
    assert (together.choices[0].message.content or "") == (whole.choices[0].message.content or "")
    calls = [
        [(call.function.name, json.loads(call.function.arguments)) for call in one.choices[0].message.tool_calls or ()]
        for one in (together, whole)
    ]
    assert calls[0] == calls[1]
    assert together.usage is not None
    assert whole.usage is not None
    assert together.usage.completion_tokens == whole.usage.completion_tokens
    assert together.usage.prompt_tokens == whole.usage.prompt_tokens
    return whole


@pytest.mark.parametrize("model", UPSTREAM)
def test_chat(client: openai.OpenAI, model: str) -> None:
    answer = asked(client, model, HELLO, max_tokens=100)
    content = answer.choices[0].message.content or ""
    assert content.startswith(f"You said: Hello there (anthropic: model={UPSTREAM[model]} turns=1 system='Be brief.'")
    assert answer.model == model
    assert answer.choices[0].finish_reason == "stop"


def test_an_answer_is_cut_at_the_limit(client: openai.OpenAI) -> None:
    answer = asked(client, "budget", [{"role": "user", "content": "simulate words=50"}], max_tokens=10)
    assert answer.choices[0].finish_reason == "length"


@pytest.mark.parametrize("model", UPSTREAM)
def test_a_tool_is_called_and_its_result_is_read(client: openai.OpenAI, model: str) -> None:
    first = asked(client, model, CALL, tools=[WEATHER]).choices[0]
    assert first.finish_reason == "tool_calls"
    (call,) = first.message.tool_calls or ()
    result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    answered = [*CALL, first.message.model_dump(exclude_none=True), result]
    assert "The tools said: rain" in (asked(client, model, answered, tools=[WEATHER]).choices[0].message.content or "")


@pytest.mark.parametrize(("model", "shown"), [("newest", False), ("adaptive", True), ("budget", True)])
def test_thinking_goes_back_as_it_came(client: openai.OpenAI, model: str, shown: bool) -> None:
    effort: Any = {"reasoning_effort": "low", "tools": [WEATHER]}
    first = asked(client, model, CALL, **effort)
    message = first.choices[0].message.model_dump(exclude_none=True)
    assert ("reasoning_content" in message) == shown
    assert [block["type"] for block in message["thinking_blocks"]] == ["thinking"]
    assert first.usage is not None
    assert first.usage.completion_tokens_details is not None
    assert (first.usage.completion_tokens_details.reasoning_tokens or 0) > 0
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "rain"}
    # The simulator refuses a signature that is not that of the very text.
    again = asked(client, model, [*CALL, message, result], **effort).choices[0].message.content or ""
    assert "The tools said: rain" in again
    assert "thoughts=1" in again


def test_thinking_that_was_changed_is_refused_by_the_provider(client: openai.OpenAI) -> None:
    message = asked(client, "budget", HELLO, reasoning_effort="low").choices[0].message.model_dump(exclude_none=True)
    message["thinking_blocks"][0]["thinking"] += "."
    with pytest.raises(openai.BadRequestError, match="Invalid `signature`"):
        client.chat.completions.create(model="budget", messages=[*HELLO, message, *HELLO[1:]])


def test_pictures_by_value_and_by_url(client: openai.OpenAI) -> None:
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": png(2, 2)}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]
    answer = asked(client, "newest", [{"role": "user", "content": content}])
    assert "images=2" in (answer.choices[0].message.content or "")


def test_a_schema_is_held_to(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    assert asked(client, "newest", HELLO, response_format=wanted).choices[0].message.content == '{"n":1}'


def test_a_marked_prefix_is_read_from_the_cache(client: openai.OpenAI) -> None:
    part = {"type": "text", "text": "word " * 5_000, "prompt_cache_breakpoint": {"mode": "explicit"}}
    messages: Any = [{"role": "system", "content": [part]}, HELLO[1]]
    first, second = (client.chat.completions.create(model="budget", messages=messages).usage for _ in range(2))
    assert first is not None
    assert second is not None
    assert second.prompt_tokens_details is not None
    assert second.prompt_tokens_details.cached_tokens == 6_250
    assert first.prompt_tokens == second.prompt_tokens


def test_a_refusal_says_why(client: openai.OpenAI) -> None:
    message = [{"role": "user", "content": "simulate refusal"}]
    choice = asked(client, "newest", message).choices[0]
    assert choice.finish_reason == "content_filter"
    assert choice.message.refusal == "The request could enable cyber harm."


def test_what_claude_cannot_do_is_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="newest", messages=HELLO, temperature=0.5)
    assert (raised.value.param, raised.value.code) == ("temperature", "unsupported_parameter")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault(kind=Kind.THROTTLE, count=None, retry_after_s=7), 429, "rate_limit_exceeded"),
        (Fault(kind=Kind.THROTTLE, name="capacity", count=None), 503, "model_not_ready"),
        (Fault(kind=Kind.THROTTLE, name="quota", count=None), 429, "insufficient_quota"),
        (Fault(kind=Kind.ERROR, status=401, count=None), 502, "upstream_auth"),
        (Fault(kind=Kind.ERROR, status=413, count=None), 413, "request_too_large"),
    ],
)
def test_an_error_is_told_in_openais_words(
    client: openai.OpenAI, simulators: Simulators, fault: Fault, status: int, code: str
) -> None:
    simulators.controls.fail(fault)
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model="adaptive", messages=HELLO)
    assert (raised.value.status_code, raised.value.code) == (status, code)


def test_a_stream_that_breaks_before_content_is_tried_again(client: openai.OpenAI, simulators: Simulators) -> None:
    simulators.controls.fail(Fault(kind=Kind.STREAM_ERROR, provider=Faulty.ANTHROPIC, after_events=2))
    chunks = list(client.chat.completions.create(model="budget", messages=HELLO, stream=True))
    assert "Hello there" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_a_stream_that_breaks_later_ends_with_an_error(client: openai.OpenAI, simulators: Simulators) -> None:
    simulators.controls.fail(
        Fault(kind=Kind.CUT, provider=Faulty.ANTHROPIC, before_event="message_stop", ending=CutEnding.GRACEFUL)
    )
    with pytest.raises(openai.APIError, match="no message_stop"):
        list(client.chat.completions.create(model="budget", messages=HELLO, stream=True))


SPOKEN: Any = {"model": "newest", "max_tokens": 500, "messages": HELLO[1:], "system": "Be brief."}


def test_messages_pass_with_version_betas_and_what_is_new(claude: anthropic.Anthropic, simulators: Simulators) -> None:
    answer = claude.messages.create(**SPOKEN, inference_geo="eu", extra_headers={"anthropic-beta": "new-2026-01-01"})
    assert answer.model == UPSTREAM["newest"]
    assert [block.type for block in answer.content] == ["thinking", "text"]
    record = list(simulators.controls.recorder.records)[-1]
    assert record.request.header(b"anthropic-version") == b"2026-10-21"
    assert record.request.header(b"anthropic-beta") == b"new-2026-01-01"
    assert record.request.header(b"x-api-key") == credentials.ANTHROPIC_API_KEY.encode()
    assert record.request.header(b"authorization") is None
    assert json.loads(record.request.body)["inference_geo"] == "eu"


def test_a_stream_of_messages_passes(claude: anthropic.Anthropic) -> None:
    whole = claude.messages.create(**SPOKEN)
    with claude.messages.stream(**SPOKEN) as stream:
        together = stream.get_final_message()
    assert [block.model_dump() for block in together.content] == [block.model_dump() for block in whole.content]
    assert together.usage.output_tokens == whole.usage.output_tokens


def test_tokens_are_counted_by_anthropic(claude: anthropic.Anthropic) -> None:
    counted = claude.messages.count_tokens(model="newest", messages=HELLO[1:], system="Be brief.")
    assert counted.input_tokens == claude.messages.create(**SPOKEN).usage.input_tokens


def test_an_overload_is_told_in_anthropics_words(claude: anthropic.Anthropic, simulators: Simulators) -> None:
    simulators.controls.fail(Fault(kind=Kind.THROTTLE, name="capacity", count=None))
    with pytest.raises(anthropic.APIStatusError) as raised:
        claude.messages.create(**{**SPOKEN, "model": "budget"})
    assert raised.value.status_code == 529
