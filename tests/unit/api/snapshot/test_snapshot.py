import pytest

from pilothouse_api.names import ProviderKey, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import APIKey, Credential, NoCredential
from pilothouse_api.snapshot.endpoints.anthropic import AnthropicEndpoint
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from pilothouse_api.snapshot.providers import Connection, Model, Provider, Proxy
from pilothouse_api.snapshot.settings import Guardrail, Settings, Surface
from pilothouse_api.snapshot.snapshot import schema_of

DIRECT = Provider(endpoint=OpenAIEndpoint(url="https://api.openai.com/v1"))
THROUGH = Provider(endpoint=DIRECT.endpoint, connection=Connection(proxy=Proxy(url="http://proxy:3128")))
BEDROCK = Provider(endpoint=BedrockEndpoint(url="https://bedrock-runtime.eu-west-1.amazonaws.com", region="eu-west-1"))
ONE, OTHER = ProviderKey("a/b"), ProviderKey("a/c")


def test_a_snapshot_says_no_higher_schema_than_it_needs() -> None:
    free = {ONE: NoCredential(), OTHER: NoCredential()}
    assert schema_of({}, {}) == schema_of({ONE: DIRECT}, free) == 1
    assert schema_of({ONE: DIRECT, OTHER: THROUGH}, free) == 2


def test_only_a_proxy_that_knows_of_renewals_may_run_a_provider_whose_credential_comes_so() -> None:
    assert schema_of({ONE: DIRECT, OTHER: THROUGH}, {OTHER: NoCredential()}) == 3


def test_only_a_proxy_that_can_send_an_api_key_to_bedrock_may_get_one() -> None:
    assert schema_of({ONE: BEDROCK}, {ONE: APIKey(key=Secret("key"))}) == 3


@pytest.mark.parametrize(
    "settings", [Settings(guardrail=Guardrail(identifier="gr", version="1")), Settings(surface=Surface.MANTLE_OPENAI)]
)
def test_what_must_not_be_passed_over_needs_a_proxy_that_knows_it(settings: Settings) -> None:
    listed = Provider(endpoint=DIRECT.endpoint, models={"m": Model(upstream=UpstreamModel("m"), settings=settings)})
    passed = Provider(endpoint=DIRECT.endpoint, settings=settings)
    free: dict[ProviderKey, Credential] = {ONE: NoCredential()}
    assert schema_of({ONE: listed}, free) == schema_of({ONE: passed}, free) == 4


def test_a_mere_wish_does_not() -> None:
    wish = Provider(endpoint=DIRECT.endpoint, settings=Settings(latency="optimized"))
    assert schema_of({ONE: wish}, {ONE: NoCredential()}) == 1


def test_only_a_proxy_that_can_decode_anthropics_endpoint_may_get_one() -> None:
    claude = Provider(endpoint=AnthropicEndpoint(url="https://api.anthropic.com"))
    assert schema_of({ONE: DIRECT, OTHER: claude}, {ONE: NoCredential()}) == 4
