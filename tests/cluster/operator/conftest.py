"""The operator's own parts against a real API server."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pilothouse_operator.kube.connection import Connection, ProxyEnv, connect
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.observe import Metrics


class SystemClock:
    """The machine's."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


@pytest.fixture(scope="session", autouse=True)
def _no_watch_outlives_the_run() -> Iterator[None]:
    """kopf takes some seconds to end: not each test waits for it, but the last one does."""
    yield
    for thread in threading.enumerate():
        if thread.name == "kopf":
            thread.join(20)


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
def rng() -> random.Random:
    return random.Random(1)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@asynccontextmanager
async def connected(kubeconfig: Path) -> AsyncIterator[tuple[Connection, Api]]:
    """An API client of its own."""
    connection = await connect(kubeconfig=kubeconfig, context=None, proxy_env=ProxyEnv.IGNORE)
    try:
        yield connection, Api(connection=connection, metrics=Metrics(), rng=random.Random(1))
    finally:
        await connection.close()


@asynccontextmanager
async def running(*parts: object) -> AsyncIterator[None]:
    """Coroutines that run for the length of a test; one that fails fails the test."""
    tasks = [asyncio.ensure_future(part) for part in parts]  # type: ignore[call-overload]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], bool], *, within_s: float = 30) -> None:
    """Waits for what must come true; fails when it does not."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        await asyncio.sleep(0.05)
