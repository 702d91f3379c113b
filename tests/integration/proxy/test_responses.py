"""OpenAI's Responses by its SDK, through a proxy to the simulated clouds."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import openai
import pydantic
import pytest

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, RouteKey, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey
from pilothouse_api.snapshot.endpoints.anthropic import AnthropicEndpoint
from pilothouse_api.snapshot.endpoints.azure_openai import AzureOpenAIEndpoint
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint, Responses
from pilothouse_api.snapshot.providers import Connection, Model, Provider
from pilothouse_api.snapshot.routes import FailureClass, Target
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from tests.integration.proxy.configurations import IDENTITY, KEY, QUICK, route
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.process import Process, process
from tests.simulators import credentials
from tests.simulators.anthropic import service  # noqa: F401 -- loaded before a request waits for it
from tests.simulators.faults import Fault, Kind
from tests.simulators.faults import Provider as Whose
from tests.simulators.fleet import Simulators

NATIVE = ("gpt", "gpt-dated", "gpt-plain")
EVERY = ("claude", "claude-direct", "gpt-translated", *NATIVE)
POOL_SIZES = itertools.count(64)
SCHEMA_OF_CITY: Any = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER: Any = {"type": "function", "name": "get_weather", "description": "x", "parameters": SCHEMA_OF_CITY}
CHAT_WEATHER: Any = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA_OF_CITY}}


def configuration(simulators: Simulators, *, pool_size: int = 32) -> Snapshot:
    """claude, reasoner (Bedrock, and Anthropic: *-direct); gpt (Azure v1), gpt-dated (Azure), gpt-plain (OpenAI),
    gpt-translated (a server without responses), thinker; codex of each.
    """
    connection = Connection(pool_size=pool_size)
    keys = [ProviderKey(f"clouds/{name}") for name in ("bedrock", "azure", "dated", "plain", "direct", "compatible")]
    bedrock, azure, dated, plain, direct, compatible = keys
    deployments = {name: Model(upstream=UpstreamModel(name)) for name in ("gpt-4o", "o4-mini", "gpt-5-codex")}

    def to(*targets: Target, model: str) -> Any:
        return route(*targets, models=(model,), retry=QUICK, fallback_on=tuple(FailureClass))

    routes = {
        "claude": to(Target(provider=bedrock, model="claude"), model="claude"),
        "reasoner": to(Target(provider=bedrock, model="reasoner"), model="reasoner"),
        "claude-direct": to(Target(provider=direct, model="claude"), model="claude-direct"),
        "reasoner-direct": to(Target(provider=direct, model="reasoner"), model="reasoner-direct"),
        "gpt-translated": to(Target(provider=compatible, model="gpt-4o"), model="gpt-translated"),
        "gpt": to(Target(provider=azure, model="gpt-4o"), model="gpt"),
        "gpt-dated": to(Target(provider=dated, model="gpt-4o"), model="gpt-dated"),
        "gpt-plain": to(Target(provider=plain, model="gpt-4o"), model="gpt-plain"),
        "thinker": to(Target(provider=azure, model="o4-mini"), model="thinker"),
        "codex": to(Target(provider=azure, model="gpt-5-codex"), model="codex"),
        "codex-dated": to(Target(provider=dated, model="gpt-5-codex"), model="codex-dated"),
        "codex-plain": to(Target(provider=plain, model="gpt-5-codex"), model="codex-plain"),
        "both": to(
            Target(provider=azure, model="gpt-4o", priority=0),
            Target(provider=bedrock, model="claude", priority=1),
            model="both",
        ),
    }
    azure_key = APIKey(key=Secret(credentials.AZURE_API_KEY))
    return Snapshot(
        schema=SCHEMA,
        scope=GATEWAY_SCOPE,
        providers={
            bedrock: Provider(
                endpoint=BedrockEndpoint(url=simulators.bedrock_url, region="us-east-1"),
                models={
                    "claude": Model(upstream=UpstreamModel("anthropic.claude-3-haiku-20240307-v1:0")),
                    "reasoner": Model(upstream=UpstreamModel("us.anthropic.claude-sonnet-4-5-20250929-v1:0")),
                },
                connection=connection,
            ),
            azure: Provider(
                endpoint=AzureOpenAIEndpoint(url=simulators.azure_url), models=deployments, connection=connection
            ),
            dated: Provider(
                endpoint=AzureOpenAIEndpoint(url=simulators.azure_url, api_version="2025-04-01-preview"),
                models=deployments,
            ),
            plain: Provider(
                endpoint=OpenAIEndpoint(url=simulators.openai_url, responses=Responses.NATIVE), models=deployments
            ),
            direct: Provider(
                endpoint=AnthropicEndpoint(url=simulators.anthropic_url),
                models={
                    "claude": Model(upstream=UpstreamModel("claude-3-haiku-20240307")),
                    "reasoner": Model(upstream=UpstreamModel("claude-sonnet-4-6")),
                },
            ),
            compatible: Provider(
                endpoint=OpenAIEndpoint(url=simulators.openai_url, responses=Responses.TRANSLATED), models=deployments
            ),
        },
        credentials={
            direct: APIKey(key=Secret(credentials.ANTHROPIC_API_KEY)),
            compatible: APIKey(key=Secret(credentials.OPENAI_API_KEY)),
            bedrock: AccessKey(
                access_key_id=credentials.SESSION_ACCESS_KEY_ID,
                secret_access_key=Secret(credentials.SESSION_SECRET_ACCESS_KEY),
                session_token=Secret(credentials.SESSION_TOKEN),
            ),
            azure: azure_key,
            dated: azure_key,
            plain: APIKey(key=Secret(credentials.OPENAI_API_KEY)),
        },
        routes={RouteKey(f"apps/{name}"): made for name, made in routes.items()},
        identity=IDENTITY,
    )


@pytest.fixture(scope="module")
def control(simulators_thread: Simulators) -> Iterator[ControlServer]:
    with ControlServer(configuration(simulators_thread)) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(control: ControlServer) -> Iterator[Process]:
    with process(*control.flags) as running:
        running.event("configuration applied")
        yield running


@pytest.fixture(scope="module")
def shared_client(proxy: Process) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{proxy.port}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def client(simulators: Simulators, shared_client: openai.OpenAI) -> openai.OpenAI:
    return shared_client


@pytest.fixture
def forgiving(control: ControlServer, proxy: Process, simulators: Simulators) -> Iterator[None]:
    """What the test does to the targets is forgotten before and after it: their connections change in a detail."""
    control.wait_for_ack(control.publish(configuration(simulators, pool_size=next(POOL_SIZES))))
    yield
    control.wait_for_ack(control.publish(configuration(simulators, pool_size=next(POOL_SIZES))))


@pytest.mark.parametrize("model", EVERY)
def test_a_response(client: openai.OpenAI, model: str) -> None:
    answer = client.responses.create(model=model, input="Hello there", instructions="Be brief.", store=False)
    assert (answer.status, answer.object) == ("completed", "response")
    assert "Hello there" in answer.output_text
    assert (answer.model_extra or {})["store"] is False
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0


@pytest.mark.parametrize("model", EVERY)
def test_a_stream_says_the_same(client: openai.OpenAI, model: str) -> None:
    whole = client.responses.create(model=model, input="Hello there")
    with client.responses.stream(model=model, input="Hello there") as stream:
        told = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in told] == list(range(len(told)))
    pieces = [event.delta for event in told if event.type == "response.output_text.delta"]
    assert "".join(pieces) == final.output_text == whole.output_text
    assert final.usage == whole.usage


@pytest.mark.parametrize("model", EVERY)
def test_tools_are_called_until_the_model_has_what_it_needs(client: openai.OpenAI, model: str) -> None:
    said = 'call get_weather {"city": "Oslo"} and call get_weather {"city": "Rome"}'
    conversation: list[Any] = [{"role": "user", "content": said}]
    first = client.responses.create(model=model, input=conversation, tools=[WEATHER], store=False)
    conversation += first.output
    calls = [item for item in first.output if item.type == "function_call"]
    assert [json.loads(call.arguments)["city"] for call in calls] == ["Oslo", "Rome"]
    for call in calls:
        conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": "cold"})
    second = client.responses.create(model=model, input=conversation, tools=[WEATHER], store=False)
    assert second.output_text.startswith("The tools said: cold | cold")


@pytest.mark.parametrize("model", ["reasoner", "reasoner-direct", "gpt-translated", *NATIVE])
def test_structured_output_is_parsed(client: openai.OpenAI, model: str) -> None:
    class Place(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="forbid")
        city: str

    assert client.responses.parse(model=model, input="Where?", text_format=Place).output_parsed == Place(city="value")


@pytest.mark.parametrize("model", ["reasoner", "reasoner-direct", "thinker"])
def test_reasoning_comes_back_as_it_was(client: openai.OpenAI, simulators: Simulators, model: str) -> None:
    asked: Any = {
        "model": model,
        "tools": [WEATHER],
        "reasoning": {"effort": "low"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
    }
    conversation: list[Any] = [{"role": "user", "content": 'call get_weather {"city": "Oslo"}'}]
    first = client.responses.create(input=conversation, **asked)
    assert [item.type for item in first.output] == ["reasoning", "function_call"]
    call: Any = first.output[1]
    conversation += [*first.output, {"type": "function_call_output", "call_id": call.call_id, "output": "cold"}]
    # Both simulators refuse what was changed, Bedrock's also a call without the thinking before it.
    assert client.responses.create(input=conversation, **asked).output_text.startswith("The tools said: cold")
    with client.responses.stream(input=conversation[:1], **asked) as stream:
        streamed = stream.get_final_response()
    assert [item.type for item in streamed.output] == ["reasoning", "function_call"]


@pytest.mark.parametrize("model", ["codex", "codex-dated", "codex-plain"])
@pytest.mark.parametrize("streams", [False, True])
def test_chat_reaches_models_that_have_responses_alone(client: openai.OpenAI, model: str, streams: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": 'call get_weather {"city": "Oslo"}'}]
    message = chat(client, streams, model=model, messages=messages, tools=[CHAT_WEATHER])
    assert message["thinking_blocks"][0]["type"] == "redacted_thinking"
    (call,) = message["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Oslo"}
    messages += [message, {"role": "tool", "tool_call_id": call["id"], "content": "cold"}]
    assert chat(client, streams, model=model, messages=messages, tools=[CHAT_WEATHER])["content"].startswith(
        "The tools said: cold"
    )


def chat(client: openai.OpenAI, streams: bool, **asked: Any) -> dict[str, Any]:
    """The assistant's message as clients send it back, put together of a stream or at once."""
    if not streams:
        answer: dict[str, Any] = (
            client.chat.completions.create(**asked).choices[0].message.model_dump(exclude_none=True)
        )
        return answer
    message: dict[str, Any] = {"role": "assistant", "content": "", "thinking_blocks": [], "tool_calls": []}
    for chunk in client.chat.completions.create(**asked, stream=True):
        delta: Any = chunk.choices[0].delta.model_dump(exclude_none=True) if chunk.choices else {}
        message["content"] += delta.get("content", "")
        message["thinking_blocks"] += delta.get("thinking_blocks", [])
        for call in delta.get("tool_calls", []):
            if call["index"] == len(message["tool_calls"]):
                message["tool_calls"].append(call)
            else:
                message["tool_calls"][-1]["function"]["arguments"] += call["function"]["arguments"]
    if not message["tool_calls"]:
        del message["tool_calls"]
    return message


