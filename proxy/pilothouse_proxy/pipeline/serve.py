"""What the server calls for each request."""

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy import errors, ports, runtime, translation
from pilothouse_proxy.auth.subject import Subject
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.http import heads, server
from pilothouse_proxy.http.messages import Headers, Lines, Request
from pilothouse_proxy.observe.metrics import CLIENT_CLOSED
from pilothouse_proxy.observe.outcome import Outcome
from pilothouse_proxy.pipeline import models
from pilothouse_proxy.pipeline.flight import Flight
from pilothouse_proxy.pipeline.services import Services
from pilothouse_proxy.ports import Operation, Peek
from pilothouse_proxy.quota import estimate
from pilothouse_proxy.quota.reserve import QuotaExceeded, Reservation

OPERATIONS = {b"/v1/chat/completions": Operation.CHAT, b"/v1/embeddings": Operation.EMBEDDINGS}
NOT_CONFIGURED_RETRY_S = 1.0

_JSON = (b"content-type", b"application/json")
_NOTHING = Lines(b"")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")
_UNLIMITED = Reservation([], now=0.0)
_REFUSALS = {413: Kind.TOO_LARGE, 503: Kind.UNAVAILABLE}
_UNCHOSEN = Model(upstream=UpstreamModel(""))

logger = logging.getLogger(__name__)


