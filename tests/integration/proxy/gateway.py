"""The proxy's brain behind a real socket, in the test's own loop, with a configuration given by hand."""

import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import aiohttp

from pilothouse_api.names import ProviderKey
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import Credential
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_proxy import runtime
from pilothouse_proxy.auth.subject import Subject
from pilothouse_proxy.http import client, limits, server
from pilothouse_proxy.observe import exposition
from pilothouse_proxy.observe.log import Format, Log
from pilothouse_proxy.observe.meters import Counter
from pilothouse_proxy.observe.metrics import Metrics
from pilothouse_proxy.pipeline import serve
from pilothouse_proxy.pipeline.renewals import Renewals
from pilothouse_proxy.pipeline.services import Services
from pilothouse_proxy.quota.stores.memory import Store
from tests import planted, sweeps
from tests.integration.proxy.configurations import AUTHORIZED


class Clock:
    """The real one."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


@dataclass
class Answer:
    """What a caller got."""

    status: int
    headers: dict[str, str]
    body: bytes

    def swept(self) -> "Answer":
        """Itself, if it shows the caller no planted secret."""
        head = sweeps.of_headers(self.headers)
        planted.sweep([("the head of an answer", head), ("the body of an answer", self.body)])
        return self

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json["error"]
        return found

    @property
    def events(self) -> list[Any]:
        """Of a stream; [DONE] as text."""
        found = [part.removeprefix("data: ") for part in self.body.decode().split("\n\n") if part]
        return [part if part == "[DONE]" else json.loads(part) for part in found]

    @property
    def text(self) -> str:
        """What a streamed answer says."""
        return "".join(
            choice["delta"].get("content") or ""
            for event in self.events
            if event != "[DONE]"
            for choice in event.get("choices", [])
        )


class Gateway:
    """One that listens."""

    def __init__(self, services: Services, pipeline: serve.Pipeline, store: Store, log: Log, session: Any) -> None:
        self.services = services
        self.pipeline = pipeline
        self.url = ""
        self.session: aiohttp.ClientSession = session
        self._store = store
        self._log = log

    def configure(
        self,
        snapshot: Snapshot,
        *,
        resident: Subject | None = None,
        renewed: Mapping[ProviderKey, Credential] | None = None,
    ) -> runtime.Runtime:
        """What the configuration room does with a publication."""
        built = runtime.build(
            snapshot,
            version=canonical.version(canonical.encode(snapshot)),
            renewed=renewed or {},
            resident=resident,
            metrics=self.services.metrics,
            store=self._store,
            previous=self.pipeline.runtime,
            now=time.monotonic(),
        )
        assert isinstance(built, runtime.Runtime), built
        self.pipeline.runtime = built
        self.services.renewals.arrived(built.sign_ins)
        return built

    def renew(self, credentials: Mapping[ProviderKey, Credential]) -> None:
        """What it does with a renewal."""
        assert self.pipeline.runtime is not None
        self.pipeline.runtime = renewed = runtime.signed_in(self.pipeline.runtime, credentials)
        self.services.renewals.arrived(renewed.sign_ins)

    async def ask(
        self,
        body: Any = None,
        *,
        path: str = "/v1/chat/completions",
        method: str = "POST",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request, read to its end."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        async with self.session.request(
            method, self.url + path, data=sent, headers={**AUTHORIZED, **(headers or {})}
        ) as answer:
            received = await answer.read()
            told = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, told, received).swept()

    async def chat(self, model: str = "chat", *, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        body = {"model": model, "messages": [{"role": "user", "content": "Ahoy"}], **more}
        return await self.ask(body, headers=headers)

    @property
    def in_flight(self) -> int:
        return self._listener.requests_in_flight

    async def lines(self) -> list[dict[str, Any]]:
        """The access log until now."""
        await self._log.close()
        return [json.loads(line) for line in self._log_path.read_bytes().splitlines()]

    async def line(self) -> dict[str, Any]:
        """The one request of the log."""
        (line,) = await self.lines()
        return line

    _log_path: Path
    _listener: server.Server


@contextlib.asynccontextmanager
async def gateway(
    snapshot: Snapshot | None, *, resident: Subject | None = None, beat_s: float = 15.0
) -> AsyncIterator[Gateway]:
    """A running one. Without a snapshot it has no configuration."""
    metrics, store = Metrics(), Store()
    descriptor, path = tempfile.mkstemp(prefix="access-", suffix=".log")
    log = Log(descriptor=descriptor, form=Format.JSON, wall=time.time, dropped=Counter())
    services = Services(
        client=client.Client(limits.ClientLimits()),
        clock=Clock(),
        rng=Random(7),
        metrics=metrics,
        renewals=Renewals(metrics),
        access_log=log,
        beat_s=beat_s,
    )
    pipeline = serve.Pipeline(services, elsewhere={})
    listener = server.Server(pipeline.handle, limits.Limits(), on_failure=serve.on_failure, on_refusal=pipeline.refuse)
    port = await listener.start("127.0.0.1", 0)
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        running = Gateway(services, pipeline, store, log, session)
        running.url = f"http://127.0.0.1:{port}"
        running._log_path = Path(path)
        running._listener = listener
        if snapshot is not None:
            running.configure(snapshot, resident=resident)
        try:
            yield running
        finally:
            await session.close()
            await listener.drain(2.0)
            services.client.close()
            await log.close()
            os.close(descriptor)
            shown = await asyncio.to_thread(Path(path).read_bytes)
            os.unlink(path)
            await asyncio.sleep(0)
            planted.sweep([("the access log", shown), ("the metrics", b"".join(exposition.render(metrics, ())))])


async def until(condition: Callable[[], object], *, seconds: float = 20.0) -> None:
    """Return as soon as it holds; fail when it never does."""
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"it did not come true within {seconds:g} s")
