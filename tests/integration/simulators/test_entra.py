"""Entra and the endpoints of managed identities by azure-identity: its asynchronous form, and its blocking one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import openai
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    CredentialUnavailableError,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.identity import aio as asynchronous

from tests.simulators.entra import managed, pems
from tests.simulators.entra.directory import TENANT_ID, Application, Federated, ManagedIdentity, TrustedName
from tests.simulators.entra.fleet import EntraSimulator
from tests.simulators.entra.service import refusal
from tests.simulators.entra.tokens import TokenRefused, verified
from tests.simulators.fleet import Simulators

COGNITIVE = "https://cognitiveservices.azure.com"
SCOPE = COGNITIVE + "/.default"
SECRET = "planted-client-secret"
APP = "33333333-cccc-4ccc-8ccc-333333333333"


@pytest.fixture
async def entra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EntraSimulator]:
    async with EntraSimulator(tmp_path) as simulator:
        simulator.directory.add(Application(APP, secrets={SECRET: None}))
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", simulator.imds)
        yield simulator


def options(entra: EntraSimulator) -> dict[str, Any]:
    return {
        "authority": entra.authority,
        "connection_verify": entra.tls.ca_file,
        "disable_instance_discovery": True,
        "retry_total": 0,
    }


async def token(credential: Any) -> str:
    with credential:
        return str((await asyncio.to_thread(credential.get_token, SCOPE)).token)


def claims(entra: EntraSimulator, found: str) -> dict[str, Any]:
    return verified(found, keys=entra.mint.public_keys, audiences=[COGNITIVE])


async def test_a_client_secret_signs_in(entra: EntraSimulator) -> None:
    found = claims(entra, await token(ClientSecretCredential(TENANT_ID, APP, SECRET, **options(entra))))
    assert (found["appid"], found["tid"]) == (APP, TENANT_ID)


async def test_the_asynchronous_client_signs_in(entra: EntraSimulator) -> None:
    async with asynchronous.ClientSecretCredential(TENANT_ID, APP, SECRET, **options(entra)) as credential:
        found = await credential.get_token(SCOPE)
    assert claims(entra, found.token)["appid"] == APP


@pytest.mark.parametrize("send_chain", [False, True])
async def test_a_certificate_signs_in_by_its_thumbprint(entra: EntraSimulator, send_chain: bool) -> None:
    identity = pems.made("app")
    entra.directory.applications[APP].certificates.append(identity.certificate)
    credential = CertificateCredential(
        TENANT_ID,
        APP,
        certificate_data=identity.pem("word").encode(),
        password="word",
        send_certificate_chain=send_chain,
        **options(entra),
    )
    assert claims(entra, await token(credential))["appid"] == APP


async def test_the_asynchronous_client_signs_in_with_a_certificate(entra: EntraSimulator) -> None:
    identity = pems.made("app")
    entra.directory.applications[APP].certificates.append(identity.certificate)
    async with asynchronous.CertificateCredential(
        TENANT_ID, APP, certificate_data=identity.pem().encode(), **options(entra)
    ) as credential:
        found = await credential.get_token(SCOPE)
    assert claims(entra, found.token)["appid"] == APP


async def test_a_certificate_signs_in_by_its_subject_and_issuer(entra: EntraSimulator) -> None:
    authority = pems.made("Corporate CA", authority=True)
    leaf = pems.made("pilothouse.example", issuer=authority)
    entra.directory.applications[APP].trusted_names.append(TrustedName(authority.certificate, "pilothouse.example"))
    credential = CertificateCredential(
        TENANT_ID, APP, certificate_data=leaf.pem().encode(), send_certificate_chain=True, **options(entra)
    )
    assert claims(entra, await token(credential))["appid"] == APP


async def test_a_certificate_of_another_issuer_is_refused(entra: EntraSimulator) -> None:
    trusted, other = (pems.made("Corporate CA", authority=True) for _ in range(2))
    leaf = pems.made("pilothouse.example", issuer=other)
    entra.directory.applications[APP].trusted_names.append(TrustedName(trusted.certificate, "pilothouse.example"))
    credential = CertificateCredential(
        TENANT_ID, APP, certificate_data=leaf.pem().encode(), send_certificate_chain=True, **options(entra)
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
        await token(credential)


async def test_a_certificate_without_its_key_is_refused(entra: EntraSimulator) -> None:
    registered, other = pems.made("app"), pems.made("app")
    entra.directory.applications[APP].certificates.append(registered.certificate)
    forged = other.key_pem() + registered.certificate_pem
    credential = CertificateCredential(TENANT_ID, APP, certificate_data=forged.encode(), **options(entra))
    with pytest.raises(ClientAuthenticationError, match="signature is not valid"):
        await token(credential)


def federated(entra: EntraSimulator, folder: Path, **changed: Any) -> Path:
    """The file of a ServiceAccount's token."""
    issuer = pems.made("issuer")
    told = {"iss": "https://oidc.example/cluster", "sub": "system:serviceaccount:pilothouse:operator"}
    public = issuer.certificate.public_key()
    entra.directory.issuers[told["iss"]] = _public_pem(public)
    entra.directory.applications[APP].federated.append(Federated(told["iss"], told["sub"]))
    body = {**told, "aud": ["api://AzureADTokenExchange"], "exp": 4_000_000_000, "nbf": 0, **changed}
    file = folder / "token"
    file.write_text(jwt.encode(body, issuer.key, algorithm="RS256"))
    return file