class Pipeline:
    """The proxy's application. `runtime` is replaced as a whole when a new configuration is live."""

    def __init__(self, services: Services, *, elsewhere: Mapping[bytes, server.Application]) -> None:
        """`elsewhere` by path: what is served beside the API, and is neither counted nor logged."""
        self.runtime: runtime.Runtime | None = None
        self.absence = "no configuration has arrived from the operator yet"
        """Why there is no runtime."""
        self._services = services
        self._elsewhere = elsewhere
        self._unrouted = {operation: services.metrics.unrouted(operation.value) for operation in Operation}

    async def handle(self, request: Request, responder: server.Responder) -> None:
        """Answer one request. Cancelled when its client has gone."""
        operation = OPERATIONS.get(request.path)
        if operation is None or request.method != b"POST":
            await self._other(request, responder)
            return
        services = self._services
        outcome = Outcome(
            method="POST",
            path=request.path.decode("ascii"),
            request_id=self._request_id(request.headers),
            started=services.clock.monotonic(),
            meters=self._unrouted[operation],
        )
        try:
            await self._serve(request, responder, operation, outcome)
        except GatewayError as error:
            _refuse(responder, outcome, error)
        except asyncio.CancelledError:
            # Also after the head has gone out: the client did not get what it asked for.
            outcome.status = CLIENT_CLOSED
            raise
        except Exception:
            logger.exception("request %s has failed on a fault of the proxy's own", outcome.request_id)
            _refuse(responder, outcome, GatewayError(Kind.INTERNAL, ""))
        finally:
            services.record(outcome)

    async def _serve(
        self, request: Request, responder: server.Responder, operation: Operation, outcome: Outcome
    ) -> None:
        services = self._services
        active = self._active()
        caller = active.callers.authenticate(request.headers, now=services.clock.wall())
        outcome.called_by(caller)
        peek = translation.peek(runtime.CLIENT_DIALECTS[operation], request.body)
        outcome.model, outcome.stream = peek.model, peek.stream
        match = active.table.find(namespace=caller.namespace, name=peek.model)
        if match is None:
            raise models.not_found(peek.model)
        route = active.routes[match.route]
        outcome.route, outcome.meters = route.key, route.meters[operation]
        if not route.targets:
            raise GatewayError(Kind.NO_TARGET, f"`{peek.model}` cannot be served now: {route.unusable}")
        measured = estimate.measure(request.body)
        reservation = self._reserve(active, caller, route, peek, measured, outcome)
        if isinstance(reservation, QuotaExceeded):
            self._over(responder, outcome, reservation)
            return
        call = ports.Call(
            operation=operation,
            request_id=outcome.request_id,
            created=int(services.clock.wall()),
            peek=peek,
            body=request.body,
            model=_UNCHOSEN,
        )
        flight = Flight(
            services,
            route=route,
            call=call,
            measured=measured,
            reservation=reservation,
            outcome=outcome,
            responder=responder,
        )
        try:
            failure = await flight.fly(match)
        finally:
            flight.settle()
        if failure is not None:
            retries = errors.Retries.LEFT if failure.retry_after_s is not None else errors.Retries.SPENT
            answer = errors.from_failure(failure, retries=retries)
            outcome.error, outcome.status = failure.kind, answer.status
            responder.respond(answer.status, flight.lines(heads.header_lines(answer.headers)), answer.body)

    def _reserve(
        self,
        active: runtime.Runtime,
        caller: Subject,
        route: runtime.Route,
        peek: Peek,
        measured: estimate.Measured,
        outcome: Outcome,
    ) -> Reservation | QuotaExceeded:
        if not active.quotas.any:
            return _UNLIMITED
        least = route.estimator.input_tokens(measured)
        tokens = least
        if peek.max_output_tokens is not None:
            least += peek.max_output_tokens * peek.choices
            tokens = least
        else:
            tokens += route.estimator.output_tokens * peek.choices
        return active.quotas.reserve(
            caller=caller, route=route.key, model=peek.model, tokens=tokens, least_tokens=least, now=outcome.started
        )

    def _over(self, responder: server.Responder, outcome: Outcome, exceeded: QuotaExceeded) -> None:
        self._services.metrics.quota_rejections.series(exceeded.quota, exceeded.resource).value += 1
        error = GatewayError(Kind.QUOTA_EXCEEDED, exceeded.message, retry_after_s=exceeded.retry_after_s)
        _refuse(responder, outcome, error, exceeded.lines)

    def _active(self) -> runtime.Runtime:
        active = self.runtime
        if active is None:
            raise GatewayError(Kind.NO_CONFIGURATION, self.absence, retry_after_s=NOT_CONFIGURED_RETRY_S)
        return active

    async def _other(self, request: Request, responder: server.Responder) -> None:
        """Everything that is no operation on a model."""
        path = request.path
        beside = self._elsewhere.get(path)
        if beside is not None:
            await beside(request, responder)
            return
        outcome = Outcome(
            method=request.method.decode("ascii", "replace"),
            path=path.decode("utf-8", "replace"),
            request_id=self._request_id(request.headers),
            started=self._services.clock.monotonic(),
            meters=self._services.metrics.unrouted("models" if _is_catalogue(path) else "none"),
        )
        try:
            self._answer_other(request, responder, outcome)
        except GatewayError as error:
            _refuse(responder, outcome, error)
        except Exception:
            logger.exception("request %s has failed on a fault of the proxy's own", outcome.request_id)
            _refuse(responder, outcome, GatewayError(Kind.INTERNAL, ""))
        finally:
            self._services.record(outcome)

    def _answer_other(self, request: Request, responder: server.Responder, outcome: Outcome) -> None:
        path, method = request.path, request.method
        known = (b"POST",) if path in OPERATIONS else (b"GET", b"HEAD") if _is_catalogue(path) else ()
        if not known:
            raise GatewayError(Kind.NOT_FOUND, _where(request, outcome))
        allowed = [(b"allow", b", ".join((*known, b"OPTIONS")))]
        if method == b"OPTIONS":
            outcome.status = 204
            responder.respond(204, [*allowed, _named(outcome)], b"")
            return
        if method not in known:
            message = f"{outcome.path} takes {' or '.join(word.decode() for word in known)}, not {outcome.method}"
            _refuse(responder, outcome, GatewayError(Kind.METHOD_NOT_ALLOWED, message), heads.header_lines(allowed))
            return
        active = self._active()
        caller = active.callers.authenticate(request.headers, now=self._services.clock.wall())
        outcome.called_by(caller)
        body = models.answer(active, namespace=caller.namespace, path=path)
        outcome.status = 200
        responder.respond(200, [_JSON, _named(outcome)], body)

    def refuse(self, status: int, message: str) -> tuple[Headers, bytes]:
        """For the server: the answer to what never became a request. It is counted and logged like one."""
        outcome = Outcome(
            method="",
            path="",
            request_id=self._request_id(()),
            started=self._services.clock.monotonic(),
            meters=self._services.metrics.unrouted("none"),
        )
        kind = _REFUSALS.get(status, Kind.INVALID_REQUEST)
        outcome.status, outcome.error, outcome.note = status, kind, message
        self._services.record(outcome)
        return [_JSON, _named(outcome)], errors.body(kind, message)

    def _request_id(self, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """The client's own, if it is fit for a header and a log line."""
        for name, value in headers:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                return value.decode("ascii")
        return f"{self._services.rng.getrandbits(128):032x}"


def on_failure(request: Request, error: BaseException) -> tuple[int, Headers, bytes]:
    """For the server: the application itself has failed. Its traceback goes to the log, not to the client."""
    logger.error("a request to %s has failed outside of the pipeline", request.path[:200], exc_info=error)
    answer = errors.from_error(GatewayError(Kind.INTERNAL, ""))
    return answer.status, answer.headers, answer.body


def _refuse(responder: server.Responder, outcome: Outcome, error: GatewayError, more: Lines = _NOTHING) -> None:
    answer = errors.from_error(error)
    outcome.error, outcome.param = error.kind, error.param or ""
    if responder.started:
        # Only a fault of our own comes this late; the missing end of the answer tells the client.
        return
    outcome.status = answer.status
    lines = heads.header_lines([*answer.headers, _named(outcome)])
    responder.respond(answer.status, Lines(lines + more), answer.body)


def _named(outcome: Outcome) -> tuple[bytes, bytes]:
    return (b"x-request-id", outcome.request_id.encode("ascii"))


def _is_catalogue(path: bytes) -> bool:
    return path == models.PATH or path.startswith(models.PATH + b"/")


def _where(request: Request, outcome: Outcome) -> str:
    if b"/v1" + request.path in OPERATIONS or _is_catalogue(b"/v1" + request.path):
        return f"nothing is served at {outcome.path}, but at /v1{outcome.path}: the base URL of this API ends in /v1"
    served = ", ".join(["POST " + path.decode() for path in OPERATIONS] + ["GET " + models.PATH.decode()])
    return f"nothing is served at {outcome.method} {outcome.path}; there are {served}"
