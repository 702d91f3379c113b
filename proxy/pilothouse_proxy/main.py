"""Puts the proxy together, runs it, and takes it down in order."""

import asyncio
import gc
import logging
import math
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import uvloop

from pilothouse_proxy import admin, allocator
from pilothouse_proxy.admin import Admin, Figures
from pilothouse_proxy.config import operator, staleness
from pilothouse_proxy.config.applier import Applier
from pilothouse_proxy.config.refuser import Refuser
from pilothouse_proxy.config.reporter import Reporter
from pilothouse_proxy.config.role import Role
from pilothouse_proxy.config.subscriber import Subscriber
from pilothouse_proxy.http import client, inbound, limits, server, tls
from pilothouse_proxy.http.certificates import Certificates
from pilothouse_proxy.http.doors import Doors
from pilothouse_proxy.observe.log import Format, Log
from pilothouse_proxy.observe.metrics import Metrics
from pilothouse_proxy.pipeline import serve
from pilothouse_proxy.pipeline.renewals import Renewals
from pilothouse_proxy.pipeline.services import Services
from pilothouse_proxy.quota.stores.memory import Store

STDOUT = 1
ADMIN_DRAIN_S = 1.0
ADMIN_CONNECTIONS = 32
"""Of kubelets and Prometheus."""
# Requests make little garbage that only the collector finds; its default would visit the whole configuration for them.
GC_THRESHOLDS = (50_000, 20, 50)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where to listen; port 0 lets the system choose."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that a proxy is told at its start. Times in seconds."""

    role: Role
    listen: Listen
    admin_listen: Listen | None
    """None: health and metrics are served where callers are."""
    operator: operator.Address
    state_dir: Path | None
    max_staleness_s: float | None
    drain_timeout_s: float
    log_format: Format
    access_log: bool
    inbound: inbound.Inbound
    """Of the callers' listener; the other one takes what it is asked by the cluster."""


class SystemClock:
    """The clocks of this machine."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then drain. The exit code."""
    allocator.keep()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(_Proxy(settings).run())
        except (OSError, tls.Unusable) as error:
            logger.error("the proxy cannot start: %s", error)
            return 1


