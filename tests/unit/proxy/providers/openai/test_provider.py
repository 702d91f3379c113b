import pytest

from pilothouse_api.names import ModelName, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, BearerToken, Credential, NoCredential
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint, Responses
from pilothouse_api.snapshot.providers import Endpoint, Model
from pilothouse_proxy.call import Call, Peek
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.http import heads, origins
from pilothouse_proxy.http.messages import UpstreamRequest
from pilothouse_proxy.operations import DialectName, Operation
from pilothouse_proxy.providers.openai.provider import PROVIDER


def prepare(
    *,
    endpoint: Endpoint | None = None,
    credential: Credential | None = None,
    operation: Operation = Operation.CHAT,
    upstream: str = "gpt",
) -> UpstreamRequest:
    place = endpoint or OpenAIEndpoint(url="https://llm.example:8443/v1")
    model = Model(upstream=UpstreamModel(upstream))
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
        credential=credential or APIKey(key=Secret("sk-1")),
        call=call,
        body=b"{}",
        now=0.0,
    )


@pytest.mark.parametrize(
    ("operation", "target"),
    [
        (Operation.CHAT, b"/v1/chat/completions"),
        (Operation.EMBEDDINGS, b"/v1/embeddings"),
        (Operation.RERANK, b"/v1/rerank"),
    ],
)
def test_an_operation_goes_below_the_base_url(operation: Operation, target: bytes) -> None:
    request = prepare(operation=operation)
    assert (request.target, request.origin.host, request.origin.port) == (target, "llm.example", 8443)


@pytest.mark.parametrize("credential", [APIKey(key=Secret("sk-1")), BearerToken(token=Secret("sk-1"), expires_at=1)])
def test_keys_and_tokens_are_sent_as_bearer_and_no_compression_is_asked_for(credential: Credential) -> None:
    lines = b"content-type: application/json\r\naccept-encoding: identity\r\nauthorization: Bearer sk-1\r\n"
    assert prepare(credential=credential).headers == lines
    assert PROVIDER.unfit(credential) == ""


def test_a_server_without_sign_in_gets_no_key() -> None:
    assert heads.header_lines(prepare(credential=NoCredential()).headers).count(b":") == 2


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
    with pytest.raises(TypeError, match="BedrockEndpoint"):
        prepare(endpoint=BedrockEndpoint(url="https://x", region="eu-west-1"))


def test_an_error_answer_is_read_with_its_request_id() -> None:
    failure = PROVIDER.classify(status=503, headers=[(b"x-request-id", b"req_1")], body=b"", now=0.0)
    assert (failure.kind, failure.request_id) == (Kind.UNAVAILABLE, "req_1")


@pytest.mark.parametrize(
    ("responses", "operation", "upstream", "dialect"),
    [
        (Responses.NATIVE, Operation.RESPONSES, "gpt-4o", DialectName.OPENAI_RESPONSES),
        (Responses.NATIVE, Operation.CHAT, "gpt-4o", DialectName.OPENAI_CHAT),
        (Responses.NATIVE, Operation.CHAT, "gpt-5-codex", DialectName.OPENAI_RESPONSES),
        (Responses.TRANSLATED, Operation.RESPONSES, "gpt-4o", DialectName.OPENAI_CHAT),
        # A server without responses that lists such a model has it by chat.
        (Responses.TRANSLATED, Operation.CHAT, "gpt-5-codex", DialectName.OPENAI_CHAT),
    ],
)
def test_responses_are_asked_for_as_the_endpoint_says(
    responses: Responses, operation: Operation, upstream: str, dialect: DialectName
) -> None:
    endpoint = OpenAIEndpoint(url="https://llm.example/v1", responses=responses)
    assert PROVIDER.dialects(operation, endpoint, Model(upstream=UpstreamModel(upstream))) == (dialect,)


def test_responses_go_below_the_base_url() -> None:
    endpoint = OpenAIEndpoint(url="https://llm.example/v1", responses=Responses.NATIVE)
    assert prepare(endpoint=endpoint, operation=Operation.RESPONSES).target == b"/v1/responses"


@pytest.mark.parametrize(
    ("url", "model", "dialect"),
    [
        ("https://api.openai.com/v1", "gpt-3.5-turbo-instruct", DialectName.OPENAI_COMPLETIONS),
        ("https://api.openai.com/v1", "gpt-4o", DialectName.OPENAI_CHAT),
        ("https://api.openai.com/v1", "what-comes-next", DialectName.OPENAI_CHAT),
        ("https://eu.api.openai.com/v1", "what-comes-next", DialectName.OPENAI_CHAT),
        ("http://vllm.models.svc:8000/v1", "what-comes-next", DialectName.OPENAI_COMPLETIONS),
        ("http://vllm.models.svc:8000/v1", "meta-llama/Llama-3.3-70B", DialectName.OPENAI_COMPLETIONS),
        ("https://router.example/v1", "openai/gpt-4o", DialectName.OPENAI_CHAT),
        ("https://api.openai.com.example/v1", "x", DialectName.OPENAI_COMPLETIONS),
    ],
)
def test_legacy_completions_go_to_whoever_serves_them(url: str, model: str, dialect: DialectName) -> None:
    spoken = PROVIDER.dialects(Operation.COMPLETIONS, OpenAIEndpoint(url=url), Model(upstream=UpstreamModel(model)))
    assert spoken == (dialect,)


def test_a_legacy_completion_has_a_path_of_its_own() -> None:
    assert prepare(operation=Operation.COMPLETIONS, upstream="llama").target == b"/v1/completions"
    assert prepare(operation=Operation.COMPLETIONS, upstream="gpt-4o").target == b"/v1/chat/completions"
