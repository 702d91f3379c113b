"""Clouds and stores outside the cluster, put together. Each SDK is loaded when the first provider needs it."""

import asyncio
import importlib
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from random import Random
from typing import TYPE_CHECKING, Generic, TypeVar

from pilothouse_api.secret import Secret
from pilothouse_operator.broker.broker import SessionBroker
from pilothouse_operator.compile.discovered import Listed
from pilothouse_operator.compile.identities import (
    Account,
    Address,
    AnthropicServer,
    AWSParameterAddress,
    AWSSecretAddress,
    AWSSession,
    AzureAccount,
    BedrockAccount,
    EntraAccess,
    GoogleSecretAddress,
    KeyVaultAddress,
    ModelServer,
    VaultAddress,
)
from pilothouse_operator.discovery.accounts import AccountDiscovery
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import Application, Clock, CredentialService, Fetched, Issued, Lister, Store
from pilothouse_operator.secretstores.poll import PolledSecrets

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from pilothouse_operator.clouds.aws import AWSIdentities
    from pilothouse_operator.clouds.entra import Entra

_T = TypeVar("_T")


class Outside:
    """`stored`, `broker` and `accounts` are to be run, and then all to be closed.

    Nobody is asked before something is wanted.
    """

    def __init__(self, *, clock: Clock, rng: Random, metrics: Metrics) -> None:
        self._clock = clock
        self._closing = AsyncExitStack()
        self._aws = _Late(self._make_aws)
        self._entra = _Late(self._make_entra)
        self._azure = _Late(self._make_azure)
        self.stored = PolledSecrets(
            stores={
                AWSSecretAddress: _LateStore(self._secrets_manager),
                AWSParameterAddress: _LateStore(self._parameter_store),
                KeyVaultAddress: _LateStore(self._key_vault),
                GoogleSecretAddress: _LateStore(self._google_secret_manager),
                VaultAddress: _LateStore(self._vault),
            },
            clock=clock,
            rng=rng,
            metrics=metrics,
        )
        self.broker = SessionBroker(
            services={AWSSession: _LateService(self._aws_sessions), EntraAccess: _LateService(self._entra_tokens)},
            clock=clock,
            rng=rng,
            metrics=metrics,
        )
        self.accounts = AccountDiscovery(
            listers={
                AnthropicServer: _LateLister(self._claude_models),
                AzureAccount: _LateLister(self._azure_deployments),
                BedrockAccount: _LateLister(self._bedrock_models),
                ModelServer: _LateLister(self._served_models),
            },
            clock=clock,
            rng=rng,
            metrics=metrics,
        )

    async def aclose(self) -> None:
        """Ends connections and threads."""
        await self._closing.aclose()

    async def _make_aws(self) -> "AWSIdentities":
        await _load("pilothouse_operator.clouds.aws")
        from pilothouse_operator.clouds.aws import AWSIdentities
        from pilothouse_operator.clouds.aws_calls import AWSCalls

        calls = AWSCalls()
        self._closing.callback(calls.close)
        return AWSIdentities(calls=calls, clock=self._clock, environ=os.environ)

    async def _make_entra(self) -> "Entra":
        await _load("pilothouse_operator.clouds.entra")
        from pilothouse_operator.clouds.entra import Entra

        return Entra(session=await self._azure.made())

    async def _make_azure(self) -> "ClientSession":
        from pilothouse_operator.clouds.entra import connect

        return await self._closing.enter_async_context(connect())

    async def _aws_sessions(self) -> CredentialService:
        identities = await self._aws.made()
        from pilothouse_operator.credentials.aws_sessions import AWSSessions

        return AWSSessions(identities=identities, clock=self._clock)

    async def _entra_tokens(self) -> CredentialService:
        entra = await self._entra.made()
        from pilothouse_operator.credentials.entra import EntraTokens

        return EntraTokens(entra=entra)

    async def _bedrock_models(self) -> Lister:
        identities = await self._aws.made()
        from pilothouse_operator.discovery.bedrock import BedrockModels

        return BedrockModels(identities=identities)

    async def _azure_deployments(self) -> Lister:
        entra = await self._entra.made()
        from pilothouse_operator.discovery.azure import AzureDeployments

        return AzureDeployments(entra=entra, session=await self._azure.made())

    async def _served_models(self) -> Lister:
        from pilothouse_operator.discovery.model_server import ServedModels

        return ServedModels()

    async def _claude_models(self) -> Lister:
        from pilothouse_operator.discovery.anthropic import ClaudeModels

        return ClaudeModels()

    async def _secrets_manager(self) -> Store:
        identities = await self._aws.made()
        from pilothouse_operator.secretstores.aws_secrets_manager import AWSSecretsManager

        return AWSSecretsManager(identities=identities)

    async def _parameter_store(self) -> Store:
        identities = await self._aws.made()
        from pilothouse_operator.secretstores.aws_parameter_store import AWSParameterStore

        return AWSParameterStore(identities=identities)

    async def _key_vault(self) -> Store:
        entra = await self._entra.made()
        await _load("pilothouse_operator.secretstores.azure_key_vault")
        from pilothouse_operator.secretstores.azure_key_vault import AzureKeyVault

        return AzureKeyVault(entra=entra)

    async def _google_secret_manager(self) -> Store:
        await _load("pilothouse_operator.clouds.google")
        from pilothouse_operator.clouds.google import GoogleTokens
        from pilothouse_operator.secretstores.google_secret_manager import GoogleSecretManager

        return GoogleSecretManager(tokens=GoogleTokens())

    async def _vault(self) -> Store:
        await _load("pilothouse_operator.clouds.vault")
        from pilothouse_operator.clouds.vault import Vault
        from pilothouse_operator.secretstores.vault import VaultStore

        return VaultStore(vault=Vault(clock=self._clock))


async def _load(module: str) -> None:
    """In another thread: the import of an SDK takes up to a second, for which no stream is to wait."""
    await asyncio.to_thread(importlib.import_module, module)


class _Late(Generic[_T]):
    """Made once, when it is needed."""

    def __init__(self, make: Callable[[], Awaitable[_T]]) -> None:
        self._make = make
        self._made: _T | None = None
        self._making = asyncio.Lock()

    async def made(self) -> _T:
        async with self._making:
            if self._made is None:
                self._made = await self._make()
            return self._made


class _LateStore:
    def __init__(self, make: Callable[[], Awaitable[Store]]) -> None:
        self._store = _Late(make)

    async def fetch(self, address: Address, sign_in: Mapping[str, Secret], *, known: str | None) -> Fetched | None:
        return await (await self._store.made()).fetch(address, sign_in, known=known)


class _LateService:
    def __init__(self, make: Callable[[], Awaitable[CredentialService]]) -> None:
        self._service = _Late(make)

    async def issue(self, application: Application) -> Issued:
        return await (await self._service.made()).issue(application)


class _LateLister:
    def __init__(self, make: Callable[[], Awaitable[Lister]]) -> None:
        self._lister = _Late(make)

    async def models(self, account: Account, values: Mapping[str, Secret]) -> Listed:
        return await (await self._lister.made()).models(account, values)
