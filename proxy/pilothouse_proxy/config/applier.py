"""From a publication to what runs: verify, decode, build, swap."""

import asyncio
import logging
from collections.abc import Mapping
from time import gmtime, strftime

import msgspec

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import Credential
from pilothouse_api.snapshot.stream import Ack, AckState, Hello, Publication
from pilothouse_proxy import ports, runtime
from pilothouse_proxy.auth import subject
from pilothouse_proxy.config.overlay import Overlay
from pilothouse_proxy.config.role import Role
from pilothouse_proxy.http import tls
from pilothouse_proxy.observe.log import Log
from pilothouse_proxy.pipeline.serve import Pipeline
from pilothouse_proxy.pipeline.services import Services
from pilothouse_proxy.quota.stores.memory import Store

NAMES_SHOWN = 20
YEAR_10000 = 253_402_300_800

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
        self._overlay = Overlay()
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

    def renew(self, credentials: Mapping[ProviderKey, Credential]) -> None:
        """Sign in with these from now on, each as soon as there is its provider; attempts under way are not touched."""
        running = self.running
        reasons = self._overlay.renew(
            credentials, None if running is None else running.snapshot, now=self._services.clock.wall()
        )
        _complain(reasons)
        if running is None:
            return
        used, before = self._overlay.used, running.sign_ins
        fresh = {key: used[key] for key in credentials if key in used and _differs(before.get(key), used[key])}
        if fresh:
            self.running = runtime.signed_in(running, fresh)
            if self._pipeline.runtime is not None:
                self._pipeline.runtime = self.running
            self._signed_in(before, self.running.sign_ins)

    @property
    def renewed(self) -> Mapping[ProviderKey, Credential]:
        """The credentials that a restart could not have from the snapshot."""
        return self._overlay.kept

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
            renewed, _ = self._overlay.fit(snapshot)
            return runtime.build(
                snapshot,
                version=publication.version,
                renewed=renewed,
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
        before = {} if self.running is None else self.running.sign_ins
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
        _, reasons = self._overlay.fit(built.snapshot)
        _complain(reasons)
        used = {key: it.credential for key, it in built.sign_ins.items() if it.renewed}
        self._overlay.settle(built.snapshot, used)
        self._signed_in(before, built.sign_ins)
        self.live.set()

    def _signed_in(self, before: Mapping[ProviderKey, ports.SignIn], now: Mapping[ProviderKey, ports.SignIn]) -> None:
        """Tell of what has come by renewal, and let go on who waits for it."""
        fresh = [it for key, it in now.items() if it.renewed and _differs(before.get(key), it.credential)]
        for it in fresh:
            self._services.metrics.credential_renewals.series(it.provider).value += 1
        if fresh:
            names = sorted(it.provider for it in fresh)
            more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
            self._log.event(
                "credentials renewed",
                providers=", ".join(names[:NAMES_SHOWN]) + more,
                until=_moment(min(it.ends for it in fresh)),
            )
        self._services.renewals.arrived(now)


def _differs(before: ports.SignIn | None, credential: Credential) -> bool:
    return before is None or (before.credential is not credential and before.credential != credential)


def _complain(reasons: Mapping[ProviderKey, str]) -> None:
    for key, reason in reasons.items():
        logger.warning('the credential that was renewed for provider "%s" cannot be used: %s', key, reason)


def _moment(ends: float) -> str:
    """Empty where none is known, or none that a calendar has."""
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(ends)) if ends < YEAR_10000 else ""


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
