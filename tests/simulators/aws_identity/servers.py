"""The servers, on a loop and thread of their own, so that blocking SDKs can call them."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

from tests.simulators.aws_identity.account import Account
from tests.simulators.aws_identity.metadata import CONTAINER_PATH, MetadataService
from tests.simulators.aws_identity.sts import StsService
from tests.simulators.wire.server import Server


class AWSIdentitySimulator:
    """Use as a context manager. `account` may be set and read from any thread between calls."""

    def __init__(self) -> None:
        self.account = Account()
        self.sts_url = self.metadata_url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="aws identity", daemon=True)
        self._sts = Server(service=StsService(self.account), host="127.0.0.1", port=0)
        self._metadata = Server(service=MetadataService(self.account), host="127.0.0.1", port=0)

    @property
    def container_url(self) -> str:
        return self.metadata_url + CONTAINER_PATH

    def __enter__(self) -> AWSIdentitySimulator:
        self._thread.start()
        self.sts_url = f"http://127.0.0.1:{self._on_loop(self._sts)}"
        self.metadata_url = f"http://127.0.0.1:{self._on_loop(self._metadata)}"
        return self

    def _on_loop(self, server: Server) -> int:
        return asyncio.run_coroutine_threadsafe(server.start(), self._loop).result(timeout=10)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _stop(self) -> None:
        for server in (self._sts, self._metadata):
            await server.stop()
        for _ in range(10):
            await asyncio.sleep(0)  # transports that were dropped close their sockets in a later turn of the loop
