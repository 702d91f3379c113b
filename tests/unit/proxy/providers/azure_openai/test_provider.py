import pytest

from pilothouse_api.names import ModelName, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, BearerToken, Credential, NoCredential
from pilothouse_api.snapshot.endpoints.azure_openai import AzureOpenAIEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from pilothouse_api.snapshot.providers import Endpoint, Model
from pilothouse_proxy.call import Call, Peek
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.http import origins
from pilothouse_proxy.http.messages import UpstreamRequest
from pilothouse_proxy.operations import DialectName, Operation
from pilothouse_proxy.providers.azure_openai.endpoint import meters_streams
from pilothouse_proxy.providers.azure_openai.provider import PROVIDER

URL = "https://res.openai.azure.com"


def prepare(
    *,
    endpoint: Endpoint | None = None,
    credential: Credential | None = None,
    operation: Operation = Operation.CHAT,
    deployment: str = "gpt-4o/eu",
) -> UpstreamRequest:
    place = endpoint or AzureOpenAIEndpoint(url=URL)
    model = Model(upstream=UpstreamModel(deployment))
    call = Call(
        operation=operation,
        request_id="r",
        created=0,
        peek=Peek(model=ModelName("m")),
        body=b"",
        model=model,
        dialect=PROVIDER.dialects(operation, place, model)[0],
        streams=False,
    )
    return PROVIDER.prepare(
        endpoint=place,
        base=origins.base(place.url, connect_timeout_ms=5_000, pool_size=8, ca_bundle=None),
        credential=credential or APIKey(key=Secret("k1")),
        call=call,
        body=b"{}",
        now=0.0,
    )


@pytest.mark.parametrize(
    ("version", "operation", "target"),
    [
        ("v1", Operation.CHAT, b"/openai/v1/chat/completions"),
        ("v1", Operation.EMBEDDINGS, b"/openai/v1/embeddings"),
        (
            "2024-10-21",
            Operation.CHAT,
            b"/openai/deployments/gpt-4o%2Feu/chat/completions?api-version=2024-10-21",
        ),
        (
            "2025-03-01-preview",
            Operation.EMBEDDINGS,
            b"/openai/deployments/gpt-4o%2Feu/embeddings?api-version=2025-03-01-preview",
        ),
        ("v1", Operation.RESPONSES, b"/openai/v1/responses"),
        ("2025-03-01-preview", Operation.RESPONSES, b"/openai/responses?api-version=2025-03-01-preview"),
        (
            "2024-10-21",
            Operation.RESPONSES,
            b"/openai/deployments/gpt-4o%2Feu/chat/completions?api-version=2024-10-21",
        ),
    ],
)
def test_both_forms_of_the_url_are_built(version: str, operation: Operation, target: bytes) -> None:
    request = prepare(endpoint=AzureOpenAIEndpoint(url=URL, api_version=version), operation=operation)
    assert (request.target, request.origin.host, request.body) == (target, "res.openai.azure.com", b"{}")


def test_the_key_is_sent_in_azures_own_header() -> None:
    assert prepare().headers == b"content-type: application/json\r\naccept-encoding: identity\r\napi-key: k1\r\n"


def test_a_token_of_entra_is_sent_as_bearer() -> None:
    token = BearerToken(token=Secret("eyJ.a-b"), expires_at=1)
    lines = b"content-type: application/json\r\naccept-encoding: identity\r\nauthorization: Bearer eyJ.a-b\r\n"
    assert prepare(credential=token).headers == lines
    assert PROVIDER.unfit(token) == ""


@pytest.mark.parametrize(
    ("version", "metered"),
    [
        ("v1", True),
        ("2024-09-01-preview", True),
        ("2024-10-21", True),
        ("2024-08-01-preview", False),
        ("2024-02-01", False),
    ],
)
def test_versions_before_stream_options_are_known(version: str, *, metered: bool) -> None:
    assert meters_streams(version) is metered


