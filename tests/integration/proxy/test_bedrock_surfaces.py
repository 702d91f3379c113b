"""The SDKs of OpenAI and Anthropic through a proxy to each of Bedrock's APIs, and what the manifest can set."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, RouteKey, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, Credential
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.providers import Model, Provider
from pilothouse_api.snapshot.routes import Target
from pilothouse_api.snapshot.settings import Guardrail, Settings, Surface
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from tests.integration.proxy.configurations import IDENTITY, KEY, route
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.process import Process, process
from tests.simulators import credentials
from tests.simulators.bedrock.guardrails import BLOCKED
from tests.simulators.bedrock.invoke import claude  # noqa: F401 -- loaded before a request waits for it
from tests.simulators.fleet import Simulators

SIGNED, KEYED, PASSING = (ProviderKey(f"clouds/{name}") for name in ("signed", "keyed", "passing"))
API_KEY = "ABSK-of-the-proxy-0123456789"
GUARDRAIL = Guardrail(identifier="gr1a2b3c4d5e", version="3", trace="enabled")
GPT, GPT_OSS, NOVA = "global.openai.gpt-5.6", "openai.gpt-oss-120b-1:0", "amazon.nova-pro-v1:0"
SONNET, OPUS = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.anthropic.claude-opus-5-5"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
ROUTER = "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/amazon.nova:1"
MODELS = {
    "gpt": Model(upstream=UpstreamModel(GPT), settings=Settings(surface=Surface.OPENAI)),
    "gpt-mantle": Model(upstream=UpstreamModel(GPT), settings=Settings(surface=Surface.MANTLE_OPENAI)),
    "oss": Model(upstream=UpstreamModel(GPT_OSS), settings=Settings(surface=Surface.OPENAI)),
    "oss-mantle": Model(upstream=UpstreamModel(GPT_OSS), settings=Settings(surface=Surface.MANTLE_OPENAI)),
    "oss-converse": Model(upstream=UpstreamModel(GPT_OSS)),
    "nova": Model(upstream=UpstreamModel(NOVA)),
    "fast": Model(upstream=UpstreamModel(NOVA), settings=Settings(latency="optimized", service_tier="flex")),
    "guarded": Model(upstream=UpstreamModel(NOVA), settings=Settings(guardrail=GUARDRAIL)),
    "llama": Model(upstream=UpstreamModel(LLAMA)),
    "sonnet": Model(upstream=UpstreamModel(SONNET)),
    "sonnet-converse": Model(upstream=UpstreamModel(SONNET), settings=Settings(surface=Surface.CONVERSE)),
    "opus": Model(upstream=UpstreamModel(OPUS)),
    "opus-invoke": Model(upstream=UpstreamModel(OPUS), settings=Settings(surface=Surface.INVOKE)),
    "opus-mantle": Model(upstream=UpstreamModel(OPUS), settings=Settings(surface=Surface.MANTLE_ANTHROPIC)),
    "routed": Model(upstream=UpstreamModel(ROUTER)),
}
HELLO: Any = [{"role": "user", "content": "Hello there"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PERSON: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "person",
        "schema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    },
}


def configuration(simulators: Simulators) -> Snapshot:
    """Every model signed (`name`) and with an API key (`keyed-name`); names passed on through a guarded provider."""
    endpoint = BedrockEndpoint(url=simulators.bedrock_url, region="us-east-1", mantle_url=simulators.mantle_url)
    access_key: Credential = AccessKey(
        access_key_id=credentials.SESSION_ACCESS_KEY_ID,
        secret_access_key=Secret(credentials.SESSION_SECRET_ACCESS_KEY),
        session_token=Secret(credentials.SESSION_TOKEN),
    )
    keyed = {f"keyed-{name}": model for name, model in MODELS.items()}
    return Snapshot(
        schema=SCHEMA,
        scope=GATEWAY_SCOPE,
        providers={
            SIGNED: Provider(endpoint=endpoint, models=MODELS),
            KEYED: Provider(endpoint=endpoint, models=keyed),
            PASSING: Provider(endpoint=endpoint, settings=Settings(guardrail=GUARDRAIL)),
        },
        credentials={SIGNED: access_key, KEYED: APIKey(key=Secret(API_KEY)), PASSING: access_key},
        routes={
            RouteKey("apps/signed"): route(Target(provider=SIGNED), models=tuple(MODELS)),
            RouteKey("apps/keyed"): route(Target(provider=KEYED), models=tuple(keyed)),
            RouteKey("apps/passing"): route(Target(provider=PASSING), models=(NOVA,)),
        },
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
    simulators.controls.keys.bedrock[API_KEY] = "proxy"
    return shared_client


@pytest.fixture(scope="module")
def shared_messages(proxy: Process) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=f"http://127.0.0.1:{proxy.port}", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def messages(client: openai.OpenAI, shared_messages: anthropic.Anthropic) -> anthropic.Anthropic:
    return shared_messages


def chat(client: openai.OpenAI, model: str, content: str = "Hello there", **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}], **more)


def streamed(client: openai.OpenAI, model: str, content: str = "Hello there", **more: Any) -> list[Any]:
    return list(chat(client, model, content, stream=True, stream_options={"include_usage": True}, **more))


def text(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def finish(chunks: list[Any]) -> str:
    return next(chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason)


def targets(simulators: Simulators) -> list[str]:
    return [record.request.target.decode() for record in simulators.controls.recorder.records]


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gpt", "/openai/v1/chat/completions"),
        ("oss", "/openai/v1/chat/completions"),
        ("oss-mantle", "/v1/chat/completions"),
        ("oss-converse", "/model/openai.gpt-oss-120b-1%3A0/converse"),
    ],
)
@pytest.mark.parametrize("sign_in", ["", "keyed-"])
def test_each_surface_is_reached_by_signature_and_by_api_key(
    client: openai.OpenAI, simulators: Simulators, model: str, path: str, sign_in: str
) -> None:
    answer = chat(client, sign_in + model)
    assert answer.choices[0].finish_reason == "stop"
    chunks = streamed(client, sign_in + model)
    assert (finish(chunks), chunks[-1].usage.completion_tokens > 0) == ("stop", True)
    assert [target.removesuffix("-stream") for target in targets(simulators)] == [path, path]


@pytest.mark.parametrize("model", ["gpt", "keyed-gpt"])
def test_a_long_prompt_is_signed_and_sent_to_its_last_byte(
    client: openai.OpenAI, simulators: Simulators, model: str
) -> None:
    prompt = "Hello there \u2693 " * 10_000
    assert chat(client, model, prompt).choices[0].finish_reason == "stop"
    (record,) = simulators.controls.recorder.records
    assert json.loads(record.request.body)["messages"] == [{"role": "user", "content": prompt}]


OPUS_PATH, SONNET_PATH = f"/model/{OPUS}", f"/model/{SONNET.replace(':', '%3A')}"


@pytest.mark.parametrize(
    ("model", "whole", "stream"),
    [
        ("opus", "/anthropic/v1/messages", "/anthropic/v1/messages"),
        ("opus-mantle", "/anthropic/v1/messages", "/anthropic/v1/messages"),
        ("opus-invoke", f"{OPUS_PATH}/invoke", f"{OPUS_PATH}/invoke-with-response-stream"),
        ("sonnet", f"{SONNET_PATH}/invoke", f"{SONNET_PATH}/invoke-with-response-stream"),
        ("sonnet-converse", f"{SONNET_PATH}/converse", f"{SONNET_PATH}/converse-stream"),
    ],
)
@pytest.mark.parametrize("sign_in", ["", "keyed-"])
def test_claude_is_asked_by_its_clients_as_the_surface_says(
    messages: anthropic.Anthropic, simulators: Simulators, model: str, whole: str, stream: str, sign_in: str
) -> None:
    asked: Any = {"model": sign_in + model, "max_tokens": 512, "messages": HELLO}
    answer = messages.messages.create(**asked)
    assert (answer.stop_reason, answer.usage.output_tokens > 0) == ("end_turn", True)
    with messages.messages.stream(**asked) as told:
        assert told.get_final_message().content[-1].to_dict() == answer.content[-1].to_dict()
    assert targets(simulators) == [whole, stream]


@pytest.mark.parametrize(
    ("model", "whole", "stream"),
    [
        ("opus", f"{OPUS_PATH}/converse", f"{OPUS_PATH}/converse-stream"),
        ("opus-invoke", f"{OPUS_PATH}/invoke", f"{OPUS_PATH}/invoke-with-response-stream"),
        ("opus-mantle", "/anthropic/v1/messages", "/anthropic/v1/messages"),
        ("sonnet", f"{SONNET_PATH}/converse", f"{SONNET_PATH}/converse-stream"),
    ],
)
def test_clients_of_chat_reach_claude_by_its_own_body_where_the_manifest_says_so(
    client: openai.OpenAI, simulators: Simulators, model: str, whole: str, stream: str
) -> None:
    answer = chat(client, model, 'call get_weather {"city": "Oslo"}', tools=[WEATHER])
    assert json.loads(answer.choices[0].message.tool_calls[0].function.arguments) == {"city": "Oslo"}
    chunks = streamed(client, model)
    assert (finish(chunks), chunks[-1].usage.completion_tokens > 0) == ("stop", True)
    assert targets(simulators) == [whole, stream]


def test_what_a_surface_does_not_take_goes_through_converse(client: openai.OpenAI, simulators: Simulators) -> None:
    answer = chat(client, "gpt", "call get_weather {}", tools=[WEATHER], reasoning_effort="low")
    assert answer.choices[0].finish_reason == "tool_calls"
    assert targets(simulators) == ["/model/global.openai.gpt-5.6/converse"]


def test_what_neither_takes_is_refused_in_the_surfaces_words(client: openai.OpenAI, simulators: Simulators) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        chat(client, "gpt", temperature=0.5)
    assert refused.value.param == "temperature"
    assert targets(simulators) == []


def test_an_error_of_a_surface_is_told_as_bedrocks_own(client: openai.OpenAI, simulators: Simulators) -> None:
    simulators.controls.models.bedrock.clear()
    with pytest.raises(openai.InternalServerError) as refused:
        chat(client, "gpt")
    assert (refused.value.status_code, refused.value.code) == (502, "upstream_model_missing")


@pytest.mark.parametrize("model", ["guarded", NOVA])
def test_a_guardrail_holds_back_what_it_must(client: openai.OpenAI, model: str) -> None:
    """For a listed model, and for a name that is passed on."""
    answer = chat(client, model, "something forbidden")
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (BLOCKED, "content_filter")
    chunks = streamed(client, model, "something forbidden")
    assert (text(chunks), finish(chunks)) == (BLOCKED, "content_filter")
    assert chat(client, model, "something kind").choices[0].finish_reason == "stop"


def test_a_guardrails_findings_reach_the_client_without_the_text(client: openai.OpenAI, proxy: Process) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="guarded", messages=[{"role": "user", "content": "mail me@example.com"}]
    )
    assert "{EMAIL}" in raw.text
    assert "me@example.com" not in raw.text.replace("mail me@example.com", "")


def test_latency_and_tier_are_asked_for(client: openai.OpenAI, simulators: Simulators) -> None:
    assert chat(client, "fast").service_tier == "flex"
    body = json.loads(simulators.controls.recorder.records[-1].request.body)
    assert (body["performanceConfig"], body["serviceTier"]) == ({"latency": "optimized"}, {"type": "flex"})
    chat(client, "fast", service_tier="priority")
    assert json.loads(simulators.controls.recorder.records[-1].request.body)["serviceTier"] == {"type": "priority"}


@pytest.mark.parametrize("more", [{}, {"tools": [WEATHER]}], ids=["alone", "beside tools"])
def test_an_answer_holds_to_a_schema_by_a_tool_that_stands_in(client: openai.OpenAI, more: Any) -> None:
    answer = chat(client, "nova", "call json_answer", response_format=PERSON, **more)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.tool_calls is None
    assert json.loads(answer.choices[0].message.content).keys() == {"name"}
    chunks = streamed(client, "nova", "call json_answer", response_format=PERSON, **more)
    assert finish(chunks) == "stop"
    assert json.loads(text(chunks)) == json.loads(answer.choices[0].message.content)


def test_tools_that_cannot_be_streamed_are_told_as_a_stream(client: openai.OpenAI, simulators: Simulators) -> None:
    chunks = streamed(client, "llama", 'call get_weather {"city": "Oslo"}', tools=[WEATHER])
    assert finish(chunks) == "tool_calls"
    pieces = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or ()]
    assert json.loads("".join(piece.function.arguments or "" for piece in pieces)) == {"city": "Oslo"}
    assert chunks[-1].usage.completion_tokens > 0
    assert streamed(client, "llama")
    operations = [record.operation for record in simulators.controls.recorder.records]
    assert operations == ["Converse", "ConverseStream"]


def test_the_model_that_a_router_has_chosen_is_told(client: openai.OpenAI, proxy: Process) -> None:
    raw = client.chat.completions.with_raw_response.create(model="routed", messages=HELLO)
    invoked = f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}"
    assert raw.headers["x-pilothouse-invoked-model"] == invoked
    assert proxy.request(raw.headers["x-request-id"])["upstream_model"] == invoked
    stream = client.chat.completions.with_raw_response.create(model="routed", messages=HELLO, stream=True)
    for _ in stream.parse():
        pass
    assert proxy.request(stream.headers["x-request-id"])["upstream_model"] == invoked


def test_tokens_are_counted_as_they_would_be_billed(client: openai.OpenAI, proxy: Process) -> None:
    url = f"http://127.0.0.1:{proxy.port}"
    with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0) as sdk:
        counted = sdk.messages.count_tokens(model="sonnet", messages=HELLO, system="Be brief.")
        answered = sdk.messages.create(model="sonnet", messages=HELLO, system="Be brief.", max_tokens=64)
        guessed = sdk.messages.with_raw_response.count_tokens(model="nova", messages=HELLO)
    assert guessed.headers["x-pilothouse-estimated"] == "true"
    assert counted.input_tokens == answered.usage.input_tokens > 0


def test_the_providers_clock_is_followed_wherever_it_goes(client: openai.OpenAI, simulators: Simulators) -> None:
    for skew_s in (3_600.0, -3_600.0, 0.0):
        simulators.controls.recorder.reset()
        simulators.controls.settings.bedrock_clock_skew_s = skew_s
        assert chat(client, "nova").choices[0].finish_reason == "stop"
        assert chat(client, "nova").choices[0].finish_reason == "stop"
        assert len(targets(simulators)) == 3


def test_a_request_that_follows_the_clock_is_no_repetition(client: openai.OpenAI, simulators: Simulators) -> None:
    simulators.controls.settings.bedrock_clock_skew_s = 7_200
    raw = client.chat.completions.with_raw_response.create(model="nova", messages=HELLO)
    assert raw.headers["x-pilothouse-attempts"] == "2"
    simulators.controls.settings.bedrock_clock_skew_s = 0
    chat(client, "nova")


RESPONDING = ("gpt", "gpt-mantle", "oss", "oss-mantle", "oss-converse", "nova", "sonnet", "llama")


@pytest.mark.parametrize("model", [*RESPONDING, "keyed-gpt", "keyed-gpt-mantle"])
def test_responses_reach_every_surface(client: openai.OpenAI, model: str) -> None:
    answer = client.responses.create(model=model, input="Hello there", store=False)
    assert (answer.object, answer.status) == ("response", "completed")
    assert "Hello there" in answer.output_text
    with client.responses.stream(model=model, input="Hello there", store=False) as stream:
        final = stream.get_final_response()
    assert (final.output_text, final.usage) == (answer.output_text, answer.usage)


def test_responses_pass_to_who_has_them_and_their_memory_is_bedrocks(client: openai.OpenAI) -> None:
    first = client.responses.create(model="gpt", input="Hello")
    second = client.responses.create(model="gpt", input="And now?", previous_response_id=first.id)
    assert "turns=3" in second.output_text


@pytest.mark.parametrize("streams", [False, True])
def test_chat_reaches_a_model_that_has_responses_alone(client: openai.OpenAI, streams: bool) -> None:
    if streams:
        chunks = streamed(client, "gpt-mantle")
        assert "Hello there" in text(chunks)
        assert finish(chunks) == "stop"
        return
    assert "Hello there" in chat(client, "gpt-mantle").choices[0].message.content


def test_messages_reach_a_model_that_has_responses_alone(proxy: Process, client: openai.OpenAI) -> None:
    with anthropic.Anthropic(base_url=f"http://127.0.0.1:{proxy.port}", api_key=KEY, max_retries=0) as sdk:
        asked: Any = {"model": "gpt-mantle", "max_tokens": 100, "messages": HELLO}
        answer = sdk.messages.create(**asked)
        assert "Hello there" in answer.content[-1].text
        with sdk.messages.stream(**asked) as stream:
            assert stream.get_final_text() == answer.content[-1].text
