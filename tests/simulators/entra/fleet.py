"""Entra and the endpoints of managed identities, started together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tests.simulators.entra.directory import Directory
from tests.simulators.entra.managed import APP_SERVICE_PATH, ManagedIdentities
from tests.simulators.entra.service import EntraService
from tests.simulators.entra.tokens import Mint
from tests.simulators.wire.server import Server, Service
from tests.simulators.wire.tls import LocalAuthority


class EntraSimulator:
    """An asynchronous context manager, or `start` and `stop`. Certificates are written into `folder`.

    `authority`: URL for azure-identity's `authority`. `imds`: for AZURE_POD_IDENTITY_AUTHORITY_HOST.
    `identity_endpoint`: for IDENTITY_ENDPOINT, with `managed.IDENTITY_HEADER`. `mint.public_keys` is what services
    check tokens with (`Keyring.entra`). `through`: what stands in front of both services.
    """

    def __init__(
        self, folder: Path, mint: Mint | None = None, *, through: Callable[[Service], Service] = lambda inner: inner
    ) -> None:
        self.directory = Directory()
        self.mint = mint or Mint()
        self.tls = LocalAuthority(folder)
        self.service = EntraService(self.directory, self.mint)
        self.managed = ManagedIdentities(self.directory, self.mint)
        host = "127.0.0.1"
        self._entra = Server(service=through(self.service), host=host, port=0, tls=self.tls.server("localhost", host))
        self._managed = Server(service=through(self.managed), host=host, port=0)
        self.authority = self.imds = self.identity_endpoint = ""

    async def start(self) -> None:
        self.authority = self.service.origin = f"https://localhost:{await self._entra.start()}"
        self.imds = f"http://127.0.0.1:{await self._managed.start()}"
        self.identity_endpoint = self.imds + APP_SERVICE_PATH

    async def stop(self) -> None:
        await self._entra.stop()
        await self._managed.stop()

    async def __aenter__(self) -> EntraSimulator:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
