"""What a value of a manifest becomes: a key of a Secret, or an address in a store and a sign-in to it."""

from typing import Any

import pytest

from pilothouse_api.conditions import Reason
from pilothouse_api.resources.provider import LLMProviderSpec
from pilothouse_operator.compile import references
from pilothouse_operator.compile.identities import (
    AssumedRole,
    AWSIdentity,
    AWSParameterAddress,
    AWSSecretAddress,
    EntraIdentity,
    EntraWay,
    GoogleIdentity,
    GoogleSecretAddress,
    KeyVaultAddress,
    VaultAddress,
    VaultIdentity,
)
from pilothouse_operator.compile.sign_ins import sign_ins
from pilothouse_operator.compile.world import IdentityAccess, SecretRef, StoredRef
from tests.unit.api.rule_cases import GUID, ROLE, STORED, VAULT_STORE, Spec
from tests.unit.operator.compile.test_lowering import CERTIFICATE
from tests.unit.operator.compile.test_sign_ins import v, world


def spec(store: str, stores: Spec | None = None, **fields: Any) -> Spec:
    value = {store: {**STORED[store], **fields}}
    return {"openAI": {"baseURL": "https://x/v1", "auth": {"apiKey": value}}, "secretStores": stores or {}}


def stored(given: Spec) -> StoredRef:
    [found] = sign_ins(world(given), IdentityAccess()).values()
    reference = found.values["apiKey"]
    assert isinstance(reference, StoredRef)
    return reference


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (
            spec("awsSecretsManager", versionStage="AWSPREVIOUS"),
            AWSSecretAddress(
                identity=AWSIdentity(region="us-east-1"),
                region="us-east-1",
                secret_id="llm/keys",
                version_stage="AWSPREVIOUS",
            ),
        ),
        (
            spec("awsParameter", name="/llm/key:3"),
            AWSParameterAddress(identity=AWSIdentity(region="us-east-1"), region="us-east-1", name="/llm/key:3"),
        ),
        (
            spec("azureKeyVault", version="a" * 32),
            KeyVaultAddress(
                identity=EntraIdentity(way=EntraWay.WORKLOAD_IDENTITY, authority="https://login.microsoftonline.com"),
                vault_url="https://contoso.vault.azure.net",
                name="key",
                version="a" * 32,
            ),
        ),
        (
            spec("gcpSecretManager"),
            GoogleSecretAddress(identity=GoogleIdentity(), project="contoso", secret="key", version="latest"),
        ),
        (
            spec("vault", VAULT_STORE, version=7),
            VaultAddress(
                identity=VaultIdentity(role="pilothouse", mount="kubernetes"),
                server="https://vault:8200",
                path="llm/key",
                mount="secret",
                version=7,
            ),
        ),
    ],
)
def test_a_store_without_a_word_is_signed_in_to_as_the_operator(given: Spec, address: object) -> None:
    found = stored(given)
    assert found.address == address
    assert (found.sign_in, found.sign_in_path) == ((), "")


def test_a_value_is_all_of_a_secret_or_a_member_of_it_looked_at_every_five_minutes_or_as_often_as_is_said() -> None:
    assert (stored(spec("awsParameter")).key, stored(spec("awsParameter")).refresh_s) == ("", 300)
    found = stored(spec("awsParameter", jsonKey="openai", refreshInterval="1m30s"))
    assert (found.key, found.refresh_s) == ("openai", 90)
    assert stored(spec("vault", VAULT_STORE)).key == "key"


PRINCIPAL = {"tenantId": "contoso.com", "clientId": GUID}
AWS_KEY = {"accessKeyId": v("aws", "id"), "secretAccessKey": v("aws", "secret"), "sessionToken": v("aws", "token")}


def ref(name: str, key: str) -> SecretRef:
    return SecretRef("team-a", name, key)


@pytest.mark.parametrize(
    ("given", "sign_in", "path"),
    [
        (
            spec("awsParameter", {"aws": {"auth": {"accessKey": AWS_KEY}}}),
            (
                ("accessKeyId", ref("aws", "id")),
                ("secretAccessKey", ref("aws", "secret")),
                ("sessionToken", ref("aws", "token")),
            ),
            "spec.secretStores.aws.auth.accessKey",
        ),
        (
            spec(
                "azureKeyVault",
                {
                    "azureKeyVault": {
                        "auth": {
                            "servicePrincipal": {
                                **PRINCIPAL,
                                "certificate": v("app", "pem"),
                                "password": v("app", "password"),
                                "sendCertificateChain": "Enabled",
                            }
                        }
                    }
                },
            ),
            (("certificate", ref("app", "pem")), ("password", ref("app", "password"))),
            "spec.secretStores.azureKeyVault.auth.servicePrincipal",
        ),
        (
            spec("gcpSecretManager", {"gcp": {"auth": {"serviceAccountKey": v("gcp", "key.json")}}}),
            (("key", ref("gcp", "key.json")),),
            "spec.secretStores.gcp.auth.serviceAccountKey",
        ),
        (
            spec("vault", {"vault": {"server": "https://vault:8200", "auth": {"token": v("vault", "token")}}}),
            (("token", ref("vault", "token")),),
            "spec.secretStores.vault.auth.token",
        ),
    ],
)
def test_a_sign_in_to_a_store_names_secrets_of_the_provider_s_own_namespace(
    given: Spec, sign_in: tuple[tuple[str, SecretRef], ...], path: str
) -> None:
    found = stored(given)
    assert (found.sign_in, found.sign_in_path) == (sign_in, path)


