"""Unmodified clients through a proxy to both simulated clouds, beside the same clients pointed straight at them."""

import base64
import itertools
import json
import math
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator
from typing import Any

import boto3
import openai
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from tests.integration.proxy.clouds import CLAUDE, DATED, NOVA, configuration
from tests.integration.proxy.configurations import KEY
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.process import Process, process
from tests.simulators import credentials
from tests.simulators.faults import Fault, Kind, Provider
from tests.simulators.fleet import Simulators
from tests.simulators.pacing import Pace

CHATS = ("claude", "nova", "gpt", "gpt-dated", "gpt-4o-mini")
POOL_SIZES = itertools.count(64)
STRAIGHT = {"gpt": "azure_v1", "gpt-dated": "azure", "gpt-4o-mini": "plain"}
HELLO: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello there"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module")
def control(simulators_thread: Simulators) -> Iterator[ControlServer]:
    with ControlServer(configuration(simulators_thread)) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(control: ControlServer) -> Iterator[Process]:
    with process(*control.flags) as running:
        running.event("configuration applied")
        yield running


@pytest.fixture
def forgiving(control: ControlServer, proxy: Process, simulators: Simulators) -> Iterator[None]:
    """What the test does to the targets is forgotten before and after it: their connections change in a detail."""
    control.wait_for_ack(control.publish(configuration(simulators, pool_size=next(POOL_SIZES))))
    yield
    control.wait_for_ack(control.publish(configuration(simulators, pool_size=next(POOL_SIZES))))


@pytest.fixture(scope="module")
def shared_client(proxy: Process) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{proxy.port}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def client(simulators: Simulators, shared_client: openai.OpenAI) -> openai.OpenAI:
    return shared_client


@pytest.fixture(scope="module")
def straight(simulators_thread: Simulators) -> Iterator[dict[str, openai.OpenAI]]:
    """The SDK pointed at each simulator, by the name of the model that the proxy sends there."""
    url = simulators_thread.azure_url
    key = credentials.AZURE_API_KEY
    found: dict[str, openai.OpenAI] = {
        "gpt": openai.OpenAI(base_url=f"{url}/openai/v1", api_key=key, max_retries=0),
        "gpt-dated": openai.AzureOpenAI(azure_endpoint=url, api_version=DATED, api_key=key, max_retries=0),
        "gpt-4o-mini": openai.OpenAI(
            base_url=simulators_thread.openai_url, api_key=credentials.OPENAI_API_KEY, max_retries=0
        ),
    }
    yield found
    for client in found.values():
        client.close()


def upstream_name(model: str) -> str:
    return model if model == "gpt-4o-mini" else "gpt-4o"


def stable(answer: Any) -> Any:
    """Without what differs from one call to the next."""
    found = answer if isinstance(answer, dict) else answer.model_dump()
    for member in ("id", "created", "system_fingerprint"):
        found.pop(member, None)
    return found


def png(width: int, height: int) -> str:
    """A white picture, as a data URL."""

    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = zlib.compress((b"\x00" + b"\xff" * 3 * width) * height)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    image = b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", rows) + part(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(image).decode()


@pytest.mark.parametrize("model", CHATS)
def test_chat(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=HELLO, max_tokens=100)
    (choice,) = answer.choices
    assert (choice.finish_reason, choice.message.role) == ("stop", "assistant")
    assert "Hello there" in (choice.message.content or "")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


@pytest.mark.parametrize("model", STRAIGHT)
def test_the_answer_is_that_of_the_provider_itself(
    client: openai.OpenAI, straight: dict[str, openai.OpenAI], model: str
) -> None:
    request: Any = {"messages": HELLO, "max_tokens": 50, "temperature": 0.5, "user": "me"}
    through = client.chat.completions.create(model=model, **request)
    direct = straight[model].chat.completions.create(model=upstream_name(model), **request)
    assert stable(through) == stable(direct)


@pytest.mark.parametrize("model", STRAIGHT)
def test_the_stream_is_that_of_the_provider_itself(
    client: openai.OpenAI, straight: dict[str, openai.OpenAI], model: str
) -> None:
    request: Any = {"messages": HELLO, "stream": True, "stream_options": {"include_usage": True}}
    through = [stable(chunk) for chunk in client.chat.completions.create(model=model, **request)]
    direct = [stable(chunk) for chunk in straight[model].chat.completions.create(model=upstream_name(model), **request)]
    assert through == direct