class _Proxy:
    """All parts of one process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = SystemClock()
        rng = Random()  # noqa: S311 - jitter and request ids, no secrets
        self._metrics = Metrics()
        self._log = Log(
            descriptor=STDOUT,
            form=settings.log_format,
            wall=self._clock.wall,
            dropped=self._metrics.log_lines_dropped.series(),
        )
        self._client = client.Client(limits.ClientLimits())
        self._fitted = fitted = inbound.fit(settings.inbound)
        services = Services(
            client=self._client,
            clock=self._clock,
            rng=rng,
            metrics=self._metrics,
            renewals=Renewals(self._metrics),
            access_log=self._log if settings.access_log else None,
            ledger=fitted.ledger,
        )
        self._admin = Admin(metrics=self._metrics, figures=self._figures, unready=self._unready)
        self._pipeline = serve.Pipeline(
            services,
            elsewhere=dict.fromkeys(admin.PATHS, self._admin.handle) if settings.admin_listen is None else {},
        )
        self._applier = Applier(
            pipeline=self._pipeline, services=services, store=Store(), log=self._log, role=settings.role
        )
        self._subscriber = Subscriber(
            address=settings.operator,
            applier=self._applier,
            reporter=Reporter(applier=self._applier, metrics=self._metrics, clock=self._clock, rng=rng),
            refuser=Refuser(renewals=services.renewals, rng=rng),
            state_dir=settings.state_dir,
            clock=self._clock,
            rng=rng,
        )
        self._server = server.Server(
            self._pipeline.handle,
            fitted.limits,
            on_failure=serve.on_failure,
            on_refusal=self._pipeline.refuse,
            ledger=fitted.ledger,
            doors=fitted.doors,
        )
        self._admin_server = server.Server(
            self._admin.handle,
            limits.Limits(),
            on_failure=serve.on_failure,
            on_refusal=admin.refuse,
            doors=Doors(most=ADMIN_CONNECTIONS),
        )
        self._certificates: Certificates | None = None
        self._leaving = False

    async def run(self) -> int:
        settings = self._settings
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, _signalled, stop)
        self._subscriber.start_from_disk()
        parts = [self._subscriber.run, self._enforce_staleness]
        if settings.inbound.tls is not None:
            self._certificates = Certificates(settings.inbound.tls)
            parts.append(self._certificates.watch)
        told = {"role": settings.role.value, "listen": await self._listen()}
        if settings.admin_listen is not None:
            port = await self._admin_server.start(settings.admin_listen.host, settings.admin_listen.port)
            told["admin_listen"] = f"{settings.admin_listen.host}:{port}"
        fitted = self._fitted
        self._log.event(
            "listening",
            **told,
            tls=self._certificates is not None,
            max_connections=fitted.doors.most,
            memory_budget_bytes=fitted.ledger.budget_bytes,
        )
        tasks = [asyncio.create_task(part()) for part in parts]
        settle = asyncio.create_task(self._settle_memory())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        broken = [task for task in tasks if task.done()]
        for task in broken:
            logger.critical("a part of the proxy that never ends has ended", exc_info=task.exception())
        await self._leave([*tasks, settle, stopped])
        return 1 if broken else 0

    async def _listen(self) -> str:
        listen, certificates = self._settings.listen, self._certificates
        port = await self._server.start(
            listen.host, listen.port, None if certificates is None else certificates.context
        )
        return f"{listen.host}:{port}"

    async def _leave(self, tasks: Sequence[asyncio.Task[Any]]) -> None:
        """Fail the readiness probe, let requests in flight finish, close."""
        self._leaving = True
        self._log.event("draining", in_flight=self._server.requests_in_flight)
        await self._server.drain(self._settings.drain_timeout_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._client.close()
        await self._admin_server.drain(ADMIN_DRAIN_S)
        self._log.event("stopped")
        await self._log.close()

    async def _enforce_staleness(self) -> None:
        while True:
            if self._settings.max_staleness_s is not None:
                staleness.check(self._applier, clock=self._clock, max_staleness_s=self._settings.max_staleness_s)
            await asyncio.sleep(staleness.CHECK_S)

    async def _settle_memory(self) -> None:
        """What is there once the first configuration is live stays to the end: the collector need not look at it."""
        await self._applier.live.wait()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)

    def _unready(self) -> str:
        """Why no traffic should come; empty if it should."""
        if self._leaving:
            return "draining"
        # A sidecar's readiness would be its pod's: without a configuration it answers 503 by itself.
        if self._settings.role is Role.GATEWAY and self._pipeline.runtime is None:
            return self._pipeline.absence
        return ""

    def _figures(self) -> Figures:
        now = self._clock.monotonic()
        running, heard_at = self._applier.running, self._applier.heard_at
        healths = {} if running is None else running.records.healths
        sign_ins = {} if running is None else running.sign_ins
        ledger, doors, certificates = self._fitted.ledger, self._fitted.doors, self._certificates
        return Figures(
            version="" if running is None else running.version,
            applied_at=self._applier.applied_at,
            silent_s=None if heard_at is None else now - heard_at,
            connected=self._subscriber.connected,
            connections_in=self._server.connections,
            connections_out=self._client.connections,
            in_flight=self._server.requests_in_flight,
            shunned={
                (provider, model or "*"): float(health.shunned_until > now)
                for (provider, model), health in healths.items()
            },
            credentials_end={(key,): it.ends for key, it in sign_ins.items() if it.ends < math.inf},
            buffered=ledger.kinds(),
            budget_bytes=ledger.budget_bytes,
            budget_refusals=ledger.refusals,
            connections_limit=doors.most,
            connections_refused={(reason,): float(count) for reason, count in doors.refused.items()},
            handshake_failures=doors.handshake_failures,
            certificates_end=None if certificates is None else certificates.expiries(),
            certificates_broken=None if certificates is None else certificates.broken(),
        )


def _signalled(stop: asyncio.Event) -> None:
    if stop.is_set():
        # Asked twice: whoever asks does not want to wait for callers.
        os._exit(1)
    stop.set()
