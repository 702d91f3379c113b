import pytest

from pilothouse_api.names import ModelName, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, BearerToken, Credential, NoCredential
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from pilothouse_api.snapshot.providers import Endpoint, Model
from pilothouse_proxy.call import Call, Peek
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.http import heads, origins
from pilothouse_proxy.http.messages import UpstreamRequest
from pilothouse_proxy.operations import DialectName, Operation
from pilothouse_proxy.providers.bedrock.provider import PROVIDER

KEY = AccessKey(access_key_id="AKIDEXAMPLE", secret_access_key=Secret("secret"), session_token=Secret("token"))
ENDPOINT = BedrockEndpoint(url="https://bedrock-runtime.eu-west-1.amazonaws.com", region="eu-west-1")


def prepare(
    *,
    endpoint: Endpoint = ENDPOINT,
    credential: Credential = KEY,
    stream: bool = False,
    dialect: DialectName = DialectName.BEDROCK_CONVERSE,
) -> UpstreamRequest:
    call = Call(
        operation=Operation.CHAT,
        request_id="r",
        created=0,
        peek=Peek(model=ModelName("claude"), stream=stream),
        body=b"as the client sent it",
        model=Model(upstream=UpstreamModel("amazon.nova-lite-v1:0")),
        dialect=dialect,
        streams=stream,
    )
    return PROVIDER.prepare(
        endpoint=endpoint,
        base=origins.base(endpoint.url, connect_timeout_ms=1_500, pool_size=8, ca_bundle=None),
        credential=credential,
        call=call,
        body=b"{}",
        now=1_700_000_000.0,
    )


def test_what_models_write_alone_is_spoken_and_as_converse() -> None:
    model = Model(upstream=UpstreamModel("amazon.nova-lite-v1:0"))
    spoken = {operation: PROVIDER.dialects(operation, ENDPOINT, model) for operation in Operation}
    assert {operation: found for operation, found in spoken.items() if found} == {
        Operation.CHAT: (DialectName.BEDROCK_CONVERSE,),
        Operation.RESPONSES: (DialectName.BEDROCK_CONVERSE,),
        Operation.MESSAGES: (DialectName.BEDROCK_CONVERSE,),
        Operation.COMPLETIONS: (DialectName.BEDROCK_CONVERSE,),
    }


def test_other_operations_go_by_the_model() -> None:
    model = Model(upstream=UpstreamModel("amazon.titan-embed-text-v2:0"))
    assert PROVIDER.dialects(Operation.EMBEDDINGS, ENDPOINT, model) == (DialectName.BEDROCK_TITAN_EMBED,)


def test_a_call_goes_to_converse_on_the_endpoint() -> None:
    request = prepare()
    assert (request.method, request.target) == (b"POST", b"/model/amazon.nova-lite-v1%3A0/converse")
    assert (request.origin.scheme, request.origin.host, request.origin.port) == (
        "https",
        "bedrock-runtime.eu-west-1.amazonaws.com",
        443,
    )
    assert (request.origin.connect_timeout_s, request.origin.pool_size, request.body) == (1.5, 8, b"{}")


def test_a_call_that_streams_goes_to_converse_stream() -> None:
    assert prepare(stream=True).target.endswith(b"/converse-stream")


@pytest.mark.parametrize("credential", [KEY, APIKey(key=Secret("k1"))])
def test_native_bodies_go_to_invoke(credential: Credential) -> None:
    request = prepare(dialect=DialectName.BEDROCK_TITAN_EMBED, credential=credential)
    assert request.target == b"/model/amazon.nova-lite-v1%3A0/invoke"


def test_region_and_service_are_the_endpoints_own_not_the_hosts() -> None:
    endpoint = BedrockEndpoint(url="http://127.0.0.1:9000/x", region="us-east-2")
    request = prepare(endpoint=endpoint)
    assert request.target.startswith(b"/x/model/")
    assert b"/us-east-2/bedrock/aws4_request" in heads.header_lines(request.headers)


def test_the_session_token_goes_along() -> None:
    assert b"\r\nx-amz-security-token: token\r\n" in heads.header_lines(prepare().headers)


@pytest.mark.parametrize(
    "credential",
    [
        NoCredential(),
        APIKey(key=Secret("key\r\nx-evil: 1")),
        BearerToken(token=Secret("")),
        BearerToken(token=Secret("tökén")),
        AccessKey(access_key_id="AKID\r\nx-evil: 1", secret_access_key=Secret("s")),
        AccessKey(access_key_id="AKIDEXAMPLE", secret_access_key=Secret("s"), session_token=Secret("tökén\n")),
    ],
)
def test_a_credential_that_cannot_sign_is_said_without_showing_it(credential: Credential) -> None:
    with pytest.raises(GatewayError) as raised:
        prepare(credential=credential)
    assert raised.value.kind is Kind.UPSTREAM_AUTH
    assert "evil" not in raised.value.message and "tök" not in raised.value.message
    assert PROVIDER.unfit(credential) == raised.value.message


@pytest.mark.parametrize("credential", [APIKey(key=Secret("k1")), BearerToken(token=Secret("k1"), expires_at=1)])
def test_an_api_key_goes_as_a_bearer_token_and_nothing_is_signed(credential: Credential) -> None:
    lines = heads.header_lines(prepare(credential=credential, stream=True).headers)
    assert lines == b"content-type: application/json\r\nauthorization: Bearer k1\r\n"


@pytest.mark.parametrize("credential", [KEY, APIKey(key=Secret("k1")), BearerToken(token=Secret("k1"))])
def test_what_can_sign_in_is_fit(credential: Credential) -> None:
    assert PROVIDER.unfit(credential) == ""


def test_another_kinds_endpoint_is_a_defect_of_ours() -> None:
    with pytest.raises(TypeError, match="OpenAIEndpoint"):
        prepare(endpoint=OpenAIEndpoint(url="https://api.openai.com/v1"))
