"""How a turn of kopf ends: soon, for good, and with nothing left open, whatever its watches are at."""

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from pilothouse_operator.compile.world import Kind
from pilothouse_operator.kube import resources
from pilothouse_operator.kube.connection import Connection, ProxyEnv, connect
from pilothouse_operator.sources.watch import Heard, Watch, WatchScope

GROUP = f"/apis/{resources.of(Kind.ROUTE).group}"
VERSION = f"{GROUP}/{resources.VERSION}"


def described(plural: str, kind: str) -> dict[str, object]:
    """One entry of an APIResourceList."""
    verbs = ["get", "list", "watch"]
    return {"name": plural, "kind": kind, "singularName": kind.lower(), "namespaced": True, "verbs": verbs}


class Cluster:
    """An API server without objects. Watches of a kind stay open, unless the kind is shaky or gone."""

    def __init__(self) -> None:
        self.shaky: set[Kind] = set()
        """Their watches are cut before any answer."""
        self.cuts = 0
        self._gone: set[Kind] = set()
        self._watches: dict[Kind, asyncio.Transport] = {}
        self.port = 0

    @property
    def watched(self) -> int:
        return len(self._watches)

    def drop(self, kind: Kind) -> None:
        """The kind is no longer served: its watch ends, and is not found any more."""
        self._gone.add(kind)
        self._watches[kind].abort()

    async def versions(self, request: web.Request) -> web.Response:
        return web.json_response({"versions": ["v1"]})

    async def groups(self, request: web.Request) -> web.Response:
        version = {"groupVersion": VERSION.removeprefix("/apis/"), "version": resources.VERSION}
        group = {"name": GROUP.removeprefix("/apis/"), "versions": [version], "preferredVersion": version}
        return web.json_response({"groups": [group]})

    async def core(self, request: web.Request) -> web.Response:
        return web.json_response({"resources": [described("namespaces", "Namespace")]})

    async def kinds(self, request: web.Request) -> web.Response:
        return web.json_response({"resources": [described(kind.plural, kind.value) for kind in Kind]})

    async def objects(self, request: web.Request) -> web.StreamResponse:
        kind = next(kind for kind in Kind if kind.plural == request.match_info["plural"])
        if "watch" not in request.query:
            return web.json_response({"items": [], "metadata": {"resourceVersion": "1"}})
        if kind in self._gone:
            raise web.HTTPNotFound
        transport = request.transport
        assert transport is not None
        if kind in self.shaky:
            self.cuts += 1
            transport.abort()
            return web.Response()
        stream = web.StreamResponse()
        await stream.prepare(request)
        self._watches[kind] = transport
        try:
            await asyncio.Event().wait()
        finally:
            del self._watches[kind]
        return stream


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    served = Cluster()
    application = web.Application()
    application.router.add_get("/api", served.versions)
    application.router.add_get("/api/v1", served.core)
    application.router.add_get("/apis", served.groups)
    application.router.add_get(VERSION, served.kinds)
    application.router.add_get(f"{VERSION}/{{plural}}", served.objects)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.port = runner.addresses[0][1]
    yield served
    await runner.cleanup()


@pytest.fixture
async def connection(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Connection]:
    path = tmp_path / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{cluster.port}/"}}],
        "users": [{"name": "test", "user": {"token": "a-token"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path.write_text(yaml.safe_dump(document))
    opened = await connect(kubeconfig=path, context=None, proxy_env=ProxyEnv.IGNORE)
    yield opened
    await opened.close()


@pytest.fixture
def watch(connection: Connection) -> Watch:
    def deliver(heard: list[Heard]) -> None:
        raise AssertionError(f"nothing was to be heard: {heard}")

    return Watch(connection=connection, scope=WatchScope(), deliver=deliver)


async def until(holds: Callable[[], bool]) -> None:
    """Waits for what must come true; fails when it does not."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "not within 30 s"
        await asyncio.sleep(0.02)


def turns() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "kopf"]


@pytest.mark.parametrize("attempt", range(4))
async def test_a_kind_that_is_gone_ends_it_though_others_are_just_coming_back(
    cluster: Cluster, watch: Watch, attempt: int
) -> None:
    cluster.shaky = {Kind.PROVIDER, Kind.QUOTA}
    running = asyncio.create_task(watch.run(frozenset(Kind)))
    await until(lambda: cluster.watched == 1 and cluster.cuts >= 6)
    cluster.drop(Kind.ROUTE)
    async with asyncio.timeout(30):
        assert await running == "APINotFoundError"
    await until(lambda: not turns())
    gc.collect()


async def test_a_kind_that_is_gone_ends_it_and_leaves_nothing_open(cluster: Cluster, watch: Watch) -> None:
    running = asyncio.create_task(watch.run(frozenset(Kind)))
    await until(lambda: cluster.watched == 3)
    cluster.drop(Kind.ROUTE)
    async with asyncio.timeout(30):
        assert await running == "APINotFoundError"
    await until(lambda: not turns() and not cluster.watched)
    gc.collect()


async def test_told_to_stop_it_stops_and_leaves_nothing_open(cluster: Cluster, watch: Watch) -> None:
    cluster.shaky = {Kind.QUOTA}
    running = asyncio.create_task(watch.run(frozenset(Kind)))
    await until(lambda: cluster.watched == 2 and cluster.cuts >= 3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: not turns() and not cluster.watched)
    gc.collect()
