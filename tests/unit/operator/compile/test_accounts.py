"""Whose models are asked for, and as whom."""

from typing import Any

import pytest

from pilothouse_api.conditions import Problem, Reason
from pilothouse_operator.compile.accounts import Discovery, accounts
from pilothouse_operator.compile.identities import (
    AnthropicServer,
    AssumedRole,
    AWSIdentity,
    AzureAccount,
    BedrockAccount,
    EntraWay,
    ModelServer,
)
from pilothouse_operator.compile.world import Kind, Resource, ResourceKey, World
from tests.unit.api.rule_cases import AZURE, BEDROCK, GUID, SECRET

ROLE = "arn:aws:iam::111122223333:role/bedrock"
RESOURCE = f"/subscriptions/{GUID}/resourceGroups/llm/providers/Microsoft.CognitiveServices/accounts/contoso"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"


def world(spec: dict[str, Any]) -> World:
    key = ResourceKey(Kind.PROVIDER, "team-a", "p")
    members = {name: value for name, value in spec.items() if value is not None}
    found = Resource(key=key, uid="u", resource_version="1", generation=1, created="", spec=members)
    return World(resources={key: found}, namespaces={})


def wanted(spec: dict[str, Any]) -> Discovery:
    [found] = accounts(world({"discovery": {}, **spec})).values()
    return found


def bedrock(auth: dict[str, Any], **fields: Any) -> Discovery:
    return wanted({"bedrock": {"region": "eu-central-1", "auth": auth, **fields}})


def azure(auth: dict[str, Any], **fields: Any) -> Discovery:
    return wanted({"azureOpenAI": {"endpoint": "https://x.openai.azure.com", "auth": auth, **fields}})


@pytest.mark.parametrize("spec", [BEDROCK, AZURE, {"openAI": {"baseURL": "http://vllm:8000/v1"}}, {"anthropic": {}}])
def test_without_discovery_nobody_is_asked(spec: dict[str, Any]) -> None:
    assert accounts(world(spec)) == {}


def test_what_cannot_be_read_asks_nobody() -> None:
    assert accounts(world({"openAI": {"baseURL": 5}, "discovery": {}})) == {}
    assert accounts(world({"openAI": {"baseURL": "http://x/v1"}, "discovery": {"interval": "1s"}})) == {}


def test_the_interval_is_an_hour_unless_it_is_said() -> None:
    assert wanted({"openAI": {"baseURL": "http://x/v1"}}).interval_s == 3_600
    assert wanted({"openAI": {"baseURL": "http://x/v1"}, "discovery": {"interval": "1h30m"}}).interval_s == 5_400


def test_bedrock_is_asked_as_the_last_role() -> None:
    found = bedrock({"default": {}, "assumeRole": [{"roleArn": ROLE}]}, controlEndpoint="https://VPCE.example/")
    assert found.account == BedrockAccount(
        identity=AWSIdentity(region="eu-central-1", roles=(AssumedRole(role_arn=ROLE),)),
        region="eu-central-1",
        endpoint="https://vpce.example",
    )


def test_an_api_key_lists_nothing_of_a_cloud() -> None:
    for found, field in (
        (bedrock({"apiKey": SECRET}), "spec.bedrock.auth.apiKey"),
        (azure({"apiKey": SECRET}, resourceId=RESOURCE), "spec.azureOpenAI.auth.apiKey"),
    ):
        assert isinstance(found.account, Problem)
        assert (found.account.reason, found.account.field) == (Reason.NOT_DISCOVERABLE, field)


def test_azure_needs_the_id_of_the_resource() -> None:
    found = azure({"workloadIdentity": {}})
    assert isinstance(found.account, Problem)
    assert found.account.field == "spec.azureOpenAI.resourceId"


@pytest.mark.parametrize(
    ("fields", "endpoint"),
    [
        ({}, "https://management.azure.com"),
        ({"cloud": "USGovernment"}, "https://management.usgovcloudapi.net"),
        ({"cloud": "China"}, "https://management.chinacloudapi.cn"),
        ({"managementEndpoint": "https://ARM.example/"}, "https://arm.example"),
    ],
)
def test_each_cloud_of_azure_has_its_own_resource_manager(fields: dict[str, Any], endpoint: str) -> None:
    account = azure({"managedIdentity": {}}, resourceId=RESOURCE, **fields).account
    assert isinstance(account, AzureAccount)
    assert (account.resource_id, account.endpoint) == (RESOURCE, endpoint)
    assert account.identity.way is EntraWay.MANAGED_IDENTITY


def test_a_server_is_asked_by_the_way_of_its_requests() -> None:
    connection = {"tls": {"caBundle": PEM}, "proxy": {"url": "https://PROXY:3129", "tls": {"caBundle": PEM}}}
    assert wanted({"openAI": {"baseURL": "https://X/v1/"}, "connection": connection}).account == ModelServer(
        url="https://x/v1", ca_bundle=PEM, proxy="https://proxy:3129", proxy_ca_bundle=PEM
    )
    assert wanted({"openAI": {"baseURL": "https://x/v1"}}).account == ModelServer(url="https://x/v1")
    assert wanted({"anthropic": {}, "connection": connection}).account == AnthropicServer(
        url="https://api.anthropic.com", ca_bundle=PEM, proxy="https://proxy:3129", proxy_ca_bundle=PEM
    )
