"""What the server calls for each request."""

import logging
import re
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy import errors, runtime, translation
from pilothouse_proxy.auth.subject import Subject
from pilothouse_proxy.call import Call, Peek
from pilothouse_proxy.errors import GatewayError, Kind, Shape
from pilothouse_proxy.exchange import estimate as guess
from pilothouse_proxy.http import heads, server
from pilothouse_proxy.http.messages import Headers, Lines
from pilothouse_proxy.http.request import Request
from pilothouse_proxy.http.responder import Responder
from pilothouse_proxy.observe.outcome import Outcome
from pilothouse_proxy.operations import FREE, SHAPES, Operation
from pilothouse_proxy.pipeline import models, native
from pilothouse_proxy.pipeline.flight import OVERLOADED_RETRY_S, Flight
from pilothouse_proxy.pipeline.refusal import ids, refuse
from pilothouse_proxy.pipeline.services import Services
from pilothouse_proxy.quota import estimate
from pilothouse_proxy.quota.reserve import QuotaExceeded, Reservation
from pilothouse_proxy.routing import table

_OPENAI: Final = Shape.OPENAI
_SHAPES: Final = SHAPES
_DIALECTS: Final = runtime.CLIENT_DIALECTS

OPERATIONS: Final = {
    b"/v1/chat/completions": Operation.CHAT,
    b"/v1/completions": Operation.COMPLETIONS,
    b"/v1/embeddings": Operation.EMBEDDINGS,
    b"/v1/responses": Operation.RESPONSES,
    b"/v1/messages": Operation.MESSAGES,
    b"/v1/messages/count_tokens": Operation.COUNT_TOKENS,
    b"/v1/rerank": Operation.RERANK,
    b"/v2/rerank": Operation.RERANK,  # as Cohere's SDK calls it
}
NOT_CONFIGURED_RETRY_S: Final = 1.0

