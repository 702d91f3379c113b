"""Simulators of Entra and Key Vault, and what the operator signs in to them with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse_operator.clouds.entra import Entra, connect
from pilothouse_operator.compile.identities import EntraIdentity, EntraWay
from tests.integration.operator.conftest import whole_log
from tests.simulators.entra.directory import TENANT_ID, Application
from tests.simulators.entra.fleet import EntraSimulator
from tests.simulators.entra.tokens import Mint
from tests.simulators.key_vault.service import KeyVault

__all__ = ["whole_log"]

CLIENT_ID = "33333333-cccc-4ccc-8ccc-333333333333"
CLIENT_SECRET = "planted~Client-Secret.0001"
# What the SDK looks at in the pod that it runs in.
_AMBIENT = (
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TENANT_ID",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
)


@pytest.fixture(scope="session")
def mint() -> Mint:
    """Its key takes longer to make than a test."""
    return Mint()


@pytest.fixture
async def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mint: Mint) -> AsyncIterator[EntraSimulator]:
    for name in _AMBIENT:
        monkeypatch.delenv(name, raising=False)
    async with EntraSimulator(tmp_path, mint) as simulator:
        simulator.directory.add(Application(CLIENT_ID, secrets={CLIENT_SECRET: None}))
        monkeypatch.setenv("SSL_CERT_FILE", simulator.tls.ca_file)
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", simulator.imds)
        yield simulator


@pytest.fixture
async def vault(azure: EntraSimulator) -> AsyncIterator[KeyVault]:
    async with KeyVault(azure) as simulator:
        yield simulator


@pytest.fixture
async def entra(azure: EntraSimulator) -> AsyncIterator[Entra]:
    """The operator's side."""
    async with connect() as session:
        yield Entra(session=session)


@pytest.fixture
def principal(azure: EntraSimulator) -> EntraIdentity:
    return EntraIdentity(
        way=EntraWay.SERVICE_PRINCIPAL, authority=azure.authority, tenant_id=TENANT_ID, client_id=CLIENT_ID
    )
