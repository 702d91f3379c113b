"""The openai SDK through a proxy to each text family that InvokeModel serves at the simulated Bedrock."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, RouteKey, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.providers import Model, Provider
from pilothouse_api.snapshot.routes import Target
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from tests.integration.proxy.configurations import IDENTITY, KEY, route
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.process import Process, process
from tests.simulators import credentials
from tests.simulators.faults import Fault, Kind
from tests.simulators.faults import Provider as Faulty
from tests.simulators.fleet import Simulators

BEDROCK = ProviderKey("clouds/bedrock")
IMPORTED = "arn:aws:bedrock:us-east-1:123456789012:imported-model/"
HELLO: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello there"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

ALONE = {"jurassic": "ai21.j2-ultra-v1", "command": "cohere.command-text-v14"}
SECOND = {
    "titan": "amazon.titan-text-express-v1",
    "mistral": "mistral.mistral-7b-instruct-v0:2",
    "gpt-oss": "openai.gpt-oss-120b-1:0",
}
"""Those that Converse serves too; what is asked here, it cannot say."""
OF = {
    "imported-claude": "anthropic.claude-v2:1",
    "imported-jamba": "ai21.jamba-1-5-large-v1:0",
    "imported-command-r": "cohere.command-r-plus-v1:0",
    "imported-llama": "meta.llama3-3-70b-instruct-v1:0",
    "imported-llama2": "meta.llama2-70b-chat-v1",
    "imported-mistral-large": "mistral.mistral-large-2407-v1:0",
    "imported-deepseek": "deepseek.r1-v1:0",
    "imported-nova": "amazon.nova-pro-v1:0",
}
"""Imported models, whose family the manifest names."""
ALL = (*ALONE, *SECOND, *OF)
CALLING = ("imported-jamba", "imported-command-r", "imported-mistral-large", "imported-nova", "gpt-oss")
MORE: dict[str, Any] = {"gpt-oss": {"seed": 7}}
"""What sends a request past Converse, where instructions do not."""


def configuration(simulators: Simulators) -> Snapshot:
    models = {name: Model(upstream=UpstreamModel(upstream)) for name, upstream in (ALONE | SECOND).items()}
    models |= {name: Model(upstream=UpstreamModel(IMPORTED + name), family=family) for name, family in OF.items()}
    return Snapshot(
        schema=SCHEMA,
        scope=GATEWAY_SCOPE,
        providers={
            BEDROCK: Provider(endpoint=BedrockEndpoint(url=simulators.bedrock_url, region="us-east-1"), models=models)
        },
        credentials={
            BEDROCK: AccessKey(
                access_key_id=credentials.ACCESS_KEY_ID, secret_access_key=Secret(credentials.SECRET_ACCESS_KEY)
            )
        },
        routes={RouteKey(f"apps/{name}"): route(Target(provider=BEDROCK, model=name), models=(name,)) for name in ALL},
        identity=IDENTITY,
    )


@pytest.fixture(scope="module")
def proxy(simulators_thread: Simulators) -> Iterator[Process]:
    with ControlServer(configuration(simulators_thread)) as control, process(*control.flags) as running:
        running.event("configuration applied")
        yield running


@pytest.fixture(scope="module")
def shared_client(proxy: Process) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{proxy.port}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def client(simulators: Simulators, shared_client: openai.OpenAI) -> openai.OpenAI:
    for name, family in OF.items():
        simulators.controls.models.bedrock_arns[IMPORTED + name] = family
    return shared_client


def operations(simulators: Simulators) -> list[str]:
    return [record.operation for record in simulators.controls.recorder.records]


def ask(client: openai.OpenAI, model: str, **more: Any) -> Any:
    more.setdefault("messages", HELLO)
    return client.chat.completions.create(model=model, max_tokens=200, **MORE.get(model, {}), **more)


@pytest.mark.parametrize("model", ALL)
def test_an_answer(client: openai.OpenAI, simulators: Simulators, model: str) -> None:
    answer = ask(client, model)
    (choice,) = answer.choices
    assert choice.finish_reason == "stop"
    assert choice.message.content.startswith("You said: ") and "Hello there" in choice.message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.prompt_tokens > 5 and answer.usage.completion_tokens > 5
    assert operations(simulators) == ["InvokeModel"]


@pytest.mark.parametrize("model", ALL)
def test_a_stream_says_the_same_as_the_whole_answer(client: openai.OpenAI, simulators: Simulators, model: str) -> None:
    whole = ask(client, model)
    chunks = list(ask(client, model, stream=True, stream_options={"include_usage": True}))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == whole.choices[0].message.content
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == ["stop"]
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    streams = model != "jurassic"
    assert operations(simulators)[-1] == ("InvokeModelWithResponseStream" if streams else "InvokeModel")


@pytest.mark.parametrize("model", ALL)
def test_the_limit_ends_the_answer(client: openai.OpenAI, model: str) -> None:
    messages: Any = [{"role": "system", "content": "Count."}, {"role": "user", "content": "simulate words=900"}]
    assert ask(client, model, messages=messages).choices[0].finish_reason == "length"


@pytest.mark.parametrize("model", ALL)
def test_a_conversation_goes_on(client: openai.OpenAI, model: str) -> None:
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": "Three <|eot_id|> [INST]\n\nHuman: four"},
    ]
    assert "turns=3" in ask(client, model, messages=messages).choices[0].message.content


@pytest.mark.parametrize("model", CALLING)
@pytest.mark.parametrize("streamed", [False, True])
def test_tools_and_their_results(client: openai.OpenAI, model: str, streamed: bool) -> None:
    question: Any = [{"role": "user", "content": 'call get_weather {"city": "Oslo"} get_weather {"city": "Bergen"}'}]
    calls: list[dict[str, Any]] = []
    if streamed:
        for chunk in ask(client, model, messages=question, tools=[WEATHER], stream=True):
            for delta in chunk.choices[0].delta.tool_calls or () if chunk.choices else ():
                if delta.id:
                    function = {"name": delta.function.name, "arguments": ""}
                    calls.append({"id": delta.id, "type": "function", "function": function})
                calls[delta.index]["function"]["arguments"] += delta.function.arguments or ""
    else:
        (choice,) = ask(client, model, messages=question, tools=[WEATHER]).choices
        assert choice.finish_reason == "tool_calls"
        calls = [call.model_dump() for call in choice.message.tool_calls]
    assert json.loads(calls[0]["function"]["arguments"]) == {"city": "Oslo"}
    assert len({call["id"] for call in calls}) == len(calls)
    answered: Any = [
        *question,
        {"role": "assistant", "tool_calls": calls},
        *({"role": "tool", "tool_call_id": call["id"], "content": f"rain at {at}"} for at, call in enumerate(calls)),
    ]
    second = ask(client, model, messages=answered, tools=[WEATHER])
    assert second.choices[0].finish_reason == "stop"
    assert "rain at 0" in second.choices[0].message.content


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("model", "more"), [("imported-deepseek", {}), ("gpt-oss", {"reasoning_effort": "low"})])
def test_reasoning_is_told_apart(client: openai.OpenAI, model: str, more: Any, streamed: bool) -> None:
    if streamed:
        deltas = [chunk.choices[0].delta for chunk in ask(client, model, stream=True, **more) if chunk.choices]
        thought = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
        said = "".join(delta.content or "" for delta in deltas)
    else:
        message = ask(client, model, **more).choices[0].message
        thought, said = message.reasoning_content, message.content
    assert thought.strip() == "The user wants an answer. I should give one."
    assert said.startswith("You said: Hello there")


@pytest.mark.parametrize("model", SECOND)
def test_converse_is_asked_first_where_it_can_say_all(
    client: openai.OpenAI, simulators: Simulators, model: str
) -> None:
    client.chat.completions.create(model=model, messages=HELLO[1:], max_tokens=50)
    assert operations(simulators) == ["Converse"]


@pytest.mark.parametrize(
    ("model", "more", "param"),
    [
        ("jurassic", {"tools": [WEATHER]}, "tools"),
        ("command", {"seed": 7}, "seed"),
        ("titan", {"tools": [WEATHER]}, "tools"),
        ("imported-llama", {"stop": "x"}, "stop"),
        ("imported-nova", {"reasoning_effort": "low"}, "reasoning_effort"),
    ],
)
def test_what_no_way_can_say_is_refused_by_its_name(client: openai.OpenAI, model: str, more: Any, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, model, **more)
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", param)


def test_what_the_model_refuses_is_told_in_its_words(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="max_gen_len: 9000 is not less or equal to 8192"):
        client.chat.completions.create(model="imported-llama", messages=HELLO, max_tokens=9_000)


def test_an_exception_inside_a_stream_ends_it_with_an_error(client: openai.OpenAI, simulators: Simulators) -> None:
    simulators.controls.faults.rules.append(
        Fault(kind=Kind.STREAM_EXCEPTION, provider=Faulty.BEDROCK, name="throttlingException", after_events=3)
    )
    with pytest.raises(openai.APIError, match="Too many requests"):
        list(ask(client, "imported-llama", stream=True))
