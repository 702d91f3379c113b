"""Fixtures over a small API server that answers as it is told."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from pilothouse_operator.kube import requests
from pilothouse_operator.kube.connection import Connection, ProxyEnv, connect
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.observe import Metrics
from tests.integration.operator.conftest import whole_log
from tests.unit.operator.apiserver import Server

__all__ = ["whole_log"]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    served = Server()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", served.serve)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.port = runner.addresses[0][1]
    yield served
    await runner.cleanup()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("first-token")
    return path


@pytest.fixture
def kubeconfig(server: Server, token_file: Path, tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{server.port}/"}}],
        "users": [{"name": "test", "user": {"tokenFile": str(token_file)}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
async def connection(kubeconfig: Path) -> AsyncIterator[Connection]:
    opened = await connect(kubeconfig=kubeconfig, context=None, proxy_env=ProxyEnv.IGNORE)
    yield opened
    await opened.close()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def api(connection: Connection, metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(requests, "_BACKOFF_S", (0.001, 0.01))
    return Api(connection=connection, metrics=metrics, rng=random.Random(1))
