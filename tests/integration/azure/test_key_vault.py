"""Secrets and certificates of Azure Key Vault, by azure-keyvault-secrets."""

from __future__ import annotations

import dataclasses
import socket
import traceback
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver
from cryptography.hazmat.primitives import serialization

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.clouds.entra import Entra
from pilothouse_operator.clouds.entra_certificate import ApplicationCertificate
from pilothouse_operator.compile.identities import AWSIdentity, AWSSecretAddress, EntraIdentity, KeyVaultAddress
from pilothouse_operator.ports import Fault, Fetched
from pilothouse_operator.secretstores import azure_key_vault
from pilothouse_operator.secretstores.azure_key_vault import AzureKeyVault
from tests.integration.azure.conftest import CLIENT_ID, CLIENT_SECRET
from tests.simulators.entra import pems
from tests.simulators.entra.directory import TENANT_ID
from tests.simulators.entra.fleet import EntraSimulator
from tests.simulators.entra.service import CLOSE, RESET, SILENCE, answered, refusal
from tests.simulators.entra.tokens import verified
from tests.simulators.key_vault.service import PEM, PKCS12, KeyVault, throttled
from tests.simulators.wire.replies import Reply

SIGN_IN = {"clientSecret": Secret(CLIENT_SECRET)}
VALUE = "planted/Vault+Value=="


@pytest.fixture
def store(entra: Entra) -> AzureKeyVault:
    return AzureKeyVault(entra=entra)


@pytest.fixture
def address(vault: KeyVault, principal: EntraIdentity) -> KeyVaultAddress:
    vault.put("openai", VALUE)
    return KeyVaultAddress(identity=principal, vault_url=vault.origin, name="openai")


async def fetched(store: AzureKeyVault, address: KeyVaultAddress) -> Fetched:
    found = await store.fetch(address, SIGN_IN, known=None)
    assert found is not None
    return found


async def refused(
    store: AzureKeyVault, address: KeyVaultAddress, sign_in: Mapping[str, Secret] = SIGN_IN, known: str | None = None
) -> Fault:
    with pytest.raises(Fault) as caught:
        await store.fetch(address, sign_in, known=known)
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert VALUE not in shown
    assert CLIENT_SECRET not in shown
    assert len(caught.value.message) < 800
    assert caught.value.message.isprintable()
    return caught.value


async def test_the_newest_version_is_read(store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault) -> None:
    newest = vault.put("openai", "planted newer value")
    found = await fetched(store, address)
    assert (found.value.reveal(), found.version) == ("planted newer value", newest.id)
    assert "planted" not in repr(found)


async def test_a_version_may_be_named(store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault) -> None:
    first = vault.secrets["openai"][0]
    vault.put("openai", "newer")
    found = await fetched(store, dataclasses.replace(address, version=first.id))
    assert (found.value.reveal(), found.version) == (VALUE, first.id)


async def test_a_version_that_is_known_is_not_told_again(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault
) -> None:
    known = (await fetched(store, address)).version
    assert await store.fetch(address, SIGN_IN, known=known) is None
    newer = vault.put("openai", "newer")
    found = await store.fetch(address, SIGN_IN, known=known)
    assert found is not None
    assert found.version == newer.id


async def test_a_known_version_that_has_been_disabled_counts_no_longer(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault
) -> None:
    found = await fetched(store, address)
    vault.secrets["openai"][0].enabled = False
    fault = await refused(store, dataclasses.replace(address, version=found.version), known=found.version)
    assert "is disabled: enable it" in fault.message
    assert (fault.reason, fault.passing) == (Reason.SECRET_FORBIDDEN, False)


@pytest.mark.parametrize("form", [PKCS12, PEM])
async def test_a_certificate_comes_as_pem_with_its_key(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault, form: str
) -> None:
    identity = pems.made("app")
    vault.put_certificate("app", identity, form=form)
    pem = (await fetched(store, dataclasses.replace(address, name="app"))).value.reveal()
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert key.public_key() == identity.key.public_key()
    assert pem.endswith(identity.certificate_pem)


async def test_a_certificate_of_the_vault_signs_in_to_entra(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault, azure: EntraSimulator, entra: Entra
) -> None:
    identity = pems.made("app")
    azure.directory.applications[CLIENT_ID].certificates.append(identity.certificate)
    vault.put_certificate("app", identity)
    pem = (await fetched(store, dataclasses.replace(address, name="app"))).value
    assert ApplicationCertificate(pem, None)
    async with await entra.credential(address.identity, {"certificate": pem}) as credential:
        token = await credential.get_token_info("https://vault.azure.net/.default")
    assert verified(token.token, keys=azure.mint.public_keys, audiences=["https://vault.azure.net"])


@pytest.mark.parametrize("value", ["planted, no base64", "cGxhbnRlZA==", ""])
async def test_a_certificate_that_is_none_is_not_quoted(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault, value: str
) -> None:
    vault.put("app", value, content_type=PKCS12)
    fault = await refused(store, dataclasses.replace(address, name="app"))
    assert (fault.reason, fault.passing) == (Reason.SECRET_MALFORMED, False)
    assert "planted" not in fault.message


