import ssl
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.config import Config

from pilothouse_api.conditions import Problem
from pilothouse_api.resources.provider import LLMProviderSpec
from pilothouse_api.snapshot.endpoints.azure_openai import AzureOpenAIEndpoint
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint, Responses
from pilothouse_api.snapshot.providers import Connection, Provider, Proxy
from pilothouse_operator.compile.lowering import lower
from tests.unit.api.rule_cases import AZURE, BEDROCK

EXAMPLE = Path(__file__).parents[4] / "examples" / "manifests" / "provider-in-cluster.yaml"
CERTIFICATE: str = yaml.safe_load(EXAMPLE.read_text())["spec"]["connection"]["tls"]["caBundle"]


def lowered(spec: dict[str, Any]) -> Provider | Problem:
    members = {key: value for key, value in spec.items() if value is not None}
    return lower(LLMProviderSpec.model_validate(members), {}, listed=False)


def with_bundle(bundle: str) -> Provider | Problem:
    return lowered({"openAI": {"baseURL": "https://x/v1"}, "connection": {"tls": {"caBundle": bundle}}})


def host(region: str, **fields: str) -> str:
    found = lowered({"bedrock": {**BEDROCK["bedrock"], "region": region, **fields}})
    assert isinstance(found, Provider)
    assert isinstance(found.endpoint, BedrockEndpoint)
    assert found.endpoint.region == region
    return found.endpoint.url


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("us-east-1", "https://bedrock-runtime.us-east-1.amazonaws.com"),
        ("mx-central-1", "https://bedrock-runtime.mx-central-1.amazonaws.com"),
        ("us-gov-east-1", "https://bedrock-runtime.us-gov-east-1.amazonaws.com"),
        ("eusc-de-east-1", "https://bedrock-runtime.eusc-de-east-1.amazonaws.eu"),
        ("cn-northwest-1", "https://bedrock-runtime.cn-northwest-1.amazonaws.com.cn"),
        ("us-iso-west-1", "https://bedrock-runtime.us-iso-west-1.c2s.ic.gov"),
        ("us-isob-east-1", "https://bedrock-runtime.us-isob-east-1.sc2s.sgov.gov"),
        ("eu-isoe-west-1", "https://bedrock-runtime.eu-isoe-west-1.cloud.adc-e.uk"),
        ("us-isof-south-1", "https://bedrock-runtime.us-isof-south-1.csp.hci.ic.gov"),
    ],
)
def test_a_region_has_the_host_of_its_partition(region: str, expected: str) -> None:
    assert host(region) == expected


def test_our_hosts_are_those_of_the_aws_sdk() -> None:
    for region in ("us-east-1", "eu-central-1", "us-gov-west-1", "eusc-de-east-1", "cn-north-1", "us-iso-east-1"):
        for fips in (False, True):
            config = Config(use_fips_endpoint=fips)
            client = boto3.client(
                "bedrock-runtime", region, config=config, aws_access_key_id="x", aws_secret_access_key="x"
            )
            assert host(region, fips="Enabled" if fips else "Disabled") == client.meta.endpoint_url


def test_an_endpoint_of_one_s_own_keeps_the_region_for_the_signature() -> None:
    assert host("eu-west-1", endpoint="http://127.0.0.1:9101/") == "http://127.0.0.1:9101"


def test_a_region_of_no_partition_needs_an_endpoint() -> None:
    found = lowered({"bedrock": {**BEDROCK["bedrock"], "region": "moon-base-1"}})
    assert isinstance(found, Problem)
    assert found.field == "spec.bedrock.region"
    assert host("moon-base-1", endpoint="https://bedrock.moon.example") == "https://bedrock.moon.example"


def test_azure_and_openai_keep_their_url_in_its_one_form() -> None:
    azure = lowered({**AZURE, "azureOpenAI": {**AZURE["azureOpenAI"], "endpoint": "https://X.openai.azure.com/"}})
    openai = lowered({"openAI": {"baseURL": "https://API.openai.com/v1/"}})
    assert isinstance(azure, Provider)
    assert isinstance(openai, Provider)
    assert azure.endpoint == AzureOpenAIEndpoint(url="https://x.openai.azure.com", api_version="v1")
    assert openai.endpoint == OpenAIEndpoint(url="https://api.openai.com/v1", responses=Responses.NATIVE)


