"""From a publication to what runs: verify, decode, build, swap."""

import asyncio
import logging

import msgspec

from pilothouse_api.names import GATEWAY_SCOPE
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.stream import Ack, AckState, Hello, Publication
from pilothouse_proxy import runtime
from pilothouse_proxy.auth import subject
from pilothouse_proxy.config.role import Role
from pilothouse_proxy.http import tls
from pilothouse_proxy.observe.log import Log
from pilothouse_proxy.pipeline.serve import Pipeline
from pilothouse_proxy.pipeline.services import Services
from pilothouse_proxy.quota.stores.memory import Store

logger = logging.getLogger(__name__)


class Applier:
    """The one that replaces the pipeline's runtime."""

    def __init__(self, *, pipeline: Pipeline, services: Services, store: Store, log: Log, role: Role) -> None:
        self.running: runtime.Runtime | None = None
        self.heard_at: float | None = None
        """When the operator last confirmed what runs; monotonic seconds."""
        self.applied_at: float | None = None
        """Unix seconds."""
        self.live = asyncio.Event()
        """Set with the first configuration."""
        self._pipeline = pipeline
        self._services = services
        self._store = store
        self._log = log
        self._role = role
        self._resident: subject.Subject | None = None

    def apply(self, hello: Hello, publication: Publication, *, heard_at: float) -> Ack:
        """Run it, or refuse it and leave what runs; requests under way finish on the runtime they began with."""
        if self.running is not None and publication.version == self.running.version:
            self.confirm(heard_at=heard_at)
            return Ack(version=publication.version, state=AckState.APPLIED)
        built = self._built(hello, publication)
        if isinstance(built, runtime.Rejected):
            self._services.metrics.config_rejections.series().value += 1
            logger.error("configuration %s is refused: %s: %s", publication.version, built.path, built.reason)
            self._log.event("configuration rejected", version=publication.version, path=built.path, reason=built.reason)
            return Ack(version=publication.version, state=AckState.REJECTED, path=built.path, reason=built.reason)
        self._swap(built, heard_at)
        return Ack(version=publication.version, state=AckState.APPLIED)

    def confirm(self, *, heard_at: float) -> None:
        """The operator lives and has nothing newer than what runs."""
        self.heard_at = heard_at
        self._pipeline.runtime = self.running

    def expire(self, reason: str) -> None:
        """Serve nothing until the operator is heard again."""
        if self._pipeline.runtime is not None:
            logger.error("%s", reason)
        self._pipeline.runtime = None
        self._pipeline.absence = reason

    def _built(self, hello: Hello, publication: Publication) -> runtime.Runtime | runtime.Rejected:
        if self._role is Role.GATEWAY and hello.scope != GATEWAY_SCOPE:
            reason = (
                f'this proxy is started as a gateway, but its ServiceAccount "{hello.subject.namespace}/'
                f"{hello.subject.service_account}\" is not among the operator's --gateway-service-account"
            )
            return runtime.Rejected(path="scope", reason=reason)
        found = canonical.version(publication.snapshot)
        if found != publication.version:
            return runtime.Rejected(path="", reason=f"the bytes hash to {found}: they were changed on the way")
        try:
            snapshot = canonical.decode(publication.snapshot)
        except msgspec.MsgspecError as error:
            return runtime.Rejected(path="", reason=f"it is no snapshot that this proxy can read: {error}")
        try:
            return runtime.build(
                snapshot,
                version=publication.version,
                resident=self._resident_of(hello) if self._role is Role.SIDECAR else None,
                metrics=self._services.metrics,
                store=self._store,
                previous=self.running,
                now=self._services.clock.monotonic(),
            )
        except Exception as error:
            # Nobody has thought of this snapshot. It is the operator that must learn of it, and what runs serves on.
            logger.exception("configuration %s cannot be built", publication.version)
            reason = f"a fault of the proxy's own ({type(error).__name__}); its log has the traceback"
            return runtime.Rejected(path="", reason=reason)

    def _resident_of(self, hello: Hello) -> subject.Subject:
        caller = subject.of_service_account(namespace=hello.subject.namespace, name=hello.subject.service_account)
        # The same object as long as it is the same account: it is what counters and caches remember.
        if self._resident is None or self._resident.principal != caller.principal:
            self._resident = caller
        return self._resident

    def _swap(self, built: runtime.Runtime, heard_at: float) -> None:
        self.running = built
        self.applied_at = self._services.clock.wall()
        self.confirm(heard_at=heard_at)
        self._store.keep(built.quotas.limit_keys)
        self._services.metrics.keep(
            routes=set(built.routes), providers=set(built.snapshot.providers), quotas=set(built.snapshot.quotas)
        )
        # What the first requests would wait for, all others with them: tenths of a second.
        asyncio.get_running_loop().run_in_executor(None, _warm, built).add_done_callback(_warmed)
        self._log.event(
            "configuration applied",
            version=built.version,
            routes=len(built.routes),
            providers=len(built.snapshot.providers),
            quotas=len(built.snapshot.quotas),
        )
        self.live.set()


def _warm(built: runtime.Runtime) -> None:
    """In another thread."""
    built.callers.load()
    for provider in built.snapshot.providers.values():
        connection = provider.connection
        if provider.endpoint.url.startswith("https:"):
            tls.client_context(connection.ca_bundle)
        if connection.proxy is not None and connection.proxy.url.startswith("https:"):
            tls.client_context(connection.proxy.ca_bundle)


def _warmed(warming: asyncio.Future[None]) -> None:
    if not warming.cancelled() and (error := warming.exception()) is not None:
        logger.error("the configuration that runs could not be warmed up", exc_info=error)
