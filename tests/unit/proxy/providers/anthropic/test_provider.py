from collections.abc import Mapping

import pytest

from pilothouse_api.names import ModelName, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, BearerToken, Credential, NoCredential
from pilothouse_api.snapshot.endpoints.anthropic import AnthropicEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from pilothouse_api.snapshot.providers import Endpoint, Model
from pilothouse_proxy.call import Call, Peek
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.http import origins
from pilothouse_proxy.http.messages import UpstreamRequest
from pilothouse_proxy.operations import Operation
from pilothouse_proxy.providers.anthropic.provider import PROVIDER

FOUNDRY = "https://team.services.ai.azure.com/anthropic"


def prepare(
    *,
    endpoint: Endpoint | None = None,
    credential: Credential | None = None,
    operation: Operation = Operation.CHAT,
    headers: Mapping[bytes, bytes] | None = None,
) -> UpstreamRequest:
    place = endpoint or AnthropicEndpoint(url="https://api.anthropic.com")
    model = Model(upstream=UpstreamModel("claude-sonnet-5-5"))
    call = Call(
        operation=operation,
        request_id="r",
        created=0,
        peek=Peek(model=ModelName("m")),
        body=b"",
        model=model,
        dialect=PROVIDER.dialects(operation, place, model)[0],
        streams=False,
        headers=headers or {},
    )
    return PROVIDER.prepare(
        endpoint=place,
        base=origins.base(place.url, connect_timeout_ms=5_000, pool_size=8, ca_bundle=None),
        credential=credential or APIKey(key=Secret("sk-ant-1")),
        call=call,
        body=b"{}",
        now=0.0,
    )


@pytest.mark.parametrize(
    ("operation", "url", "target"),
    [
        (Operation.CHAT, "https://api.anthropic.com", b"/v1/messages"),
        (Operation.MESSAGES, FOUNDRY, b"/anthropic/v1/messages"),
        (Operation.COUNT_TOKENS, "https://api.anthropic.com", b"/v1/messages/count_tokens"),
    ],
)
def test_an_operation_goes_below_the_base_url(operation: Operation, url: str, target: bytes) -> None:
    assert prepare(operation=operation, endpoint=AnthropicEndpoint(url=url)).target == target


def test_embeddings_are_not_offered() -> None:
    model = Model(upstream=UpstreamModel("claude-sonnet-5-5"))
    assert PROVIDER.dialects(Operation.EMBEDDINGS, AnthropicEndpoint(url=FOUNDRY), model) == ()


@pytest.mark.parametrize(
    ("credential", "line"),
    [
        (APIKey(key=Secret("sk-ant-1")), b"x-api-key: sk-ant-1\r\n"),
        (BearerToken(token=Secret("eyJ"), expires_at=1), b"authorization: Bearer eyJ\r\n"),
        (NoCredential(), b""),
    ],
)
def test_keys_and_tokens_go_different_ways(credential: Credential, line: bytes) -> None:
    shared = b"content-type: application/json\r\naccept-encoding: identity\r\n"
    assert prepare(credential=credential).headers == shared + line + b"anthropic-version: 2023-06-01\r\n"
    assert PROVIDER.unfit(credential) == ""


def test_a_client_of_messages_chooses_version_and_betas() -> None:
    told = {b"anthropic-version": b"2026-10-21", b"anthropic-beta": b"a-2026-01-01,b-2026-01-01"}
    lines = bytes(prepare(operation=Operation.MESSAGES, headers=told).headers)
    assert lines.endswith(b"anthropic-version: 2026-10-21\r\nanthropic-beta: a-2026-01-01,b-2026-01-01\r\n")
    assert lines.count(b"anthropic-version") == 1


@pytest.mark.parametrize(
    "credential",
    [
        APIKey(key=Secret("")),
        APIKey(key=Secret("sk\r\nx-evil: 1")),
        BearerToken(token=Secret("sk\r\nx-evil: 1")),
        APIKey(key=Secret("schlüssel-evil")),
        AccessKey(access_key_id="AKIDEXAMPLE", secret_access_key=Secret("evil")),
    ],
)
def test_a_key_that_cannot_be_sent_is_said_without_showing_it(credential: Credential) -> None:
    with pytest.raises(GatewayError) as raised:
        prepare(credential=credential)
    assert raised.value.kind is Kind.UPSTREAM_AUTH
    assert "evil" not in raised.value.message
    assert PROVIDER.unfit(credential) == raised.value.message


def test_another_kinds_endpoint_is_a_defect_of_ours() -> None:
    with pytest.raises(TypeError, match="OpenAIEndpoint"):
        prepare(endpoint=OpenAIEndpoint(url="https://x/v1"))


def test_an_error_answer_is_read_with_its_request_id() -> None:
    failure = PROVIDER.classify(status=529, headers=[(b"request-id", b"req_1")], body=b"", now=0.0)
    assert (failure.kind, failure.request_id) == (Kind.NOT_READY, "req_1")
