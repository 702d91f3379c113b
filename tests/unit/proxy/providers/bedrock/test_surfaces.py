"""Which of Bedrock's APIs a model is asked through."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from pilothouse_api.names import ModelName, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, Credential
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.providers import Model
from pilothouse_api.snapshot.settings import Guardrail, Settings, Surface
from pilothouse_proxy.call import Call, Peek
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import members
from pilothouse_proxy.http import heads, origins
from pilothouse_proxy.http.messages import UpstreamRequest
from pilothouse_proxy.operations import DialectName, Operation
from pilothouse_proxy.providers.bedrock import surfaces
from pilothouse_proxy.providers.bedrock.provider import PROVIDER

D = DialectName
ENDPOINT = BedrockEndpoint(
    url="https://bedrock-runtime.us-east-1.amazonaws.com",
    region="us-east-1",
    mantle_url="https://bedrock-mantle.us-east-1.api.aws",
)
KEY = AccessKey(access_key_id="AKIDEXAMPLE", secret_access_key=Secret("secret"))
GUARDRAIL = Guardrail(identifier="gr1", version="3", trace="enabled_full")
OPUS_5, SONNET_4, GPT, OSS = (
    "us.anthropic.claude-opus-5-5",
    "anthropic.claude-sonnet-4-20250514-v1:0",
    "global.openai.gpt-5.6",
    "openai.gpt-oss-120b-1:0",
)
OPAQUE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"


def model(upstream: str, *, family: str | None = None, **settings: Any) -> Model:
    return Model(upstream=UpstreamModel(upstream), family=family, settings=Settings(**settings) if settings else None)


@pytest.mark.parametrize(
    ("operation", "asked", "expected"),
    [
        ("chat", model(OPUS_5), (D.BEDROCK_CONVERSE, D.ANTHROPIC_MESSAGES)),
        ("messages", model(OPUS_5), (D.ANTHROPIC_MESSAGES, D.BEDROCK_INVOKE_ANTHROPIC, D.BEDROCK_CONVERSE)),
        ("messages", model(SONNET_4), (D.BEDROCK_INVOKE_ANTHROPIC, D.BEDROCK_CONVERSE)),
        ("chat", model(SONNET_4), (D.BEDROCK_CONVERSE,)),
        ("chat", model(SONNET_4, surface=Surface.INVOKE), (D.BEDROCK_INVOKE_ANTHROPIC, D.BEDROCK_CONVERSE)),
        ("messages", model(OPUS_5, surface=Surface.CONVERSE), (D.BEDROCK_CONVERSE,)),
        ("messages", model(SONNET_4, surface=Surface.CONVERSE), (D.BEDROCK_CONVERSE,)),
        ("messages", model(SONNET_4, surface=Surface.INVOKE), (D.BEDROCK_INVOKE_ANTHROPIC, D.BEDROCK_CONVERSE)),
        ("chat", model(GPT), (D.BEDROCK_CONVERSE,)),
        ("chat", model(GPT, surface=Surface.OPENAI), (D.OPENAI_CHAT, D.BEDROCK_CONVERSE, D.OPENAI_RESPONSES)),
        ("responses", model(GPT, surface=Surface.OPENAI), (D.OPENAI_RESPONSES, D.BEDROCK_CONVERSE, D.OPENAI_CHAT)),
        ("responses", model(OSS, surface=Surface.OPENAI), (D.BEDROCK_CONVERSE, D.BEDROCK_INVOKE_OPENAI, D.OPENAI_CHAT)),
        ("messages", model(OSS, surface=Surface.OPENAI), (D.BEDROCK_CONVERSE, D.BEDROCK_INVOKE_OPENAI, D.OPENAI_CHAT)),
        ("chat", model(OSS, surface=Surface.MANTLE_OPENAI), (D.OPENAI_CHAT, D.OPENAI_RESPONSES)),
        ("chat", model(GPT, surface=Surface.MANTLE_OPENAI), (D.OPENAI_RESPONSES,)),
        ("chat", model(OPUS_5, surface=Surface.MANTLE_ANTHROPIC), (D.ANTHROPIC_MESSAGES,)),
        ("chat", model(OPAQUE, surface=Surface.OPENAI), (D.OPENAI_CHAT, D.BEDROCK_CONVERSE, D.OPENAI_RESPONSES)),
        (
            "messages",
            model(OPAQUE, family="claude-opus-5-5"),
            (D.ANTHROPIC_MESSAGES, D.BEDROCK_INVOKE_ANTHROPIC, D.BEDROCK_CONVERSE),
        ),
        ("messages", model(OPUS_5, guardrail=GUARDRAIL), (D.BEDROCK_INVOKE_ANTHROPIC, D.BEDROCK_CONVERSE)),
        ("embeddings", model(OPUS_5), ()),
        ("count_tokens", model(OPUS_5), (D.BEDROCK_COUNT_TOKENS,)),
        ("count_tokens", model("amazon.nova-pro-v1:0"), ()),
    ],
)
def test_the_clients_own_language_goes_first_where_the_model_has_it(
    operation: str, asked: Model, expected: tuple[DialectName, ...]
) -> None:
    assert surfaces.dialects(operation, asked) == expected


def call(
    dialect: DialectName, asked: Model, *, stream: bool = False, said: Mapping[bytes, bytes] = {}, **body: Any
) -> Call:
    raw = json.dumps(body).encode()
    return Call(
        operation=Operation.MESSAGES if dialect is D.ANTHROPIC_MESSAGES else Operation.CHAT,
        request_id="r",
        created=0,
        peek=Peek(model=ModelName("m"), stream=stream, members=members.read(raw)),
        body=raw,
        model=asked,
        dialect=dialect,
        streams=stream,
        headers=said,
    )


def prepare(asked: Call, credential: Credential = KEY) -> UpstreamRequest:
    url = PROVIDER.url(ENDPOINT, asked.dialect, asked.model)
    return PROVIDER.prepare(
        endpoint=ENDPOINT,
        base=origins.base(url, connect_timeout_ms=1_000, pool_size=1, ca_bundle=None),
        credential=credential,
        call=asked,
        body=b"{}",
        now=1_700_000_000.0,
    )


def headers(request: UpstreamRequest) -> dict[str, str]:
    given = request.headers
    lines = given.decode() if isinstance(given, bytes) else heads.header_lines(given).decode()
    return dict(line.split(": ", 1) for line in lines.splitlines())


MANTLE = model(OSS, surface=Surface.MANTLE_OPENAI)
INVOKED = "/model/anthropic.claude-sonnet-4-20250514-v1%3A0/invoke"


@pytest.mark.parametrize(
    ("dialect", "asked", "host", "path", "service"),
    [
        (D.OPENAI_CHAT, model(GPT, surface=Surface.OPENAI), "runtime", "/openai/v1/chat/completions", "bedrock"),
        (D.OPENAI_RESPONSES, model(GPT, surface=Surface.OPENAI), "runtime", "/openai/v1/responses", "bedrock"),
        (D.ANTHROPIC_MESSAGES, model(OPUS_5), "runtime", "/anthropic/v1/messages", "bedrock"),
        (D.OPENAI_CHAT, MANTLE, "mantle", "/v1/chat/completions", "bedrock-mantle"),
        (
            D.OPENAI_RESPONSES,
            model(GPT, surface=Surface.MANTLE_OPENAI),
            "mantle",
            "/openai/v1/responses",
            "bedrock-mantle",
        ),
        (
            D.ANTHROPIC_MESSAGES,
            model(OPUS_5, surface=Surface.MANTLE_ANTHROPIC),
            "mantle",
            "/anthropic/v1/messages",
            "bedrock-mantle",
        ),
        (
            D.BEDROCK_INVOKE_ANTHROPIC,
            model(SONNET_4),
            "runtime",
            f"/model/{SONNET_4.replace(':', '%3A')}/invoke",
            "bedrock",
        ),
        (D.BEDROCK_COUNT_TOKENS, model(OPUS_5), "runtime", "/model/anthropic.claude-opus-5-5/count-tokens", "bedrock"),
    ],
)
def test_each_dialect_has_its_host_its_path_and_what_is_signed_for(
    dialect: DialectName, asked: Model, host: str, path: str, service: str
) -> None:
    request = prepare(call(dialect, asked))
    assert request.origin.host.startswith(f"bedrock-{host}.")
    assert request.target.decode() == path
    assert f"/us-east-1/{service}/aws4_request" in headers(request)["authorization"]


def test_an_api_key_is_sent_to_a_surface_as_to_bedrock() -> None:
    request = prepare(call(D.OPENAI_CHAT, MANTLE), APIKey(key=Secret("ABSK-1")))
    assert headers(request)["authorization"] == "Bearer ABSK-1"
    assert headers(request)["accept-encoding"] == "identity"


@pytest.mark.parametrize("surface", [None, Surface.MANTLE_ANTHROPIC])
@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ({}, {"anthropic-version": "2023-06-01"}),
        ({b"anthropic-version": b"2026-10-21"}, {"anthropic-version": "2026-10-21"}),
        (
            {b"anthropic-version": b"2023-06-01", b"anthropic-beta": b"a-2025-01-01,b-2025-01-01"},
            {"anthropic-version": "2023-06-01", "anthropic-beta": "a-2025-01-01,b-2025-01-01"},
        ),
    ],
    ids=["a client of another API", "a version", "betas"],
)
def test_a_client_of_messages_chooses_version_and_betas_itself(
    surface: Surface | None, said: Mapping[bytes, bytes], sent: dict[str, str]
) -> None:
    asked = model(OPUS_5) if surface is None else model(OPUS_5, surface=surface)
    found = headers(prepare(call(D.ANTHROPIC_MESSAGES, asked, said=said)))
    assert {name: value for name, value in found.items() if name.startswith("anthropic-")} == sent


def test_what_a_client_of_messages_chooses_stays_there() -> None:
    said = {b"anthropic-version": b"2026-10-21", b"anthropic-beta": b"a-2025-01-01"}
    for dialect in (D.BEDROCK_INVOKE_ANTHROPIC, D.BEDROCK_CONVERSE):
        found = headers(prepare(call(dialect, model(SONNET_4), said=said)))
        assert not [name for name in found if name.startswith("anthropic-")]


def test_both_hosts_are_known_beforehand() -> None:
    assert PROVIDER.urls(ENDPOINT) == (ENDPOINT.url, ENDPOINT.mantle_url)


@pytest.mark.parametrize("credential", [KEY, APIKey(key=Secret("ABSK-1"))])
def test_what_the_manifest_sets_stands_in_the_headers_of_invoke_model_and_is_signed(credential: Credential) -> None:
    asked = model(SONNET_4, guardrail=GUARDRAIL, latency="optimized", service_tier="flex")
    found = headers(prepare(call(D.BEDROCK_INVOKE_ANTHROPIC, asked, stream=True), credential))
    own = {name: value for name, value in found.items() if name.startswith("x-amzn-bedrock-")}
    assert own == {
        "x-amzn-bedrock-guardrailidentifier": "gr1",
        "x-amzn-bedrock-guardrailversion": "3",
        "x-amzn-bedrock-trace": "ENABLED_FULL",
        "x-amzn-bedrock-performanceconfig-latency": "optimized",
        "x-amzn-bedrock-service-tier": "flex",
    }
    if credential is KEY:
        signed = found["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        assert own.keys() <= set(signed)


REFUSED: list[tuple[str, dict[str, Any]]] = [
    (GPT, {"temperature": 0.5}),
    (GPT, {"tools": [{"type": "function"}]}),
    (GPT, {"logprobs": True, "reasoning_effort": "low"}),
    (GPT, {"n": 2}),
    (OSS, {"logit_bias": {"1": 1}}),
    (OSS, {"response_format": {"type": "json_object"}}),
    ("xai.grok-5", {"reasoning_effort": "none"}),
    ("xai.grok-5", {"presence_penalty": 0.5}),
]
TAKEN: list[tuple[str, dict[str, Any]]] = [
    (GPT, {"temperature": 0.5, "reasoning_effort": "none"}),
    (GPT, {"tools": [{"type": "function"}], "reasoning_effort": "none"}),
    (GPT, {"temperature": 1, "top_p": 1.0, "n": 1, "tools": [], "logprobs": False, "presence_penalty": None}),
    (OSS, {"temperature": 0.5, "response_format": {"type": "text"}, "logit_bias": {}}),
    ("xai.grok-5", {"reasoning_effort": "low", "presence_penalty": 0}),
    (OPAQUE, {"temperature": 0.5, "n": 2}),
]


@pytest.mark.parametrize(("upstream", "body"), REFUSED)
def test_what_a_surface_is_known_to_refuse_is_refused_by_name(upstream: str, body: dict[str, Any]) -> None:
    with pytest.raises(GatewayError) as refused:
        PROVIDER.check(call(D.OPENAI_CHAT, model(upstream, surface=Surface.OPENAI), **body))
    assert (refused.value.kind, refused.value.param) == (Kind.UNSUPPORTED, next(iter(body)))


@pytest.mark.parametrize(("upstream", "body"), TAKEN)
def test_what_it_takes_and_what_asks_for_nothing_passes(upstream: str, body: dict[str, Any]) -> None:
    PROVIDER.check(call(D.OPENAI_CHAT, model(upstream, surface=Surface.OPENAI), **body))


@pytest.mark.parametrize(("upstream", "body"), REFUSED)
def test_converse_is_asked_whatever_the_surface_refuses(upstream: str, body: dict[str, Any]) -> None:
    PROVIDER.check(call(D.BEDROCK_CONVERSE, model(upstream, surface=Surface.OPENAI), **body))
