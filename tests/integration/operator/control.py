"""One replica's core on a directory of manifests, with its control server over TLS on loopback, and a client for it."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import aiohttp
import msgspec
from prometheus_client import generate_latest

from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.stream import Publication, StreamLine
from pilothouse_operator.compile.world import IdentityAccess
from pilothouse_operator.distribution import certificates
from pilothouse_operator.distribution.hub import Hub
from pilothouse_operator.distribution.server import ControlServer
from pilothouse_operator.observe import Metrics
from pilothouse_operator.outside import Outside
from pilothouse_operator.ports import Observation, ProxyIdentity
from pilothouse_operator.reconciler import Elsewhere, Reconciler, Sources
from pilothouse_operator.sources.directory import Directory
from tests import planted


class Clock:
    """The real one."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


class Names:
    """A verifier that takes the token for the name of an identity."""

    def __init__(self) -> None:
        self.known: dict[str, ProxyIdentity] = {}
        self.away = False

    async def verify(self, token: str) -> ProxyIdentity | None:
        if self.away:
            raise ConnectionError("the API server is away")
        return self.known.get(token)


@dataclass
class Shown:
    """Keeps every observation."""

    observations: list[Observation] = field(default_factory=list)

    def update(self, observation: Observation) -> None:
        self.observations.append(observation)

    async def run(self) -> None:
        await asyncio.Event().wait()


@dataclass
class Replica:
    """A running one."""

    hub: Hub
    reconciler: Reconciler
    names: Names
    shown: Shown
    port: int
    client: aiohttp.ClientSession
    tls: ssl.SSLContext
    elsewhere: list[Elsewhere] = field(default_factory=lambda: [Elsewhere()])

    def url(self, path: str) -> str:
        return f"https://localhost:{self.port}{path}"

    async def post(self, path: str, body: object, *, token: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        async with self.client.post(self.url(path), data=msgspec.json.encode(body), headers=headers) as answer:
            return answer.status

    @contextlib.asynccontextmanager
    async def stream(self, *, token: str) -> AsyncIterator["Stream"]:
        headers = {"authorization": f"Bearer {token}"}
        async with self.client.get(self.url("/v1/snapshots"), headers=headers) as answer:
            answer.raise_for_status()
            yield Stream(answer)


@dataclass
class Stream:
    """An open control stream."""

    answer: aiohttp.ClientResponse

    async def line(self) -> StreamLine | None:
        """The next line; None at the end."""
        async with asyncio.timeout(10):
            read = await self.answer.content.readline()
        return canonical.decode_line(read) if read else None

    async def publication(self) -> Publication:
        """The next snapshot."""
        while True:
            line = await self.line()
            assert line is not None, "the stream has ended"
            if isinstance(line, Publication):
                return line


@contextlib.asynccontextmanager
async def replica(root: Path, *, reads: bool = True) -> AsyncIterator[Replica]:
    """Runs the core on `root` until the block is left; without `reads` it never gets to see the manifests."""
    clock, names, shown = Clock(), Names(), Shown()
    elsewhere = [Elsewhere()]
    directory = Directory(root=root, environ={}, clock=clock)
    hub = Hub(replica="replica-0", boot="b")
    metrics = Metrics()
    beyond = Outside(clock=clock, rng=Random(1), metrics=metrics)
    reconciler = Reconciler(
        sources=Sources(
            resources=directory.source,
            secrets=directory.secrets,
            stored=beyond.stored,
            broker=beyond.broker,
            accounts=beyond.accounts,
            callers=directory.callers,
            access=IdentityAccess(),
        ),
        distribution=hub,
        status=shown,
        clock=clock,
        metrics=metrics,
        elsewhere=lambda: elsewhere[0],
    )
    server = ControlServer(
        hub=hub, verifier=names, clock=clock, rng=Random(1), peer_key=lambda: Secret("between replicas")
    )
    authority = certificates.make_authority(name="test", now=time.time())
    leaf = certificates.make_leaf(authority=authority, names=["localhost"], now=time.time())
    tls = certificates.server_context(leaf)
    trust = ssl.create_default_context(cadata=authority.certificate)
    tasks = [
        asyncio.create_task(reconciler.run()),
        asyncio.create_task(beyond.stored.run(reconciler.changed)),
        asyncio.create_task(beyond.broker.run(reconciler.changed, reconciler.renewed)),
        asyncio.create_task(beyond.accounts.run(reconciler.changed, reconciler.moved)),
    ]
    if reads:
        tasks.append(asyncio.create_task(directory.source.run(reconciler.changed)))
    connector = aiohttp.TCPConnector(ssl=trust, limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_read=30)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as client,
            server.listening(host="127.0.0.1", port=0, tls=tls) as port,
        ):
            yield Replica(hub, reconciler, names, shown, port, client, tls, elsewhere)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await beyond.aclose()
        verdicts = [observation.verdicts for observation in shown.observations]
        planted.sweep([("a status", repr(verdicts)), ("the metrics", generate_latest(metrics.registry))])


async def until(condition: object, *, seconds: float = 10) -> None:
    """Waits for `condition()` to hold."""
    assert callable(condition)
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come to pass in time"
        await asyncio.sleep(0.01)