async def test_one_token_serves_many_reads(
    store: AzureKeyVault, address: KeyVaultAddress, azure: EntraSimulator
) -> None:
    for _ in range(3):
        await fetched(store, address)
    assert [one.scope for one in azure.service.asked] == ["https://vault.azure.net/.default"]


async def test_a_token_that_was_taken_away_is_asked_for_again(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault, azure: EntraSimulator, monkeypatch: Any
) -> None:
    await fetched(store, address)
    seen: list[str] = []
    claims_of = verified

    def watched(token: str, **given: Any) -> dict[str, Any]:
        claims = claims_of(token, **given)
        seen.append(claims["uti"])
        return claims

    monkeypatch.setattr("tests.simulators.key_vault.service.verified", watched)
    await fetched(store, address)
    vault.revoked.update(seen)
    fault = await refused(store, address)
    assert (fault.reason, fault.passing) == (Reason.SECRET_FORBIDDEN, True)
    assert (await fetched(store, address)).value.reveal() == VALUE
    assert len(azure.service.asked) == 2


async def test_another_value_to_sign_in_with_is_another_client(
    store: AzureKeyVault, address: KeyVaultAddress, azure: EntraSimulator
) -> None:
    await fetched(store, address)
    azure.directory.applications[CLIENT_ID].secrets = {"planted-rotated": None}
    assert await store.fetch(address, {"clientSecret": Secret("planted-rotated")}, known=None)
    assert len(azure.service.asked) == 2


async def test_what_entra_refuses_is_said_as_entras(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault
) -> None:
    fault = await refused(store, address, {"clientSecret": Secret("planted-wrong")})
    assert (fault.reason, fault.field, fault.passing) == (Reason.SIGN_IN_REFUSED, "clientSecret", False)
    assert vault.served == []


async def test_entra_may_ask_us_to_slow_down(
    store: AzureKeyVault, address: KeyVaultAddress, azure: EntraSimulator
) -> None:
    azure.service.instead.append(refusal(90055, ("retry-after", "17")))
    fault = await refused(store, address)
    assert (fault.throttled, fault.retry_after_s) == (True, 17.0)


async def test_a_vault_of_another_tenant_is_refused(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault, azure: EntraSimulator
) -> None:
    vault.tenant_id = "other-tenant"
    fault = await refused(store, address)
    assert "is the vault in the same tenant" in fault.message
    assert "other-tenant" in fault.message


async def test_a_tenant_may_be_called_by_its_domain(
    store: AzureKeyVault, address: KeyVaultAddress, azure: EntraSimulator
) -> None:
    azure.directory.domains["contoso.example"] = TENANT_ID
    named = dataclasses.replace(address.identity, tenant_id="contoso.example")
    assert await fetched(store, dataclasses.replace(address, identity=named))


@pytest.mark.parametrize(
    "resource", ["https://cognitiveservices.azure.com", "https://management.azure.com", "https://net"]
)
async def test_a_vault_gets_no_tokens_for_anything_else(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault, azure: EntraSimulator, resource: str
) -> None:
    vault.resource = resource
    azure.directory.resources.add(resource)
    fault = await refused(store, address)
    assert "which is no vault's" in fault.message
    assert azure.service.asked == []