def test_what_needs_a_memory_passes_to_who_has_one(client: openai.OpenAI) -> None:
    first = client.responses.create(model="gpt", input="Hello")
    second = client.responses.create(model="gpt", input="And now?", previous_response_id=first.id)
    assert "turns=3" in second.output_text
    with pytest.raises(openai.BadRequestError, match="send the whole conversation in `input`") as refused:
        client.responses.create(model="claude", input="And now?", previous_response_id=first.id)
    assert refused.value.param == "previous_response_id"


def test_an_answer_that_is_cut_is_incomplete(client: openai.OpenAI) -> None:
    for model in EVERY:
        answer = client.responses.create(model=model, input="simulate words=50", max_output_tokens=16)
        assert answer.incomplete_details is not None
        assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_a_stream_that_fails_early_is_asked_for_elsewhere(client: openai.OpenAI, forgiving: None) -> None:
    told = list(client.responses.create(model="both", input="simulate fail=early", stream=True))
    assert told[-1].type == "response.completed"
    assert [event.type for event in told].count("response.created") == 1


def test_a_stream_that_breaks_late_ends_with_an_error(
    client: openai.OpenAI, simulators: Simulators, forgiving: None
) -> None:
    simulators.controls.fail(Fault(kind=Kind.CUT, provider=Whose.BEDROCK, after_events=4))
    told = list(client.responses.create(model="claude", input="simulate words=30", stream=True))
    assert told[-1].type == "error"
    assert told[-1].code == "unavailable"
    assert told[-1].sequence_number == len(told) - 1


def test_a_refusal_of_azures_filter_keeps_its_reason(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="gpt", input="simulate prompt-filter=violence")
    assert refused.value.code == "content_filter"
    assert isinstance(refused.value.body, dict)
    assert "innererror" in refused.value.body


@pytest.mark.parametrize("model", ["claude-direct", "gpt-translated"])
def test_a_refusal_is_told_as_one(client: openai.OpenAI, model: str) -> None:
    answer = client.responses.create(model=model, input="simulate refusal")
    last: Any = answer.output[-1]
    assert last.content[0].type == "refusal"
    told = list(client.responses.create(model=model, input="simulate refusal", stream=True))
    assert [event.refusal for event in told if event.type == "response.refusal.done"] == [last.content[0].refusal]
