"""Key Vault by azure-keyvault-secrets, in its blocking form, with all that it checks by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import ApiVersion, KeyVaultSecret, SecretClient

from tests.simulators.entra import pems
from tests.simulators.entra.directory import TENANT_ID, Application
from tests.simulators.entra.fleet import EntraSimulator
from tests.simulators.key_vault.service import PEM, PKCS12, KeyVault, throttled

SECRET = "planted-client-secret"
APP = "33333333-cccc-4ccc-8ccc-333333333333"


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[KeyVault]:
    async with EntraSimulator(tmp_path) as entra, KeyVault(entra) as simulator:
        entra.directory.add(Application(APP, secrets={SECRET: None}))
        yield simulator


@pytest.fixture
def client(vault: KeyVault) -> Any:
    entra = vault.entra
    options: dict[str, Any] = {"connection_verify": entra.tls.ca_file, "retry_total": 0}
    credential = ClientSecretCredential(
        TENANT_ID, APP, SECRET, authority=entra.authority, disable_instance_discovery=True, **options
    )
    with credential, SecretClient(vault.origin, credential, verify_challenge_resource=False, **options) as made:
        yield made


async def read(client: SecretClient, name: str, version: str | None = None) -> KeyVaultSecret:
    return await asyncio.to_thread(client.get_secret, name, version)


async def test_a_secret_is_read_with_its_properties(vault: KeyVault, client: SecretClient) -> None:
    version = vault.put("openai", "planted value", content_type="text/plain")
    found = await read(client, "openai")
    assert (found.value, found.properties.version, found.properties.content_type) == (
        "planted value",
        version.id,
        "text/plain",
    )
    assert found.properties.enabled
    assert found.properties.created_on is not None


async def test_versions_are_told_apart(vault: KeyVault, client: SecretClient) -> None:
    first = vault.put("openai", "first")
    vault.put("openai", "second")
    assert (await read(client, "openai")).value == "second"
    assert (await read(client, "openai", first.id)).value == "first"


@pytest.mark.parametrize("form", [PKCS12, PEM])
async def test_a_certificate_has_a_secret_of_its_name(vault: KeyVault, client: SecretClient, form: str) -> None:
    vault.put_certificate("app", pems.made("app"), form=form)
    found = await read(client, "app")
    assert found.properties.content_type == form
    assert found.properties.key_id is not None


async def test_what_is_deleted_or_was_never_there_is_not_found(vault: KeyVault, client: SecretClient) -> None:
    vault.put("openai", "planted")
    vault.delete("openai")
    for name in ("openai", "other"):
        with pytest.raises(ResourceNotFoundError, match="SecretNotFound"):
            await read(client, name)


async def test_refusals_have_their_codes(vault: KeyVault, client: SecretClient) -> None:
    version = vault.put("openai", "planted")
    version.enabled = False
    with pytest.raises(HttpResponseError, match="disabled"):
        await read(client, "openai")
    version.enabled, vault.firewall = True, True
    with pytest.raises(HttpResponseError, match="Client address is not authorized"):
        await read(client, "openai")
    vault.firewall, vault.readers = False, set()
    with pytest.raises(HttpResponseError, match="Caller is not authorized"):
        await read(client, "openai")
    vault.instead.append(throttled(3))
    with pytest.raises(HttpResponseError) as caught:
        await read(client, "openai")
    assert caught.value.status_code == 429


async def test_tokens_of_another_tenant_are_refused(vault: KeyVault, client: SecretClient) -> None:
    vault.put("openai", "planted")
    await read(client, "openai")
    vault.tenant_id = "other"
    with pytest.raises(ClientAuthenticationError):
        await read(client, "openai")


async def test_every_version_of_the_api_is_taken(vault: KeyVault) -> None:
    vault.put("openai", "planted")
    entra = vault.entra
    options: dict[str, Any] = {"connection_verify": entra.tls.ca_file, "retry_total": 0}
    with ClientSecretCredential(
        TENANT_ID, APP, SECRET, authority=entra.authority, disable_instance_discovery=True, **options
    ) as credential:
        for version in ApiVersion:
            if version is ApiVersion.V2016_10_01:
                continue
            with SecretClient(
                vault.origin, credential, api_version=version, verify_challenge_resource=False, **options
            ) as client:
                assert (await read(client, "openai")).value == "planted"