def test_a_model_that_does_not_stream_is_asked_for_the_whole_and_told_as_a_stream(
    client: openai.OpenAI, simulators: Simulators
) -> None:
    chunks = list(client.chat.completions.create(model="whole", messages=HELLO, stream=True))
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert [record.operation for record in simulators.controls.recorder.records] == ["Converse"]


def test_a_version_of_azure_that_knows_no_stream_options_streams_all_the_same(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="gpt-old", messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_a_client_that_asks_such_a_version_for_usage_is_told_what_it_refuses(client: openai.OpenAI) -> None:
    options: Any = {"stream": True, "stream_options": {"include_usage": True}}
    with pytest.raises(openai.BadRequestError, match="stream_options"):
        client.chat.completions.create(model="gpt-old", messages=HELLO, **options)


@pytest.mark.parametrize("model", CHATS)
def test_a_stream_says_the_same_as_the_whole_answer(client: openai.OpenAI, model: str) -> None:
    whole = client.chat.completions.create(model=model, messages=HELLO, max_tokens=100)
    chunks = list(
        client.chat.completions.create(
            model=model, messages=HELLO, max_tokens=100, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == whole.choices[0].message.content
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == ["stop"]
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize("model", CHATS)
async def test_the_asynchronous_client(proxy: Process, simulators: Simulators, model: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{proxy.port}/v1", api_key=KEY, max_retries=0) as client:
        stream = await client.chat.completions.create(model=model, messages=HELLO, stream=True)
        text = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    assert "Hello there" in "".join(text)


@pytest.mark.parametrize("model", CHATS)
def test_tools_and_their_results(client: openai.OpenAI, model: str) -> None:
    question: Any = [{"role": "user", "content": 'call get_weather {"city": "Oslo"} get_weather {"city": "Bergen"}'}]
    first = client.chat.completions.create(model=model, messages=question, tools=[WEATHER], max_tokens=200)
    (choice,) = first.choices
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls or []
    assert json.loads(calls[0].function.arguments) == {"city": "Oslo"}  # type: ignore[union-attr] # function tools only
    answered: Any = [
        *question,
        choice.message.model_dump(exclude_none=True),
        *({"role": "tool", "tool_call_id": call.id, "content": f"rain at {at}"} for at, call in enumerate(calls)),
    ]
    second = client.chat.completions.create(model=model, messages=answered, tools=[WEATHER], max_tokens=200)
    assert second.choices[0].finish_reason == "stop"
    assert "rain at 0" in (second.choices[0].message.content or "")


@pytest.mark.parametrize("model", CHATS)
def test_streamed_tool_calls_add_up(client: openai.OpenAI, model: str) -> None:
    chunks = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": 'call get_weather {"city": "Oslo"}'}],
        tools=[WEATHER],
        max_tokens=200,
        stream=True,
    )
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    parts = [call for delta in deltas for call in delta.tool_calls or []]
    assert [part.function.name for part in parts if part.function and part.function.name] == ["get_weather"]
    arguments = "".join(part.function.arguments or "" for part in parts if part.function)
    assert json.loads(arguments) == {"city": "Oslo"}


@pytest.mark.parametrize("model", CHATS)
def test_a_picture_arrives(client: openai.OpenAI, simulators: Simulators, model: str) -> None:
    content: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": png(8, 8)}},
    ]
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": content}], max_tokens=100
    )
    assert "images=1" in (answer.choices[0].message.content or "")


def test_embeddings_as_numbers_and_as_base64(client: openai.OpenAI, straight: dict[str, openai.OpenAI]) -> None:
    through = client.embeddings.create(model="embed", input=["a", "b"], dimensions=64)
    direct = straight["gpt"].embeddings.create(model="text-embedding-3-small", input=["a", "b"], dimensions=64)
    assert through.model_dump() == direct.model_dump()
    assert math.isclose(sum(value * value for value in through.data[0].embedding), 1.0, rel_tol=1e-3)
    floats = client.embeddings.create(model="embed", input="a", dimensions=64, encoding_format="float")
    assert floats.data[0].embedding == pytest.approx(through.data[0].embedding, abs=1e-6)


def test_embeddings_on_a_provider_that_offers_none_say_so(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="embeddings"):
        client.embeddings.create(model="claude", input="a")


def test_what_bedrock_cannot_do_is_refused_by_name(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="claude", messages=HELLO, logprobs=True)
    assert (raised.value.param, raised.value.code) == ("logprobs", "unsupported_parameter")


def test_what_one_cloud_cannot_do_the_other_does(client: openai.OpenAI, proxy: Process) -> None:
    answer = client.chat.completions.with_raw_response.create(model="chat", messages=HELLO, logprobs=True)
    assert answer.headers["x-pilothouse-provider"] == "clouds/azure"
    assert answer.headers["x-pilothouse-attempts"] == "1"
    metrics = proxy.ask("GET", "/metrics").body.decode()
    assert re.search('pilothouse_attempts_total{.*outcome="unsupported",provider="clouds/bedrock"}', metrics)


def test_the_list_of_models(client: openai.OpenAI) -> None:
    assert {model.id for model in client.models.list()} >= {*CHATS, "embed", "chat"}
    assert client.models.retrieve("claude").object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-unknown")


def test_a_wrong_key_is_an_authentication_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError, match="not known"):
        client.with_options(api_key="wrong-key-0123456789").chat.completions.create(model="gpt", messages=HELLO)