_JSON: Final = (b"content-type", b"application/json")
_ESTIMATED: Final = (b"x-pilothouse-estimated", b"true")
_NO_HEADERS: Final[Mapping[bytes, bytes]] = {}
_ANTHROPIC_PATHS: Final = (b"/v1/messages/", b"/v1/v1/messages")
"""Where only clients of Anthropic's look for something."""
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")
_UNLIMITED: Final = Reservation([], now=0.0)
_REFUSALS: Final = {413: Kind.TOO_LARGE, 503: Kind.OVERLOADED}
_UNCHOSEN: Final = Model(upstream=UpstreamModel(""))

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
        self._peek = {operation: translation.peek(runtime.CLIENT_DIALECTS[operation]) for operation in Operation}
        self._headers = {operation: translation.headers(runtime.CLIENT_DIALECTS[operation]) for operation in Operation}
        self._unrouted = {operation: services.metrics.unrouted(operation.value) for operation in Operation}

    def handle(self, request: Request, responder: Responder) -> server.Work | Coroutine[Any, Any, None] | None:
        """Answer one request, or begin to."""
        operation = OPERATIONS.get(request.path)
        if operation is None or request.method != b"POST":
            if request.path.startswith(native.PREFIX):
                return self._pass(request, responder)
            return self._other(request, responder)
        outcome = Outcome(
            method="POST",
            path=request.path.decode("ascii"),
            request_id=self._request_id(request.headers),
            started=self._services.clock.monotonic(),
            meters=self._unrouted[operation],
        )
        outcome.shape = _SHAPES[operation]
        flight: Flight | None = None
        try:
            flight = self._take_off(request, responder, operation, outcome)
        except GatewayError as error:
            refuse(responder, outcome, error)
        except Exception:
            logger.exception("request %s has failed on a fault of the proxy's own", outcome.request_id)
            refuse(responder, outcome, GatewayError(Kind.INTERNAL, ""))
        if flight is None:
            self._end(outcome, responder)
        return flight

    def _take_off(
        self, request: Request, responder: Responder, operation: Operation, outcome: Outcome
    ) -> Flight | None:
        """None: it has been answered: refused by a quota, or counted by ourselves."""
        services = self._services
        active = self._active()
        caller = active.callers.authenticate(request.headers, now=services.clock.wall(), memory=request.memory)
        outcome.called_by(caller)
        read = self._headers[operation]
        headers = _NO_HEADERS if read is None else read(request.headers)
        peek = self._peek[operation](request.body)
        outcome.model, outcome.stream = peek.model, peek.stream
        match = active.table.find(namespace=caller.namespace, name=peek.model)
        if match is None:
            raise models.not_found(peek.model)
        route = active.routes[match.route]
        outcome.route, outcome.meters = route.key, route.meters[operation]
        if not route.targets:
            raise GatewayError(Kind.NO_TARGET, f"`{peek.model}` cannot be served now: {route.unusable}")
        measured = (
            estimate.measure(request.body) if outcome.shape is _OPENAI else estimate.measure_members(request.body)
        )
        reservation = self._reserve(active, caller, route, peek, measured, outcome, operation)
        if isinstance(reservation, QuotaExceeded):
            self._over(responder, outcome, reservation)
            return None
        call = Call(
            operation=operation,
            request_id=outcome.request_id,
            created=int(services.clock.wall()),
            peek=peek,
            body=request.body,
            model=_UNCHOSEN,
            dialect=_DIALECTS[operation],
            streams=peek.stream,
            headers=headers,
        )
        flight = Flight(
            services,
            route=route,
            sign_ins=active.sign_ins,
            call=call,
            measured=measured,
            reservation=reservation,
            outcome=outcome,
            responder=responder,
        )
        return flight if self._begins(flight, match, call, reservation, outcome, responder) else None

    def _begins(
        self,
        flight: Flight,
        match: table.Match,
        call: Call,
        reservation: Reservation,
        outcome: Outcome,
        responder: Responder,
    ) -> bool:
        """False: no provider was needed."""
        try:
            flight.begin(match)
        except BaseException as error:
            if call.operation is Operation.COUNT_TOKENS and _is_unsupported(error):
                self._count(responder, outcome, call.peek, reservation)
                return False
            # Nothing was sent.
            reservation.refund(now=self._services.clock.monotonic())
            raise
        return True

    def _count(self, responder: Responder, outcome: Outcome, peek: Peek, reservation: Reservation) -> None:
        """No provider of the route counts: our own guess, which is marked as one."""
        now = self._services.clock.monotonic()
        reservation.commit(tokens=0, now=now)
        outcome.status = 200
        body = b'{"input_tokens":%d}' % guess.input_tokens(peek.members)
        lines = heads.header_lines([_JSON, *ids(outcome), _ESTIMATED])
        limits = self._limits(reservation, outcome, reservation.lines(now=now))
        responder.respond(200, Lines(lines + limits), body)

    def _pass(self, request: Request, responder: Responder) -> server.Work | None:
        """To a provider's own API."""
        outcome = Outcome(
            method=request.method.decode("ascii", "replace"),
            path=request.path.decode("utf-8", "replace"),
            request_id=self._request_id(request.headers),
            started=self._services.clock.monotonic(),
            meters=self._services.metrics.unrouted(native.OPERATION),
        )
        try:
            passage = native.take_off(self._services, self._active(), request, responder, outcome)
            if not isinstance(passage, QuotaExceeded):
                return passage
            self._over(responder, outcome, passage)
        except GatewayError as error:
            refuse(responder, outcome, error)
        except Exception:
            logger.exception("request %s has failed on a fault of the proxy's own", outcome.request_id)
            refuse(responder, outcome, GatewayError(Kind.INTERNAL, ""))
        self._end(outcome, responder)
        return None

    def _end(self, outcome: Outcome, responder: Responder) -> None:
        try:
            self._services.record(outcome)
        finally:
            responder.done()

    def _reserve(
        self,
        active: runtime.Runtime,
        caller: Subject,
        route: runtime.Route,
        peek: Peek,
        measured: estimate.Measured,
        outcome: Outcome,
        operation: Operation,
    ) -> Reservation | QuotaExceeded:
        if not active.quotas.any:
            return _UNLIMITED
        least = 0 if operation in FREE else route.estimator.input_tokens(measured)
        tokens = least
        if peek.max_output_tokens is not None:
            least += peek.max_output_tokens * peek.choices
            tokens = least
        else:
            tokens += route.estimator.output_tokens * peek.choices
        return active.quotas.reserve(
            caller=caller, route=route.key, model=peek.model, tokens=tokens, least_tokens=least, now=outcome.started
        )

    def _over(self, responder: Responder, outcome: Outcome, exceeded: QuotaExceeded) -> None:
        self._services.metrics.quota_rejections.series(exceeded.quota, exceeded.resource).value += 1
        error = GatewayError(Kind.QUOTA_EXCEEDED, exceeded.message, retry_after_s=exceeded.retry_after_s)
        refuse(responder, outcome, error, self._limits(exceeded, outcome, exceeded.lines))

    def _limits(self, told: Reservation | QuotaExceeded, outcome: Outcome, lines: Lines) -> Lines:
        """What the client reads of its limits, in the words that it knows."""
        if outcome.shape is _OPENAI:
            return lines
        clock = self._services.clock
        return Lines(lines + told.anthropic_lines(now=clock.monotonic(), wall=clock.wall()))

    def _active(self) -> runtime.Runtime:
        active = self.runtime
        if active is None:
            raise GatewayError(Kind.NO_CONFIGURATION, self.absence, retry_after_s=NOT_CONFIGURED_RETRY_S)
        return active

    def _other(self, request: Request, responder: Responder) -> server.Work | Coroutine[Any, Any, None] | None:
        """Everything that is no operation on a model."""
        path = request.path
        beside = self._elsewhere.get(path)
        if beside is not None:
            return beside(request, responder)
        outcome = Outcome(
            method=request.method.decode("ascii", "replace"),
            path=path.decode("utf-8", "replace"),
            request_id=self._request_id(request.headers),
            started=self._services.clock.monotonic(),
            meters=self._services.metrics.unrouted("models" if _is_catalogue(path) else "none"),
        )
        if shape_of(path) is Shape.ANTHROPIC or request.header(b"anthropic-version") is not None:
            outcome.shape = Shape.ANTHROPIC
        try:
            self._answer_other(request, responder, outcome)
        except GatewayError as error:
            refuse(responder, outcome, error)
        except Exception:
            logger.exception("request %s has failed on a fault of the proxy's own", outcome.request_id)
            refuse(responder, outcome, GatewayError(Kind.INTERNAL, ""))
        self._end(outcome, responder)
        return None

    def _answer_other(self, request: Request, responder: Responder, outcome: Outcome) -> None:
        path, method = request.path, request.method
        known = (b"POST",) if path in OPERATIONS else (b"GET", b"HEAD") if _is_catalogue(path) else ()
        if not known:
            raise GatewayError(Kind.NOT_FOUND, _where(request, outcome))
        allowed = [(b"allow", b", ".join((*known, b"OPTIONS")))]
        if method == b"OPTIONS":
            outcome.status = 204
            responder.respond(204, [*allowed, *ids(outcome)], b"")
            return
        if method not in known:
            message = f"{outcome.path} takes {' or '.join(word.decode() for word in known)}, not {outcome.method}"
            refuse(responder, outcome, GatewayError(Kind.METHOD_NOT_ALLOWED, message), heads.header_lines(allowed))
            return
        active = self._active()
        caller = active.callers.authenticate(request.headers, now=self._services.clock.wall())
        outcome.called_by(caller)
        answer = models.ANSWERS[outcome.shape]
        body = answer(active, namespace=caller.namespace, path=path, query=request.query)
        outcome.status = 200
        responder.respond(200, [_JSON, *ids(outcome)], body)

    def refuse(self, status: int, message: str, path: bytes) -> tuple[Headers, bytes]:
        """For the server: the answer to what never became a request. It is counted and logged like one."""
        outcome = Outcome(
            method="",
            path="",
            request_id=self._request_id(()),
            started=self._services.clock.monotonic(),
            meters=self._services.metrics.unrouted("none"),
        )
        outcome.shape = shape_of(path)
        kind = _REFUSALS.get(status, Kind.INVALID_REQUEST)
        outcome.status, outcome.error, outcome.note = status, kind, message
        self._services.record(outcome)
        retry_after_s = OVERLOADED_RETRY_S if kind is Kind.OVERLOADED else None
        error = GatewayError(kind, message, retry_after_s=retry_after_s)
        answer = errors.from_error(error, shape=outcome.shape, request_id=outcome.request_id)
        return [*answer.headers, *ids(outcome)], answer.body

    def _request_id(self, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """The client's own, if it is fit for a header and a log line."""
        for name, value in headers:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                return value.decode("ascii")
        return self._services.rng.getrandbits(128).to_bytes(16).hex()


def on_failure(request: Request, error: BaseException) -> tuple[int, Headers, bytes]:
    """For the server: the application itself has failed. Its traceback goes to the log, not to the client."""
    logger.error("a request to %s has failed outside of the pipeline", request.path[:200], exc_info=error)
    answer = errors.from_error(GatewayError(Kind.INTERNAL, ""), shape=shape_of(request.path))
    return answer.status, answer.headers, answer.body


def _is_unsupported(error: BaseException) -> bool:
    return isinstance(error, GatewayError) and error.kind is Kind.UNSUPPORTED


def shape_of(path: bytes) -> Shape:
    """How the clients that ask at a path want to be told of errors."""
    operation = OPERATIONS.get(path)
    if operation is not None:
        return _SHAPES[operation]
    return Shape.ANTHROPIC if path.startswith(_ANTHROPIC_PATHS) else Shape.OPENAI


def _is_catalogue(path: bytes) -> bool:
    return path == models.PATH or path.startswith(models.PATH + b"/")


def _where(request: Request, outcome: Outcome) -> str:
    if request.path.startswith(b"/v1/v1/"):
        return f"nothing is served at {outcome.path}: the base URL of this client must not end in /v1"
    if b"/v1" + request.path in OPERATIONS or _is_catalogue(b"/v1" + request.path):
        return f"nothing is served at {outcome.path}, but at /v1{outcome.path}: the base URL of this API ends in /v1"
    served = ", ".join(["POST " + path.decode() for path in OPERATIONS] + ["GET " + models.PATH.decode()])
    return f"nothing is served at {outcome.method} {outcome.path}; there are {served}"