def test_one_secret_with_two_members_is_one_address() -> None:
    one, other = (stored(spec("awsSecretsManager", jsonKey=key)) for key in ("a", "b"))
    assert one.address == other.address


def test_the_stores_of_aws_are_reached_through_roles_and_at_endpoints_of_one_s_own() -> None:
    stores = {
        "aws": {
            "region": "eu-west-1",
            "assumeRole": [{**ROLE, "externalId": "contoso"}],
            "endpoint": "https://Secrets.example/",
            "stsEndpoint": "https://sts.example",
        }
    }
    found = stored(spec("awsSecretsManager", stores, region=None))
    assert found.address == AWSSecretAddress(
        identity=AWSIdentity(
            region="eu-west-1",
            roles=(AssumedRole(role_arn=ROLE["roleArn"], external_id="contoso"),),
            sts_endpoint="https://sts.example",
        ),
        region="eu-west-1",
        secret_id="llm/keys",
        endpoint="https://secrets.example",
    )


ARN = "arn:aws:secretsmanager:ap-south-1:111122223333:secret:llm-a1b2c3"


@pytest.mark.parametrize(
    ("fields", "stores", "region"),
    [
        ({"region": "us-east-1", "secretId": ARN}, {"aws": {"region": "eu-west-1"}}, "us-east-1"),
        ({"region": None, "secretId": ARN}, {"aws": {"region": "eu-west-1"}}, "ap-south-1"),
        ({"region": None}, {"aws": {"region": "eu-west-1"}}, "eu-west-1"),
    ],
)
def test_the_region_of_a_store_is_the_nearest_that_is_said(fields: Spec, stores: Spec, region: str) -> None:
    address = stored(spec("awsSecretsManager", stores, **fields)).address
    assert isinstance(address, AWSSecretAddress)
    assert address.region == address.identity.region == region


def test_the_region_of_bedrock_is_that_of_its_secrets_too() -> None:
    key = {"awsParameter": {"name": "/bedrock"}}
    given = {"bedrock": {"region": "eu-central-1", "auth": {"apiKey": key}}}
    assert references.fault(LLMProviderSpec.model_validate(given)) is None
    [found] = sign_ins(world(given), IdentityAccess()).values()
    reference = found.values["apiKey"]
    assert isinstance(reference, StoredRef)
    assert isinstance(reference.address, AWSParameterAddress)
    assert reference.address.region == "eu-central-1"


def test_a_store_whose_region_nobody_says_leaves_the_provider_out() -> None:
    given = spec("awsParameter", region=None)
    fault = references.fault(LLMProviderSpec.model_validate(given))
    assert fault is not None
    assert (fault.reason, fault.field) == (Reason.INVALID, "spec.openAI.auth.apiKey.awsParameter.region")
    assert sign_ins(world(given), IdentityAccess()) == {}


@pytest.mark.parametrize(
    ("vault", "authority"),
    [
        ("https://contoso.vault.azure.net", "https://login.microsoftonline.com"),
        ("https://contoso.vault.usgovcloudapi.net", "https://login.microsoftonline.us"),
        ("https://contoso.vault.azure.cn", "https://login.chinacloudapi.cn"),
        ("https://Vault.Example:8443/", "https://login.microsoftonline.com"),
    ],
)
def test_the_host_of_a_vault_tells_which_entra_is_asked(vault: str, authority: str) -> None:
    address = stored(spec("azureKeyVault", vaultURL=vault)).address
    assert isinstance(address, KeyVaultAddress)
    assert address.identity.authority == authority


def test_an_entra_of_one_s_own_is_asked_for_key_vault_where_it_is_named() -> None:
    stores = {"azureKeyVault": {"authorityHost": "https://Entra.example/", "auth": {"managedIdentity": {}}}}
    address = stored(spec("azureKeyVault", stores)).address
    assert isinstance(address, KeyVaultAddress)
    assert address.identity == EntraIdentity(way=EntraWay.MANAGED_IDENTITY, authority="https://entra.example")


def test_a_vault_of_one_s_own_has_namespace_mounts_and_trust() -> None:
    stores = {
        "vault": {
            "server": "https://Vault.example:8200/",
            "namespace": "platform/llm",
            "caBundle": f"# company\n{CERTIFICATE}",
            "auth": {"kubernetes": {"role": "pilothouse", "mount": "clusters/prod"}},
        }
    }
    assert stored(spec("vault", stores, mount="kv/llm")).address == VaultAddress(
        identity=VaultIdentity(role="pilothouse", mount="clusters/prod"),
        server="https://vault.example:8200",
        path="llm/key",
        mount="kv/llm",
        namespace="platform/llm",
        ca_bundle=CERTIFICATE,
    )


def test_a_damaged_bundle_of_vault_leaves_the_provider_out() -> None:
    stores = {"vault": {**VAULT_STORE["vault"], "caBundle": "-----BEGIN CERTIFICATE-----\n"}}
    given = spec("vault", stores)
    fault = references.fault(LLMProviderSpec.model_validate(given))
    assert fault is not None
    assert (fault.reason, fault.field) == (Reason.INVALID, "spec.secretStores.vault.caBundle")
    assert sign_ins(world(given), IdentityAccess()) == {}
