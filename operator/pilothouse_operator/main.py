"""The operator in a cluster: puts the rooms together, keeps them running, and takes them down in order."""

import asyncio
import contextlib
import logging
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, GCCollector, ProcessCollector, generate_latest

from pilothouse_api.names import GATEWAY_SCOPE
from pilothouse_api.secret import Secret
from pilothouse_operator.compile.world import IdentityAccess
from pilothouse_operator.distribution.hub import Hub
from pilothouse_operator.distribution.identity import ServiceAccount, TokenReviewVerifier
from pilothouse_operator.distribution.issued import IssuedSecret
from pilothouse_operator.distribution.keyring import Keyring
from pilothouse_operator.distribution.peers import Peers
from pilothouse_operator.distribution.server import ControlServer
from pilothouse_operator.distribution.trust import Trust
from pilothouse_operator.kube.connection import Connection, ProxyEnv, connect
from pilothouse_operator.kube.errors import KubeError
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.leader import Elector
from pilothouse_operator.observe import Metrics
from pilothouse_operator.outside import Outside
from pilothouse_operator.ports import Clock
from pilothouse_operator.reconciler import Elsewhere, Reconciler, Sources
from pilothouse_operator.secretstores.kubernetes import KubernetesSecrets
from pilothouse_operator.sources.callers import ClusterCallers
from pilothouse_operator.sources.cluster import ClusterSource
from pilothouse_operator.sources.watch import WatchScope
from pilothouse_operator.status.rivals import Rivals
from pilothouse_operator.status.writer import Release, StatusWriter

_log = logging.getLogger(__name__)

_HEARTBEAT_S = 1.0
_ALIVE_S = 15.0
_BACKOFF_S = (1.0, 30.0)
_STEADY_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command line says. `names`: DNS names and addresses for the control stream's certificate.

    `certificate_secret`: the Secret in which somebody else keeps that certificate; empty: the operator issues it.
    `secret_namespaces`: where Secrets with API keys may be listed; empty: as `watch_namespaces`.
    """

    host: str
    port: int
    metrics_host: str
    metrics_port: int
    namespace: str
    release: str
    service: str
    replica: str
    certificate_names: tuple[str, ...]
    certificate_secret: str
    gateways: frozenset[ServiceAccount]
    watch_namespaces: tuple[str, ...]
    secret_namespaces: tuple[str, ...]
    selector: str
    access: IdentityAccess
    kubeconfig: Path | None
    context: str | None
    proxy_env: ProxyEnv

    @property
    def names(self) -> tuple[str, ...]:
        """All names by which this release is called."""
        service = f"{self.service}.{self.namespace}"
        return (f"{service}.svc", self.service, service, f"{service}.svc.cluster.local", *self.certificate_names)


async def run(settings: Settings, *, clock: Clock) -> None:
    """Until SIGTERM or SIGINT. Raises KubeError if there is no way to sign in to an API server."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    connection = await connect(kubeconfig=settings.kubeconfig, context=settings.context, proxy_env=settings.proxy_env)
    try:
        await _Operator(settings, connection, clock).run(stop)
    finally:
        await connection.close()