def _public_pem(key: Any) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return str(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def workload(entra: EntraSimulator, file: Path) -> WorkloadIdentityCredential:
    return WorkloadIdentityCredential(tenant_id=TENANT_ID, client_id=APP, token_file_path=str(file), **options(entra))


async def test_a_workload_identity_signs_in(entra: EntraSimulator, tmp_path: Path) -> None:
    assert claims(entra, await token(workload(entra, federated(entra, tmp_path))))["appid"] == APP


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"sub": "system:serviceaccount:other:other"}, 700213),
        ({"aud": "api://other"}, 700213),
        ({"iss": "https://oidc.example/other"}, 70021),
        ({"exp": 1_000_000_000}, 700024),
    ],
)
async def test_another_workload_is_refused(
    entra: EntraSimulator, tmp_path: Path, changed: dict[str, Any], code: int
) -> None:
    file = federated(entra, tmp_path, **changed)
    with pytest.raises(ClientAuthenticationError, match=f"AADSTS{code}:"):
        await token(workload(entra, file))


async def test_refusals_have_their_codes(entra: EntraSimulator) -> None:
    entra.directory.applications[APP].secrets["old"] = 1_000_000_000
    refused = {
        7000215: (TENANT_ID, APP, "wrong", SCOPE),
        7000222: (TENANT_ID, APP, "old", SCOPE),
        700016: (TENANT_ID, "other", SECRET, SCOPE),
        500011: (TENANT_ID, APP, SECRET, "https://unknown.example/.default"),
        1002012: (TENANT_ID, APP, SECRET, COGNITIVE),
        90002: ("other", APP, SECRET, SCOPE),
    }
    for code, (tenant, client, secret, scope) in refused.items():
        async with asynchronous.ClientSecretCredential(tenant, client, secret, **options(entra)) as credential:
            with pytest.raises(ClientAuthenticationError, match=f"AADSTS{code}:"):
                await credential.get_token(scope)


async def test_an_unknown_tenant_is_not_discovered(entra: EntraSimulator) -> None:
    with pytest.raises(ClientAuthenticationError, match="tenant"):
        await token(ClientSecretCredential("other", APP, SECRET, **options(entra)))


async def test_what_is_set_comes_instead_once(entra: EntraSimulator) -> None:
    entra.service.instead.append(refusal(90055, ("retry-after", "7")))
    async with asynchronous.ClientSecretCredential(TENANT_ID, APP, SECRET, **options(entra)) as credential:
        with pytest.raises(ClientAuthenticationError) as caught:
            await credential.get_token(SCOPE)
        assert caught.value.response is not None
        assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "7")
        assert (await credential.get_token(SCOPE)).token


async def test_instances_are_discovered(entra: EntraSimulator) -> None:
    url = f"{entra.authority}/common/discovery/instance"
    async with aiohttp.ClientSession() as session:
        for endpoint, status in ((f"{entra.authority}/{TENANT_ID}/oauth2/v2.0/authorize", 200), ("https://x/y", 400)):
            asked = session.get(
                url, params={"authorization_endpoint": endpoint, "api-version": "1.1"}, ssl=entra.tls.trusting()
            )
            async with asked as answer:
                assert answer.status == status
                found = json.loads(await answer.text())
                assert found.get("error") == (None if status == 200 else "invalid_instance")