class _Local(AbstractResolver):
    """Every name is this machine."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass


async def test_a_vault_of_azures_domains_is_held_to_its_own_resource(
    vault: KeyVault, address: KeyVaultAddress, azure: EntraSimulator
) -> None:
    connector = aiohttp.TCPConnector(resolver=_Local(), ssl=azure.tls.trusting())
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        store = AzureKeyVault(entra=Entra(session=session))
        named = "https://team.vault.azure.net:" + vault.origin.rpartition(":")[2]
        vault.resource = "https://vault.azure.cn"
        fault = await refused(store, dataclasses.replace(address, vault_url=named))
    assert "does not match the requested domain" in fault.message
    assert azure.service.asked == []


async def test_a_secret_that_is_not_there_or_no_more_is_named(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault
) -> None:
    await fetched(store, address)
    vault.delete("openai")
    fault = await refused(store, address)
    assert "The secret openai of Key Vault" in fault.message
    assert (fault.reason, fault.passing) == (Reason.SECRET_NOT_FOUND, False)


async def test_a_version_that_is_not_there_is_named(store: AzureKeyVault, address: KeyVaultAddress) -> None:
    fault = await refused(store, dataclasses.replace(address, version="0123"))
    assert "version 0123" in fault.message
    assert fault.reason is Reason.SECRET_NOT_FOUND


async def test_a_firewall_is_told_from_a_missing_right(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault
) -> None:
    vault.firewall = True
    closed = await refused(store, address)
    vault.firewall, vault.readers = False, set()
    no_role = await refused(store, address)
    assert "firewall" in closed.message
    assert "203.0.113.7" in closed.message
    assert f"application {CLIENT_ID}" in no_role.message
    assert "Key Vault Secrets User" in no_role.message
    assert {closed.reason, no_role.reason} == {Reason.SECRET_FORBIDDEN}


async def test_a_right_that_is_given_counts_at_once(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault, azure: EntraSimulator
) -> None:
    vault.readers = set()
    await refused(store, address)
    vault.readers = {CLIENT_ID}
    await fetched(store, address)
    assert len(azure.service.asked) == 2, "the token from before the right is used on"


async def test_a_vault_may_ask_us_to_slow_down(store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault) -> None:
    await fetched(store, address)
    vault.instead.append(throttled(9))
    fault = await refused(store, address)
    assert (fault.reason, fault.throttled, fault.retry_after_s) == (Reason.STORE_UNAVAILABLE, True, 9.0)
    assert vault.served == ["openai"], "the SDK has tried again by itself"


@pytest.mark.parametrize("reply", [RESET, CLOSE], ids=["reset", "closed"])
async def test_a_connection_that_breaks_is_made_anew_once(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault, reply: Reply
) -> None:
    vault.instead.append(reply)
    assert (await fetched(store, address)).value.reveal() == VALUE
    # aiohttp asks again by itself as well, once, where a connection was idle before.
    vault.instead.extend([reply] * 4)
    fault = await refused(store, address)
    assert (fault.reason, fault.passing) == (Reason.STORE_UNAVAILABLE, True)


async def test_silence_ends(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azure_key_vault, "PATIENCE_S", 0.2)
    vault.instead.append(SILENCE)
    fault = await refused(store, address)
    assert "within 0.2 s" in fault.message
    assert (fault.reason, fault.passing) == (Reason.STORE_UNAVAILABLE, True)


@pytest.mark.parametrize(
    ("reply", "reason", "passing"),
    [
        (answered(500, {"error": {"code": "InternalServerError", "message": "x"}}), Reason.STORE_UNAVAILABLE, True),
        (answered(503, "<html>away</html>"), Reason.STORE_UNAVAILABLE, True),
        (answered(400, {"error": {"code": "BadParameter", "message": "x"}}), Reason.SECRET_NOT_FOUND, False),
        (answered(404, "<html>nothing here</html>"), Reason.SECRET_NOT_FOUND, False),
        (answered(403, "<html>a proxy's word</html>"), Reason.SECRET_FORBIDDEN, False),
        (answered(403, []), Reason.SECRET_FORBIDDEN, False),
        (answered(200, VALUE), Reason.STORE_UNAVAILABLE, True),
        (answered(200, "", ("content-type", "application/json")), Reason.STORE_UNAVAILABLE, True),
        (answered(200, []), Reason.STORE_UNAVAILABLE, True),
        (answered(200, {}), Reason.STORE_UNAVAILABLE, True),
        (answered(200, {"value": VALUE}), Reason.STORE_UNAVAILABLE, True),
        (answered(200, {"value": VALUE, "id": "no URL"}), Reason.STORE_UNAVAILABLE, True),
        (answered(200, {"id": "https://x/secrets/a/b"}), Reason.STORE_UNAVAILABLE, True),
        (answered(401, {"error": {"code": "Unauthorized", "message": "x"}}), Reason.SECRET_FORBIDDEN, True),
    ],
)
async def test_odd_answers_are_faults(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault, reply: Reply, reason: Reason, passing: bool
) -> None:
    vault.instead.append(reply)
    fault = await refused(store, address)
    assert (fault.reason, fault.passing) == (reason, passing)


async def test_where_a_vault_points_to_is_not_asked(
    store: AzureKeyVault, address: KeyVaultAddress, vault: KeyVault
) -> None:
    elsewhere = f"{vault.origin}/secrets/elsewhere/0123456789abcdef0123456789abcdef"
    vault.instead += [
        answered(307, "", ("location", elsewhere)),
        answered(200, {"value": VALUE, "id": elsewhere}),
    ]
    fault = await refused(store, address)
    assert (fault.reason, fault.passing, len(vault.instead)) == (Reason.STORE_UNAVAILABLE, True, 1)


async def test_a_vault_that_nobody_serves_is_unavailable(store: AzureKeyVault, address: KeyVaultAddress) -> None:
    fault = await refused(store, dataclasses.replace(address, vault_url="https://127.0.0.1:9"))
    assert (fault.reason, fault.passing) == (Reason.STORE_UNAVAILABLE, True)


async def test_a_vault_without_tls_is_shown_nothing(
    store: AzureKeyVault, address: KeyVaultAddress, azure: EntraSimulator
) -> None:
    plain = dataclasses.replace(address, vault_url=address.vault_url.replace("https:", "http:"))
    await refused(store, plain)
    assert azure.service.asked == []


async def test_another_clouds_address_is_a_mistake_of_ours(store: AzureKeyVault) -> None:
    address = AWSSecretAddress(identity=AWSIdentity(region="eu-west-1"), region="eu-west-1", secret_id="s")
    with pytest.raises(TypeError):
        await store.fetch(address, {}, known=None)


async def test_what_is_closed_can_be_used_again(
    store: AzureKeyVault, address: KeyVaultAddress, azure: EntraSimulator
) -> None:
    await fetched(store, address)
    await store.close()
    assert (await fetched(store, address)).value.reveal() == VALUE
    assert len(azure.service.asked) == 2
