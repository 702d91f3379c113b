"""Prepared requests, sent by the proxy's own client to the simulators: accepted or refused, and why."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pilothouse_api.names import ModelName, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, Credential
from pilothouse_api.snapshot.endpoints.azure_openai import AzureOpenAIEndpoint
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from pilothouse_api.snapshot.providers import Endpoint, Model
from pilothouse_proxy.call import Call, Peek
from pilothouse_proxy.errors import Failure, Kind
from pilothouse_proxy.framing import eventstream, sse
from pilothouse_proxy.http import origins
from pilothouse_proxy.http.client import Client
from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.operations import Operation
from pilothouse_proxy.providers import registry
from tests.simulators import credentials, faults
from tests.simulators.faults import Fault
from tests.simulators.fleet import Simulators

STATIC = AccessKey(access_key_id=credentials.ACCESS_KEY_ID, secret_access_key=Secret(credentials.SECRET_ACCESS_KEY))
SESSION = AccessKey(
    access_key_id=credentials.SESSION_ACCESS_KEY_ID,
    secret_access_key=Secret(credentials.SESSION_SECRET_ACCESS_KEY),
    session_token=Secret(credentials.SESSION_TOKEN),
)
AZURE_KEY = APIKey(key=Secret(credentials.AZURE_API_KEY))
OPENAI_KEY = APIKey(key=Secret(credentials.OPENAI_API_KEY))
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "hello"}]}], "inferenceConfig": {"maxTokens": 64}}


@pytest.fixture
async def simulators() -> AsyncIterator[Simulators]:
    async with Simulators() as fleet:
        yield fleet


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client(ClientLimits())
    yield client
    client.close()


async def call(
    client: Client,
    endpoint: Endpoint,
    credential: Credential,
    model: str,
    document: dict[str, Any],
    *,
    stream: bool = False,
    now: float | None = None,
) -> bytes | Failure:
    """The body of a 2xx answer, or what another one means."""
    provider = registry.for_endpoint(endpoint)
    body = json.dumps(document).encode()
    now = time.time() if now is None else now
    called = Model(upstream=UpstreamModel(model))
    request = provider.prepare(
        endpoint=endpoint,
        base=origins.base(endpoint.url, connect_timeout_ms=5_000, pool_size=8, ca_bundle=None),
        credential=credential,
        call=Call(
            operation=Operation.CHAT,
            request_id="r",
            created=0,
            peek=Peek(model=ModelName("asked"), stream=stream),
            body=body,
            model=called,
            dialect=provider.dialects(Operation.CHAT, endpoint, called)[0],
            streams=stream,
        ),
        body=body,
        now=now,
    )
    response = await client.send(request, first_byte_timeout_s=10)
    answer = await response.read(1_000_000, 10)
    if response.status // 100 == 2:
        return answer
    return provider.classify(status=response.status, headers=response.headers, body=answer, now=now)


def bedrock(simulators: Simulators) -> BedrockEndpoint:
    return BedrockEndpoint(url=simulators.bedrock_url, region="us-east-1")


@pytest.mark.parametrize("credential", [STATIC, SESSION], ids=["static", "session"])
@pytest.mark.parametrize(
    "model",
    [
        "amazon.nova-pro-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
    ],
)
async def test_bedrock_accepts_the_signature_for_every_form_of_id(
    simulators: Simulators, client: Client, credential: AccessKey, model: str
) -> None:
    answer = await call(client, bedrock(simulators), credential, model, CONVERSE)
    assert isinstance(answer, bytes)
    assert json.loads(answer)["stopReason"] == "end_turn"


async def test_a_converse_stream_is_cut_into_its_events(simulators: Simulators, client: Client) -> None:
    answer = await call(client, bedrock(simulators), SESSION, "amazon.nova-pro-v1:0", CONVERSE, stream=True)
    assert isinstance(answer, bytes)
    decoder = eventstream.Decoder()
    names = [message.headers[":event-type"] for message in decoder.feed(answer)]
    decoder.end()
    assert decoder.broken is None
    assert (names[0], names[-2:]) == ("messageStart", ["messageStop", "metadata"])


async def test_a_wrong_secret_and_a_wrong_clock_are_the_configurations_fault(
    simulators: Simulators, client: Client
) -> None:
    wrong = AccessKey(access_key_id=credentials.ACCESS_KEY_ID, secret_access_key=Secret("wrong"))
    refused = await call(client, bedrock(simulators), wrong, "amazon.nova-pro-v1:0", CONVERSE)
    late = await call(client, bedrock(simulators), STATIC, "amazon.nova-pro-v1:0", CONVERSE, now=time.time() - 900)
    assert isinstance(refused, Failure) and refused.kind is Kind.UPSTREAM_AUTH
    assert isinstance(late, Failure) and late.kind is Kind.UPSTREAM_AUTH
    assert "clock" in late.message and "clock" not in refused.message


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ThrottlingException", Kind.RATE_LIMITED),
        ("ServiceQuotaExceededException", Kind.UPSTREAM_QUOTA),
        ("ModelNotReadyException", Kind.NOT_READY),
        ("ModelTimeoutException", Kind.TIMEOUT),
        ("ModelErrorException", Kind.PROVIDER_ERROR),
        ("AccessDeniedException", Kind.UPSTREAM_PERMISSION),
        ("ResourceNotFoundException", Kind.UPSTREAM_MODEL_MISSING),
        ("ServiceUnavailableException", Kind.UNAVAILABLE),
    ],
)
@pytest.mark.parametrize(
    "shape", [faults.Shape.HEADER, faults.Shape.HEADER_URL, faults.Shape.BODY, faults.Shape.CAPITAL]
)
async def test_bedrocks_exceptions_are_known_wherever_their_name_stands(
    simulators: Simulators, client: Client, name: str, kind: Kind, shape: faults.Shape
) -> None:
    simulators.controls.fail(Fault(kind=faults.Kind.ERROR, name=name, shape=shape))
    failure = await call(client, bedrock(simulators), STATIC, "amazon.nova-pro-v1:0", CONVERSE)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.code) == (kind, name)
    assert failure.request_id is not None


async def test_a_model_that_needs_a_profile_says_so(simulators: Simulators, client: Client) -> None:
    failure = await call(client, bedrock(simulators), STATIC, "anthropic.claude-sonnet-4-5-20250929-v1:0", CONVERSE)
    assert isinstance(failure, Failure)
    assert failure.kind is Kind.MISCONFIGURED
    assert "inference profile" in failure.message


def chat(model: str, **more: object) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hello"}], **more}


@pytest.mark.parametrize("version", ["v1", "2024-10-21"])
async def test_azure_answers_in_both_forms_of_its_url(simulators: Simulators, client: Client, version: str) -> None:
    endpoint = AzureOpenAIEndpoint(url=simulators.azure_url, api_version=version)
    answer = await call(client, endpoint, AZURE_KEY, "gpt-4o", chat("gpt-4o"))
    assert isinstance(answer, bytes)
    assert json.loads(answer)["choices"][0]["finish_reason"] == "stop"


async def test_an_azure_stream_is_cut_into_its_events(simulators: Simulators, client: Client) -> None:
    endpoint = AzureOpenAIEndpoint(url=simulators.azure_url)
    answer = await call(client, endpoint, AZURE_KEY, "gpt-4o", chat("gpt-4o", stream=True), stream=True)
    assert isinstance(answer, bytes)
    events = sse.Decoder().feed(answer)
    assert b"".join(event.raw for event in events) == answer
    assert events[-1].data == b"[DONE]"


@pytest.mark.parametrize(
    ("version", "model", "key", "kind"),
    [
        ("v1", "nowhere", AZURE_KEY, Kind.UPSTREAM_MODEL_MISSING),
        ("2024-10-21", "nowhere", AZURE_KEY, Kind.UPSTREAM_MODEL_MISSING),
        ("1999-01-01", "gpt-4o", AZURE_KEY, Kind.MISCONFIGURED),
        ("v1", "gpt-4o", APIKey(key=Secret("wrong")), Kind.UPSTREAM_AUTH),
    ],
)
async def test_what_azure_refuses_is_the_configurations_fault(
    simulators: Simulators, client: Client, version: str, model: str, key: APIKey, kind: Kind
) -> None:
    endpoint = AzureOpenAIEndpoint(url=simulators.azure_url, api_version=version)
    failure = await call(client, endpoint, key, model, chat(model))
    assert isinstance(failure, Failure) and failure.kind is kind


@pytest.mark.parametrize(
    ("fault", "model", "kind"),
    [
        (Fault(kind=faults.Kind.THROTTLE, retry_after_ms=1_500), "gpt-4o", Kind.RATE_LIMITED),
        (Fault(kind=faults.Kind.THROTTLE, name="utilisation", retry_after_ms=1_500), "gpt-4o-ptu", Kind.CAPACITY),
        (Fault(kind=faults.Kind.PROMPT_FILTER), "gpt-4o", Kind.CONTENT_FILTER),
        (Fault(kind=faults.Kind.HTML, status=502), "gpt-4o", Kind.UNAVAILABLE),
        (Fault(kind=faults.Kind.EMPTY), "gpt-4o", Kind.UNAVAILABLE),
    ],
)
async def test_azures_faults_are_known(
    simulators: Simulators, client: Client, fault: Fault, model: str, kind: Kind
) -> None:
    simulators.controls.fail(fault)
    failure = await call(client, AzureOpenAIEndpoint(url=simulators.azure_url), AZURE_KEY, model, chat(model))
    assert isinstance(failure, Failure) and failure.kind is kind
    assert failure.retry_after_s == (1.5 if kind in {Kind.RATE_LIMITED, Kind.CAPACITY} else None)
    assert (failure.detail is not None) is (kind is Kind.CONTENT_FILTER)


async def test_an_openai_compatible_server_takes_the_bearer_key_and_refuses_another(
    simulators: Simulators, client: Client
) -> None:
    endpoint = OpenAIEndpoint(url=simulators.openai_url)
    answer = await call(client, endpoint, OPENAI_KEY, "gpt-4o", chat("gpt-4o"))
    refused = await call(client, endpoint, APIKey(key=Secret("sk-wrong")), "gpt-4o", chat("gpt-4o"))
    missing = await call(client, endpoint, OPENAI_KEY, "gpt-none", chat("gpt-none"))
    assert isinstance(answer, bytes)
    assert isinstance(refused, Failure) and refused.kind is Kind.UPSTREAM_AUTH
    assert isinstance(missing, Failure) and missing.kind is Kind.UPSTREAM_MODEL_MISSING
    assert "sk-wrong" not in repr(refused)