SYSTEM = ManagedIdentity("system-client", "system-object")
USER = ManagedIdentity("user-client", "user-object", "/subscriptions/s/resourceGroups/r/providers/user")


async def managed_claims(entra: EntraSimulator, **chosen: Any) -> dict[str, Any]:
    return claims(entra, await token(ManagedIdentityCredential(retry_total=0, **chosen)))


@pytest.fixture(params=["imds", "app service"])
def hosted(request: pytest.FixtureRequest, entra: EntraSimulator, monkeypatch: pytest.MonkeyPatch) -> EntraSimulator:
    if request.param == "app service":
        monkeypatch.setenv("IDENTITY_ENDPOINT", entra.identity_endpoint)
        monkeypatch.setenv("IDENTITY_HEADER", managed.IDENTITY_HEADER)
    return entra


async def test_managed_identities_sign_in(hosted: EntraSimulator) -> None:
    hosted.directory.system_assigned = SYSTEM
    hosted.directory.user_assigned = [USER]
    assert (await managed_claims(hosted))["appid"] == "system-client"
    assert (await managed_claims(hosted, client_id="user-client"))["appid"] == "user-client"
    for name in ("object_id", "resource_id"):
        by_name = {name: getattr(USER, name)}
        assert (await managed_claims(hosted, identity_config=by_name))["appid"] == "user-client"


async def test_an_identity_that_is_not_assigned_is_refused(hosted: EntraSimulator) -> None:
    with pytest.raises((CredentialUnavailableError, ClientAuthenticationError)):
        await managed_claims(hosted, client_id="other")


async def test_a_wrong_identity_header_is_refused(entra: EntraSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    entra.directory.system_assigned = SYSTEM
    monkeypatch.setenv("IDENTITY_ENDPOINT", entra.identity_endpoint)
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    with pytest.raises(ClientAuthenticationError):
        await managed_claims(entra)


async def test_a_token_ends_and_is_for_one_audience(entra: EntraSimulator) -> None:
    found = await token(ClientSecretCredential(TENANT_ID, APP, SECRET, **options(entra)))
    end = claims(entra, found)["exp"]
    keys = entra.mint.public_keys
    assert verified(found, keys=keys, audiences=[COGNITIVE], now=end - 1)
    with pytest.raises(TokenRefused) as caught:
        verified(found, keys=keys, audiences=[COGNITIVE], now=end)
    assert caught.value.expired
    with pytest.raises(TokenRefused):
        verified(found, keys=keys, audiences=["https://vault.azure.net"])
    with pytest.raises(TokenRefused):
        verified(found, keys={}, audiences=[COGNITIVE])


@pytest.mark.parametrize("surface", ["dated", "v1"])
async def test_azure_openai_takes_tokens_until_they_end(
    entra: EntraSimulator, simulators: Simulators, surface: str
) -> None:
    simulators.controls.keys.entra = entra.mint.public_keys
    good = await token(ClientSecretCredential(TENANT_ID, APP, SECRET, **options(entra)))
    ended = entra.mint.issue(audience=COGNITIVE, tenant_id=TENANT_ID, app_id=APP, object_id="o", now=1e9, life_s=60)
    hello: Any = [{"role": "user", "content": "Hello"}]
    for found, accepted in ((good, True), (ended, False), ("no-token", False)):
        client: openai.AsyncOpenAI = (
            openai.AsyncOpenAI(base_url=f"{simulators.azure_url}/openai/v1", api_key=found, max_retries=0)
            if surface == "v1"
            else openai.AsyncAzureOpenAI(
                azure_endpoint=simulators.azure_url, api_version="2024-10-21", azure_ad_token=found, max_retries=0
            )
        )
        async with client:
            if accepted:
                await client.chat.completions.create(model="gpt-4o", messages=hello)
                continue
            with pytest.raises(openai.AuthenticationError, match="Access token is missing"):
                await client.chat.completions.create(model="gpt-4o", messages=hello)
    shown = simulators.controls.recorder.shown(provider="azure", model=None, since=0, limit=10)
    assert json.dumps(shown, default=str).count(good) == 0