@pytest.mark.parametrize(
    ("url", "asked", "responses"),
    [
        ("https://api.openai.com/v1", {}, Responses.NATIVE),
        ("https://eu.api.openai.com/v1", {}, Responses.NATIVE),
        ("https://api.openai.com/v1", {"responses": "Translated"}, Responses.TRANSLATED),
        ("https://x.openai.azure.com/openai/v1", {}, Responses.NATIVE),
        ("https://x.services.ai.azure.com/openai/v1", {}, Responses.NATIVE),
        ("https://api.openai.com.example/v1", {}, Responses.TRANSLATED),
        ("http://api.openai.com/v1", {}, Responses.TRANSLATED),
        ("https://vllm.models.svc:8000/v1", {}, Responses.TRANSLATED),
        ("https://vllm.models.svc:8000/v1", {"responses": "Native"}, Responses.NATIVE),
    ],
)
def test_responses_are_asked_of_who_has_them(url: str, asked: dict[str, Any], responses: Responses) -> None:
    found = lowered({"openAI": {"baseURL": url, **asked}})
    assert isinstance(found, Provider)
    assert found.endpoint == OpenAIEndpoint(url=url, responses=responses)


def test_no_connection_and_an_empty_one_are_the_same() -> None:
    bare, empty = {"openAI": {"baseURL": "https://x/v1"}}, {"openAI": {"baseURL": "https://x/v1"}, "connection": {}}
    assert lowered(bare) == lowered(empty)


@pytest.mark.parametrize(
    "bundle",
    [
        CERTIFICATE,
        f"# the company's CA\n{CERTIFICATE}",
        CERTIFICATE.replace("\n", "\n  "),
        CERTIFICATE.replace("\n", "\r\n"),
        CERTIFICATE.replace("\n", ""),
        CERTIFICATE + "-----BEGIN CERTIFICATE-----\n",
        CERTIFICATE + "-----BEGIN SOMETHING-----\nAAAA\n",
        CERTIFICATE + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ],
)
def test_certificates_are_passed_on_alone_and_in_one_form(bundle: str) -> None:
    """The proxies' TLS library reads less than ours, and would refuse everything for it."""
    found = with_bundle(bundle)
    assert isinstance(found, Provider)
    assert found.connection == Connection(ca_bundle=CERTIFICATE)


@pytest.mark.parametrize(
    "bundle",
    [
        "-----BEGIN CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydA==\n-----END CERTIFICATE-----\n",
        CERTIFICATE.replace("M", "N", 3),
        "é" + CERTIFICATE,
    ],
)
def test_a_bundle_that_a_proxy_could_not_load_is_a_problem_of_its_provider(bundle: str) -> None:
    found = with_bundle(bundle)
    assert isinstance(found, Problem)
    assert found.field == "spec.connection.tls.caBundle"


def test_a_bundle_that_is_accepted_is_one_that_the_tls_library_loads() -> None:
    found = with_bundle(CERTIFICATE * 2)
    assert isinstance(found, Provider)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=found.connection.ca_bundle)
    assert context.cert_store_stats()["x509_ca"] == 1


def with_proxy(**proxy: Any) -> Provider | Problem:
    return lowered({"openAI": {"baseURL": "https://x/v1"}, "connection": {"proxy": proxy}})


def test_a_forward_proxy_has_its_url_in_the_one_form_and_a_trust_of_its_own() -> None:
    found = with_proxy(url="https://Proxy.Example:443/", tls={"caBundle": f"# egress\n{CERTIFICATE}"})
    assert isinstance(found, Provider)
    assert found.connection == Connection(proxy=Proxy(url="https://proxy.example", ca_bundle=CERTIFICATE))


def test_a_damaged_bundle_of_a_forward_proxy_is_named_by_its_own_field() -> None:
    found = with_proxy(url="https://proxy.example", tls={"caBundle": "-----BEGIN CERTIFICATE-----\n"})
    assert isinstance(found, Problem)
    assert found.field == "spec.connection.proxy.tls.caBundle"
