import pytest

from pilothouse_api.secret import Secret
from pilothouse_operator.compile.identities import (
    Address,
    AWSIdentity,
    AWSParameterAddress,
    AWSSecretAddress,
    AWSSession,
    EntraAccess,
    EntraIdentity,
    EntraWay,
    GoogleIdentity,
    GoogleSecretAddress,
    KeyVaultAddress,
    VaultAddress,
    VaultIdentity,
)
from pilothouse_operator.pacing import targets

AWS = AWSIdentity(region="eu-central-1")
ENTRA = EntraIdentity(
    way=EntraWay.SERVICE_PRINCIPAL, authority="https://login.microsoftonline.com", tenant_id="t", client_id="one"
)


def session(region: str = "eu-central-1", endpoint: str = "") -> AWSSession:
    return AWSSession(identity=AWSIdentity(region=region, sts_endpoint=endpoint))


def access(**fields: str) -> EntraAccess:
    given = {"authority": ENTRA.authority, "tenant_id": "t", "client_id": "one"} | fields
    return EntraAccess(identity=EntraIdentity(way=EntraWay.SERVICE_PRINCIPAL, **given), scope="s")


def test_sts_counts_by_region() -> None:
    assert targets.of_grant(session(), {}) == targets.of_grant(session(), {})
    assert targets.of_grant(session(), {}) != targets.of_grant(session(region="us-east-1"), {})
    assert targets.of_grant(session(), {}) != targets.of_grant(session(endpoint="https://sts.example"), {})


def test_an_account_that_is_throttled_slows_no_other_account() -> None:
    assert targets.of_grant(session(), {"accessKeyId": Secret("AKIAEXAMPLE")}) != targets.of_grant(session(), {})


def test_entra_counts_by_tenant() -> None:
    assert targets.of_grant(access(), {}) == targets.of_grant(access(client_id="two"), {})
    assert targets.of_grant(access(), {}) != targets.of_grant(access(tenant_id="u"), {})
    assert targets.of_grant(access(), {}) != targets.of_grant(access(authority="https://login.partner"), {})


def test_managed_identities_share_the_endpoint_of_the_node() -> None:
    managed = [
        EntraAccess(
            identity=EntraIdentity(way=EntraWay.MANAGED_IDENTITY, authority=ENTRA.authority, client_id=client),
            scope="s",
        )
        for client in ("one", "two")
    ]
    assert targets.of_grant(managed[0], {}) == targets.of_grant(managed[1], {})


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (AWSSecretAddress(identity=AWS, region="eu-west-1", secret_id="s"), "AWS Secrets Manager (eu-west-1)"),
        (AWSParameterAddress(identity=AWS, region="eu-west-1", name="/p"), "AWS Parameter Store (eu-west-1)"),
        (
            KeyVaultAddress(identity=ENTRA, vault_url="https://v.vault.azure.net", name="s"),
            "Azure Key Vault (https://v.vault.azure.net)",
        ),
        (
            GoogleSecretAddress(identity=GoogleIdentity(), project="p", secret="s"),
            "Google Secret Manager (p)",
        ),
        (
            VaultAddress(identity=VaultIdentity(), server="https://vault.internal", path="p"),
            "Vault (https://vault.internal)",
        ),
    ],
)
def test_a_store_is_named_for_the_reader(address: Address, text: str) -> None:
    assert str(targets.of_address(address, {})) == text


def test_no_target_shows_who_calls() -> None:
    target = targets.of_grant(session(), {"accessKeyId": Secret("AKIAEXAMPLE")})
    assert "AKIAEXAMPLE" not in f"{target} {target!r}"
