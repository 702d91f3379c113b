"""A service on a thread with a loop of its own, for callers that block."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.simulators.wire.server import Server, Service

_PATIENCE_S = 10


@contextmanager
def serving(service: Service, *, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The URL, without a final slash."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simulator", daemon=True)
    thread.start()
    server = Server(service=service, host="127.0.0.1", port=0, tls=tls)
    port = asyncio.run_coroutine_threadsafe(server.start(), loop).result(timeout=_PATIENCE_S)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(timeout=_PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=_PATIENCE_S)
        loop.close()
