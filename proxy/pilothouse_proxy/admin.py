"""`/healthz`, `/readyz`, `/metrics`: for the kubelet and Prometheus, never for callers."""

import asyncio
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from pilothouse_proxy import errors
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.http import server
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.http.request import Request
from pilothouse_proxy.observe.metrics import Metrics

_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_READ = (b"GET", b"HEAD")


PATHS = (b"/healthz", b"/readyz", b"/metrics")


class Figures(NamedTuple):
    """What `/metrics` reads off the running parts. Times in Unix seconds, 0 and None: not yet."""

    version: str
    applied_at: float | None
    silent_s: float | None
    connected: bool
    connections_in: int
    connections_out: int
    in_flight: int
    shunned: dict[tuple[str, ...], float]
    credentials_end: dict[tuple[str, ...], float]
    buffered: dict[tuple[str, ...], float]
    budget_bytes: int
    budget_refusals: int
    connections_limit: int
    connections_refused: dict[tuple[str, ...], float]
    handshake_failures: int
    certificates_end: dict[tuple[str, ...], float] | None
    """None, as `certificates_broken`: callers come without TLS."""
    certificates_broken: dict[tuple[str, ...], float] | None


class Admin:
    """An application of its own, on a port of its own or beside the pipeline."""

    def __init__(self, *, metrics: Metrics, figures: Callable[[], Figures], unready: Callable[[], str]) -> None:
        self._metrics = metrics
        self._figures = figures
        self._unready = unready
        self._routes = dict(zip(PATHS, (self._health, self._readiness, self._scrape), strict=True))

    async def handle(self, request: Request, responder: server.Responder) -> None:
        """Answer one request."""
        route = self._routes.get(request.path)
        if route is None:
            path = request.path.decode("utf-8", "replace")
            _refuse(responder, GatewayError(Kind.NOT_FOUND, f"nothing is served at {path}"))
        elif request.method == b"OPTIONS":
            responder.respond(204, [(b"allow", b"GET, HEAD, OPTIONS")], b"")
        elif request.method not in _READ:
            error = GatewayError(Kind.METHOD_NOT_ALLOWED, f"{request.path.decode()} takes GET or HEAD")
            _refuse(responder, error, (b"allow", b"GET, HEAD, OPTIONS"))
        else:
            await route(responder)

    async def _health(self, responder: server.Responder) -> None:
        responder.respond(200, [_TEXT], b"ok\n")

    async def _readiness(self, responder: server.Responder) -> None:
        reason = self._unready()
        responder.respond(503 if reason else 200, [_TEXT], (reason or "ok").encode() + b"\n")

    async def _scrape(self, responder: server.Responder) -> None:
        # Loaded in another thread: the first scrape must not hold up requests for a twentieth of a second.
        exposition = await asyncio.get_running_loop().run_in_executor(
            None, importlib.import_module, "pilothouse_proxy.observe.exposition"
        )
        gauge = exposition.Gauge
        now = self._figures()
        gauges = [
            gauge("pilothouse_config_info", "The configuration that runs.", ("version",), {(now.version,): 1.0}),
            gauge("pilothouse_config_connected", "Whether the control stream is open.", (), {(): float(now.connected)}),
            gauge(
                "pilothouse_connections",
                "Open connections: in from callers, out to providers.",
                ("direction",),
                {("in",): float(now.connections_in), ("out",): float(now.connections_out)},
            ),
            gauge("pilothouse_requests_in_flight", "Requests being answered.", (), {(): float(now.in_flight)}),
            gauge(
                "pilothouse_target_shunned",
                "Targets that are passed over now, because they failed or asked for patience.",
                ("provider", "model"),
                now.shunned,
            ),
            gauge(
                "pilothouse_credential_expiry_timestamp_seconds",
                "When the credential of a provider ends, where that is known.",
                ("provider",),
                now.credentials_end,
            ),
            *_inbound(gauge, now),
        ]
        if now.applied_at is not None:
            gauges.append(
                gauge("pilothouse_config_applied_timestamp_seconds", "When it went live.", (), {(): now.applied_at})
            )
        if now.silent_s is not None:
            gauges.append(
                gauge("pilothouse_config_age_seconds", "Since the operator last confirmed it.", (), {(): now.silent_s})
            )
        pieces = []
        for piece in exposition.render(self._metrics, gauges):
            pieces.append(piece)
            await asyncio.sleep(0)  # requests come first
        responder.respond(200, [(b"content-type", exposition.CONTENT_TYPE)], b"".join(pieces))


def _inbound(gauge: type[Any], now: Figures) -> list[Any]:
    """The listening side's."""
    found = [
        gauge(
            "pilothouse_buffered_bytes",
            "Of messages in memory: bodies arriving, bodies held while they are answered, requests sent ahead, answers"
            " owed to slow readers, answers being read whole.",
            ("kind",),
            now.buffered,
        ),
        gauge("pilothouse_buffer_budget_bytes", "How much that may be.", (), {(): float(now.budget_bytes)}),
        gauge(
            "pilothouse_buffer_refusals_total",
            "Requests refused with 503 because there was no room for them.",
            (),
            {(): float(now.budget_refusals)},
            kind="counter",
        ),
        gauge(
            "pilothouse_connections_limit",
            "How many connections of callers may be open.",
            (),
            {(): float(now.connections_limit)},
        ),
        gauge(
            "pilothouse_connections_refused_total",
            "Connections of callers refused: total = too many in all, peer = too many from one address.",
            ("limit",),
            now.connections_refused,
            kind="counter",
        ),
    ]
    if now.certificates_end is None or now.certificates_broken is None:
        return found
    return [
        *found,
        gauge(
            "pilothouse_tls_handshake_failures_total",
            "Connections of callers that ended before TLS was agreed on.",
            (),
            {(): float(now.handshake_failures)},
            kind="counter",
        ),
        gauge(
            "pilothouse_tls_certificate_expiry_timestamp_seconds",
            "When a certificate that is served ends.",
            ("certificate",),
            now.certificates_end,
        ),
        gauge(
            "pilothouse_tls_certificate_broken",
            "1 while a certificate's files cannot be used, so that the one before is served.",
            ("certificate",),
            now.certificates_broken,
        ),
    ]


def refuse(status: int, message: str, path: bytes) -> tuple[Headers, bytes]:
    """For the server: the answer to what never became a request."""
    return [(b"content-type", b"application/json")], errors.body(Kind.INVALID_REQUEST, f"{status}: {message}")


def _refuse(responder: server.Responder, error: GatewayError, *headers: tuple[bytes, bytes]) -> None:
    answer = errors.from_error(error)
    responder.respond(answer.status, [*answer.headers, *headers], answer.body)