class _Operator:
    """All rooms of one replica."""

    def __init__(self, settings: Settings, connection: Connection, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = SystemRandom()
        self._metrics = Metrics()
        ProcessCollector(registry=self._metrics.registry)
        GCCollector(registry=self._metrics.registry)
        self._api = Api(connection=connection, metrics=self._metrics, rng=self._rng)
        scope = WatchScope(namespaces=settings.watch_namespaces, selector=settings.selector)
        release = Release(namespace=settings.namespace, name=settings.release)
        self._elector = Elector(
            api=self._api,
            namespace=settings.namespace,
            release=settings.release,
            identity=f"{settings.replica}_{secrets.token_hex(4)}",
            clock=clock,
            rng=self._rng,
            metrics=self._metrics,
        )
        self._hub = Hub(replica=settings.replica, boot=secrets.token_hex(4))
        self._source = ClusterSource(
            api=self._api, connection=connection, scope=scope, clock=clock, rng=self._rng, metrics=self._metrics
        )
        self._secrets = KubernetesSecrets(api=self._api, rng=self._rng, metrics=self._metrics)
        self._outside = Outside(clock=clock, rng=self._rng, metrics=self._metrics)
        readable = WatchScope(namespaces=settings.secret_namespaces or settings.watch_namespaces)
        self._callers = ClusterCallers(api=self._api, scope=readable, rng=self._rng)
        self._status = StatusWriter(
            api=self._api,
            release=release,
            is_leader=self._leads,
            clock=clock,
            metrics=self._metrics,
            replica=settings.replica,
        )
        self._keyring = self._make_keyring()
        self._trust = self._make_trust(release)
        self._reconciler = self._make_reconciler()
        self._peers = self._make_peers()
        self._listening = False
        self._ending = False
        self._beat = clock.monotonic()

    def _make_keyring(self) -> Keyring:
        settings = self._settings
        return Keyring(
            api=self._api,
            namespace=settings.namespace,
            secret=f"{settings.service}-tls",
            names=settings.names,
            clock=self._clock,
            metrics=self._metrics,
            is_leader=self._leads,
            issued=self._make_issued(),
        )

    def _make_issued(self) -> IssuedSecret | None:
        settings = self._settings
        if not settings.certificate_secret:
            return None
        return IssuedSecret(
            api=self._api,
            namespace=settings.namespace,
            secret=settings.certificate_secret,
            name=settings.names[0],
            clock=self._clock,
        )

    def _make_trust(self, release: Release) -> Trust:
        return Trust(
            api=self._api,
            keyring=self._keyring,
            hub=self._hub,
            namespace=self._settings.namespace,
            field_manager=release.field_manager,
            clock=self._clock,
            is_leader=self._leads,
            rival=Rivals(api=self._api, clock=self._clock).living,
        )

    def _make_reconciler(self) -> Reconciler:
        return Reconciler(
            sources=Sources(
                resources=self._source,
                secrets=self._secrets,
                stored=self._outside.stored,
                broker=self._outside.broker,
                accounts=self._outside.accounts,
                callers=self._callers,
                access=self._settings.access,
            ),
            distribution=self._hub,
            status=self._status,
            clock=self._clock,
            metrics=self._metrics,
            elsewhere=self._elsewhere,
            reporting=self._leads,
        )

    def _make_peers(self) -> Peers:
        settings = self._settings
        return Peers(
            api=self._api,
            keyring=self._keyring,
            namespace=settings.namespace,
            service=settings.service,
            replica=settings.replica,
            clock=self._clock,
            is_leader=self._leads,
            changed=self._reconciler.moved,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Health first, so that Kubernetes sees what happens; the stream last, once there is something to serve."""
        changed = self._reconciler.changed
        rooms: dict[str, Callable[[], Awaitable[None]]] = {
            "source": lambda: self._source.run(changed),
            "secrets": lambda: self._secrets.run(changed),
            "stores": lambda: self._outside.stored.run(changed),
            "broker": lambda: self._outside.broker.run(changed, self._reconciler.renewed),
            "accounts": lambda: self._outside.accounts.run(changed, self._reconciler.moved),
            "callers": lambda: self._callers.run(changed),
            "reconciler": self._reconciler.run,
            "status": self._status.run,
            "keyring": self._keyring.run,
            "trust": self._trust.run,
            "peers": self._peers.run,
            "control stream": self._serve,
            "leader": self._lead,
            "heartbeat": self._heartbeat,
        }
        async with self._health():
            tasks = [asyncio.create_task(_kept(name, room)) for name, room in rooms.items()]
            await stop.wait()
            _log.info("ending: the lease is released and proxies turn to another replica")
            self._ending = True
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._outside.aclose()

    async def _serve(self) -> None:
        tls = await self._keyring.ready()
        verifier = TokenReviewVerifier(review=self._review, gateways=self._settings.gateways, clock=self._clock)
        server = ControlServer(
            hub=self._hub,
            verifier=verifier,
            clock=self._clock,
            rng=self._rng,
            peer_key=lambda: self._keyring.peer_key,
        )
        async with server.listening(host=self._settings.host, port=self._settings.port, tls=tls) as port:
            _log.info("the control stream listens on %s:%d", self._settings.host, port)
            self._listening = True
            try:
                await asyncio.Event().wait()
            finally:
                self._listening = False

    async def _review(self, token: Secret, audience: str) -> Mapping[str, Any]:
        try:
            return await self._api.review_token(token, audience)
        except ConnectionError:
            raise
        except KubeError as fault:
            # A missing right is ours to mend: until then nobody's token is known to be bad.
            raise ConnectionError(str(fault)) from fault

    async def _lead(self) -> None:
        """A change of leadership is a reason to make up status anew."""
        election = asyncio.create_task(self._elector.run())
        led = False
        try:
            while not election.done():
                if self._leads() != led:
                    led = not led
                    self._reconciler.moved()
                await asyncio.wait([election], timeout=_HEARTBEAT_S)
            await election
        finally:
            election.cancel()
            await asyncio.wait([election])

    async def _heartbeat(self) -> None:
        while True:
            self._beat = self._clock.monotonic()
            await asyncio.sleep(_HEARTBEAT_S)

    def _leads(self) -> bool:
        return self._elector.is_leader

    def _elsewhere(self) -> Elsewhere:
        return Elsewhere(fleets=self._peers.fleets, reports=self._peers.reports, unreachable=self._peers.unreachable)

    @contextlib.asynccontextmanager
    async def _health(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metricz)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, self._settings.metrics_host, self._settings.metrics_port).start()
        _log.info("health and metrics on %s", ", ".join(f"{host}:{port}" for host, port, *_ in runner.addresses))
        try:
            yield
        finally:
            await runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        """That the main loop turns; never that the API server answers: an outage must not restart all operators."""
        late_s = self._clock.monotonic() - self._beat
        if late_s > _ALIVE_S:
            return web.Response(status=503, text=f"the main loop is {late_s:.0f} s late\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        """The whole configuration was seen once, and proxies can connect; an outage later changes nothing."""
        lacking = []
        if self._ending:
            lacking.append("ending")
        if not self._reconciler.synced:
            missing = self._source.missing or self._reconciler.missing
            lacking.append("nothing has been published yet: " + ("; ".join(missing) or "reading"))
        if not self._listening:
            lacking.append("the control stream does not listen yet")
        return web.Response(status=503 if lacking else 200, text="\n".join(lacking or ["ok"]) + "\n")

    async def _metricz(self, _: web.Request) -> web.Response:
        metrics = self._metrics
        connected = self._hub.connected()
        gateways = connected.get(GATEWAY_SCOPE, 0)
        metrics.streams.labels("gateway").set(gateways)
        metrics.streams.labels("sidecar").set(sum(connected.values()) - gateways)
        for state, count in self._hub.take_acks().items():
            metrics.acks.labels(state).inc(count)
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _kept(name: str, room: Callable[[], Awaitable[None]]) -> None:
    """Runs a room until cancelled. The process stays whatever happens in one of them: streams hang on it."""
    loop = asyncio.get_running_loop()
    backoff_s = _BACKOFF_S[0]
    while True:
        began = loop.time()
        try:
            await room()
            _log.error("%s has ended, which it should not; starting it again in %g s", name, backoff_s)
        except Exception:
            _log.exception("%s has failed; starting it again in %g s", name, backoff_s)
        await asyncio.sleep(backoff_s)
        steady = loop.time() - began > _STEADY_S
        backoff_s = _BACKOFF_S[0] if steady else min(backoff_s * 2, _BACKOFF_S[1])
