"""Hosts that nobody but the cloud can answer at, and such that only look like them."""

import boto3
import pytest
from azure.identity import AzureAuthorityHosts

from pilothouse_operator.compile import hosts


@pytest.mark.parametrize("service", ["sts", "secretsmanager", "ssm", "bedrock-runtime"])
@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "cn-north-1", "us-iso-east-1", "eusc-de-east-1"])
def test_the_host_that_the_aws_sdk_calls_is_the_service_s_own(service: str, region: str) -> None:
    client = boto3.client(service, region, aws_access_key_id="x", aws_secret_access_key="x")
    assert hosts.of_aws(client.meta.endpoint_url, service)


@pytest.mark.parametrize(
    "url",
    [
        "https://sts.amazonaws.com",
        "https://sts-fips.us-east-1.amazonaws.com",
        "https://vpce-0a1b2c3d-e4f5.sts.eu-west-1.vpce.amazonaws.com",
        "https://vpce-0a1b2c3d-e4f5-eu-west-1a.sts.eu-west-1.vpce.amazonaws.com",
    ],
)
def test_other_hosts_of_a_service_of_aws_are_its_own(url: str) -> None:
    assert hosts.of_aws(url, "sts")


@pytest.mark.parametrize(
    "url",
    [
        "http://sts.eu-west-1.amazonaws.com",
        "https://sts.eu-west-1.amazonaws.com:8443",
        "https://sts.eu-west-1.amazonaws.com.evil.example",
        "https://sts.evil.example",
        "https://sts-eu-west-1-amazonaws.com",
        "https://sts.s3.eu-west-1.amazonaws.com",
        "https://my-balancer-1234.eu-west-1.elb.amazonaws.com",
        "https://sts.s3.amazonaws.com",
        "https://a1b2.execute-api.eu-west-1.amazonaws.com",
        "https://vpce-0a1b2c3d-e4f5.vpce-svc-0123.eu-west-1.vpce.amazonaws.com",
        "https://secretsmanager.eu-west-1.amazonaws.com",
    ],
)
def test_a_host_that_others_can_have_is_not_a_service_s_own(url: str) -> None:
    assert not hosts.of_aws(url, "sts")


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://contoso.openai.azure.com", True),
        ("https://contoso.cognitiveservices.azure.us", True),
        ("https://contoso.services.ai.azure.com", True),
        ("https://contoso.openai.azure.cn", True),
        ("http://contoso.openai.azure.com", False),
        ("https://contoso.openai.azure.com.evil.example", False),
        ("https://evil.example/contoso.openai.azure.com", False),
        ("https://contoso.azure-api.net", False),
        ("https://openai.azure.com", False),
        ("https://contoso.openai.azure.com:8443", False),
    ],
)
def test_resources_of_azure_openai_are_told_from_gateways_before_them(url: str, own: bool) -> None:
    assert hosts.of_azure_openai(url) is own


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://contoso.vault.azure.net", True),
        ("https://contoso.vault.usgovcloudapi.net", True),
        ("https://contoso.vault.azure.cn", True),
        ("https://vault.azure.net.evil.example", False),
        ("https://contoso.vault.example", False),
    ],
)
def test_vaults_of_azure_are_told_from_others(url: str, own: bool) -> None:
    assert hosts.of_key_vault(url) is own


@pytest.mark.parametrize(
    "host",
    [AzureAuthorityHosts.AZURE_PUBLIC_CLOUD, AzureAuthorityHosts.AZURE_GOVERNMENT, AzureAuthorityHosts.AZURE_CHINA],
)
def test_the_authorities_that_the_azure_sdk_knows_are_entra_s(host: str) -> None:
    assert hosts.of_entra(f"https://{host}")
    assert not hosts.of_entra(f"https://{host}.evil.example")


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://secretmanager.googleapis.com", True),
        ("https://secretmanager.europe-west3.rep.googleapis.com", True),
        ("https://storage.googleapis.com", False),
        ("https://secretmanager.googleapis.com.evil.example", False),
    ],
)
def test_google_s_secret_manager_is_told_from_others(url: str, own: bool) -> None:
    assert hosts.of_google_secrets(url) is own