def test_an_unknown_model_is_a_not_found_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="gpt-unknown", messages=HELLO)
    assert raised.value.code == "model_not_found"


def test_a_name_that_the_provider_does_not_have_is_not_found_either(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-nowhere", messages=HELLO)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (Kind.THROTTLE, {}),
        (Kind.ERROR, {"name": "InternalServerException"}),
        (Kind.ERROR, {"name": "ServiceUnavailableException"}),
        (Kind.ERROR, {"name": "ModelNotReadyException"}),
        (Kind.HTML, {}),
        (Kind.EMPTY, {}),
        (Kind.BAD_JSON, {}),
        (Kind.NOT_HTTP, {}),
        (Kind.CLOSE, {}),
        (Kind.RESET, {}),
    ],
)
@pytest.mark.usefixtures("forgiving")
def test_one_cloud_s_fault_is_unseen_while_the_other_serves(
    client: openai.OpenAI, simulators: Simulators, kind: Kind, more: dict[str, Any]
) -> None:
    simulators.controls.fail(Fault(kind=kind, provider=Provider.BEDROCK, count=None, **more))
    answer = client.chat.completions.with_raw_response.create(model="chat", messages=HELLO)
    assert answer.headers["x-pilothouse-provider"] == "clouds/azure"
    assert int(answer.headers["x-pilothouse-attempts"]) >= 2


@pytest.mark.usefixtures("forgiving")
@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=Kind.CUT, provider=Provider.BEDROCK, after_events=1, count=None),
        Fault(kind=Kind.STREAM_EXCEPTION, provider=Provider.BEDROCK, after_events=1, count=None),
        Fault(kind=Kind.BAD_CRC, provider=Provider.BEDROCK, after_events=1, count=None),
    ],
    ids=["cut", "exception", "bad crc"],
)
def test_a_stream_that_breaks_before_its_content_is_replaced_by_the_other_cloud_s(
    client: openai.OpenAI, simulators: Simulators, fault: Fault
) -> None:
    simulators.controls.fail(fault)
    answer = client.chat.completions.with_raw_response.create(model="chat", messages=HELLO, stream=True)
    text = "".join(choice.delta.content or "" for chunk in answer.parse() for choice in chunk.choices)
    assert "azure" in text
    assert int(answer.headers["x-pilothouse-attempts"]) >= 2


@pytest.mark.usefixtures("forgiving")
@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ("claude", Fault(kind=Kind.STREAM_EXCEPTION, after_events=4)),
        ("claude", Fault(kind=Kind.CUT, after_events=4)),
        ("gpt", Fault(kind=Kind.STREAM_ERROR, after_events=4)),
        ("gpt", Fault(kind=Kind.CUT, after_events=4)),
    ],
)
def test_a_stream_that_breaks_in_its_content_raises_in_the_sdk(
    client: openai.OpenAI, simulators: Simulators, model: str, fault: Fault
) -> None:
    simulators.controls.fail(fault)
    text = ""
    stream = client.chat.completions.create(model=model, messages=HELLO, stream=True)
    with pytest.raises(openai.APIError):
        for chunk in stream:
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
    assert text