@pytest.mark.parametrize("deployment", ["", ".", ".."])
def test_a_deployment_that_would_leave_its_segment_is_refused(deployment: str) -> None:
    endpoint = AzureOpenAIEndpoint(url=URL, api_version="2024-10-21")
    with pytest.raises(GatewayError) as raised:
        prepare(endpoint=endpoint, deployment=deployment)
    assert raised.value.kind is Kind.MODEL_NOT_FOUND


@pytest.mark.parametrize(
    "credential",
    [
        NoCredential(),
        APIKey(key=Secret("k\nx-evil: 1")),
        BearerToken(token=Secret("k\nx-evil: 1")),
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
        prepare(endpoint=OpenAIEndpoint(url=URL))


@pytest.mark.parametrize(
    ("version", "model", "dialect"),
    [
        ("v1", Model(upstream=UpstreamModel("gpt-4o")), DialectName.OPENAI_CHAT),
        ("v1", Model(upstream=UpstreamModel("gpt-5-codex")), DialectName.OPENAI_RESPONSES),
        ("v1", Model(upstream=UpstreamModel("ours"), family="gpt-5.1-codex-max"), DialectName.OPENAI_RESPONSES),
        ("v1", Model(upstream=UpstreamModel("gpt-5-codex"), family="gpt-4o"), DialectName.OPENAI_CHAT),
        ("2025-04-01-preview", Model(upstream=UpstreamModel("o3-pro")), DialectName.OPENAI_RESPONSES),
        ("2024-10-21", Model(upstream=UpstreamModel("o3-pro")), DialectName.OPENAI_CHAT),
    ],
)
def test_chat_is_put_to_a_model_in_what_it_answers_to(version: str, model: Model, dialect: DialectName) -> None:
    endpoint = AzureOpenAIEndpoint(url=URL, api_version=version)
    assert PROVIDER.dialects(Operation.CHAT, endpoint, model) == (dialect,)


def test_a_translated_stream_does_not_ask_an_old_version_for_its_usage() -> None:
    place = AzureOpenAIEndpoint(url=URL, api_version="2024-06-01")
    call = Call(
        operation=Operation.RESPONSES,
        request_id="r",
        created=0,
        peek=Peek(model=ModelName("m"), stream=True, include_usage=True),
        body=b"",
        model=Model(upstream=UpstreamModel("gpt-4o")),
        dialect=DialectName.OPENAI_CHAT,
        streams=True,
    )
    sent = PROVIDER.prepare(
        endpoint=place,
        base=origins.base(place.url, connect_timeout_ms=5_000, pool_size=8, ca_bundle=None),
        credential=APIKey(key=Secret("k1")),
        call=call,
        body=b'{"messages":[],"stream":true,"stream_options":{"include_usage":true}}',
        now=0.0,
    )
    assert sent.body == b'{"messages":[],"stream":true}'


@pytest.mark.parametrize(
    ("deployment", "family", "target"),
    [
        ("gpt-35-turbo-instruct", None, b"/openai/v1/completions"),
        ("text", "gpt-3.5-turbo-instruct", b"/openai/v1/completions"),
        ("gpt-4o", None, b"/openai/v1/chat/completions"),
        ("text", None, b"/openai/v1/chat/completions"),
    ],
)
def test_legacy_completions_go_where_the_deployments_model_serves_them(
    deployment: str, family: str | None, target: bytes
) -> None:
    model = Model(upstream=UpstreamModel(deployment), family=family)
    place = AzureOpenAIEndpoint(url=URL)
    (dialect,) = PROVIDER.dialects(Operation.COMPLETIONS, place, model)
    call = Call(
        operation=Operation.COMPLETIONS,
        request_id="r",
        created=0,
        peek=Peek(model=ModelName("m")),
        body=b"",
        model=model,
        dialect=dialect,
        streams=False,
    )
    base = origins.base(place.url, connect_timeout_ms=5_000, pool_size=8, ca_bundle=None)
    request = PROVIDER.prepare(
        endpoint=place, base=base, credential=APIKey(key=Secret("k1")), call=call, body=b"{}", now=0.0
    )
    assert request.target == target