def test_a_filtered_prompt_keeps_what_azure_says_of_it(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(
            model="gpt", messages=[{"role": "user", "content": "simulate prompt-filter=hate"}]
        )
    assert raised.value.code == "content_filter"
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["innererror"]["content_filter_result"]["hate"]["filtered"] is True


@pytest.mark.parametrize("model", ["claude", "gpt"])
def test_a_client_that_leaves_stops_the_cloud(
    client: openai.OpenAI, proxy: Process, simulators: Simulators, model: str
) -> None:
    simulators.controls.pacing.set(Pace(between_events_ms=20))
    long: Any = [{"role": "user", "content": "simulate words=2000"}]
    stream = client.chat.completions.create(
        model=model, messages=long, max_tokens=4_000, stream=True, extra_headers={"x-request-id": f"leaves-{model}"}
    )
    for chunk in stream:
        if any(choice.delta.content for choice in chunk.choices):
            break
    stream.close()
    line = proxy.request(f"leaves-{model}")
    assert (line["status"], line["tokens_estimated"]) == (499, True)
    assert line["output_tokens"] < 200
    proxy.until(lambda: simulators.controls.recorder.records[-1].outcome == "client-gone", "the cloud goes on")


def curl(proxy: Process, path: str, *flags: str, body: Any = None) -> subprocess.CompletedProcess[str]:
    program = shutil.which("curl")
    assert program is not None, "curl is not installed"
    data = [] if body is None else ["-H", "content-type: application/json", "-d", json.dumps(body)]
    return subprocess.run(
        [program, "-sS", "--max-time", "10", "-H", f"Authorization: Bearer {KEY}", *flags, *data,
         f"http://127.0.0.1:{proxy.port}{path}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip


@pytest.mark.parametrize("model", CHATS)
def test_curl(proxy: Process, simulators: Simulators, model: str) -> None:
    answer = curl(proxy, "/v1/chat/completions", body={"model": model, "messages": HELLO})
    assert "Hello there" in json.loads(answer.stdout)["choices"][0]["message"]["content"]


@pytest.mark.parametrize("model", CHATS)
def test_curl_shows_the_stream_as_it_comes(proxy: Process, simulators: Simulators, model: str) -> None:
    answer = curl(proxy, "/v1/chat/completions", "-N", "-i", body={"model": model, "messages": HELLO, "stream": True})
    head, _, events = answer.stdout.partition("\n\n")
    assert "text/event-stream" in head
    assert events.startswith("data: {")
    assert events.endswith("data: [DONE]\n\n")


def test_curl_with_a_large_body_and_expect_continue(proxy: Process, simulators: Simulators) -> None:
    body = {"model": "gpt", "messages": [{"role": "user", "content": "x" * 300_000}]}
    answer = subprocess.run(
        [shutil.which("curl") or "curl", "-sS", "-H", f"Authorization: Bearer {KEY}", "-H", "Expect: 100-continue",
         "-H", "content-type: application/json", "--data-binary", "@-",
         f"http://127.0.0.1:{proxy.port}/v1/chat/completions"],
        input=json.dumps(body), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(answer.stdout)["object"] == "chat.completion"


def native(proxy: Process, provider: str) -> str:
    return f"http://127.0.0.1:{proxy.port}/providers/clouds:{provider}"


def test_the_sdk_of_azure_calls_its_own_api_through_the_gateway(
    proxy: Process, simulators: Simulators, straight: dict[str, openai.OpenAI]
) -> None:
    request: Any = {"model": "gpt-4o", "messages": HELLO, "max_tokens": 50}
    with openai.AzureOpenAI(
        azure_endpoint=native(proxy, "azure"), api_version=DATED, api_key=KEY, max_retries=0
    ) as client:
        assert stable(client.chat.completions.create(**request)) == stable(
            straight["gpt-dated"].chat.completions.create(**request)
        )


def test_an_openai_compatible_server_is_called_below_its_base_url(proxy: Process, simulators: Simulators) -> None:
    with openai.OpenAI(base_url=native(proxy, "plain"), api_key=KEY, max_retries=0) as client:
        assert client.models.list().data


@pytest.fixture
def bedrock(proxy: Process) -> Any:
    """boto3 as docs/clients.md has it: unsigned, with the gateway's key."""
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=native(proxy, "bedrock"),
        config=Config(signature_version=UNSIGNED, retries={"max_attempts": 0}),
    )
    client.meta.events.register(
        "before-send.bedrock-runtime", lambda request, **_: request.headers.update(Authorization=f"Bearer {KEY}")
    )
    yield client
    client.close()


def test_boto3_calls_bedrock_through_the_gateway_which_signs(bedrock: Any, simulators: Simulators) -> None:
    answer = bedrock.converse(modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": "Hello there"}]}])
    assert "Hello there" in answer["output"]["message"]["content"][0]["text"]
    assert answer["usage"]["totalTokens"] > 0


def test_boto3_streams_through_the_gateway(bedrock: Any, simulators: Simulators) -> None:
    answer = bedrock.converse_stream(modelId=NOVA, messages=[{"role": "user", "content": [{"text": "Hello there"}]}])
    events = list(answer["stream"])
    assert "metadata" in events[-1]
