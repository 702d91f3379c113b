"""A request on its way to providers: attempts until one answers, then the relay of its answer.

An attempt can be repeated, or another target tried, until the first byte has gone to the client.
"""

import asyncio

from pilothouse_proxy import errors, ports, runtime
from pilothouse_proxy.errors import Failure, GatewayError, Kind, UpstreamBroken
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.http import client, messages, server
from pilothouse_proxy.http.messages import Lines
from pilothouse_proxy.observe.outcome import Outcome
from pilothouse_proxy.pipeline.services import Services
from pilothouse_proxy.pipeline.stream import ReaderTooSlow, Stream
from pilothouse_proxy.ports import Operation
from pilothouse_proxy.quota.estimate import TOKENS_A_BYTE, Measured
from pilothouse_proxy.quota.reserve import Reservation
from pilothouse_proxy.routing import retry, table

MAX_REPLY_BYTES = 64 << 20
"""Of a whole answer; embeddings of many texts are the largest."""
MAX_ERROR_BYTES = 1 << 20
ERROR_BODY_S = 10.0
"""How long the rest of an error answer may take: its status has told the most already."""

_JSON = Lines(b"content-type: application/json\r\n")
_EVENTS = Lines(b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n")
_UNLIMITED = Lines(b"")


class Flight:
    """One request under way, with its reservation. Ends with `settle`, whatever happens."""

    __slots__ = (
        "_call",
        "_deadline",
        "_ends",
        "_events",
        "_limits",
        "_measured",
        "_outcome",
        "_reservation",
        "_responder",
        "_route",
        "_sent",
        "_served",
        "_services",
    )

    def __init__(
        self,
        services: Services,
        *,
        route: runtime.Route,
        call: ports.Call,
        measured: Measured,
        reservation: Reservation,
        outcome: Outcome,
        responder: server.Responder,
    ) -> None:
        self._services = services
        self._route = route
        self._call = call
        self._measured = measured
        self._reservation: Reservation | None = reservation
        self._limits = reservation if reservation.limited else None
        self._outcome = outcome
        self._responder = responder
        self._deadline = outcome.started + route.total_s
        self._ends = self._deadline
        """When the attempt at hand must be over, as long as nothing of its answer has gone out."""
        self._served: runtime.Served | None = None
        self._sent = False
        self._events = 0

    async def fly(self, match: table.Match) -> Failure | None:
        """Try the route's targets in order until one answers; None: the client has its answer, or what there was of it.

        Raises:
            GatewayError: no target can serve such a request at all; nothing was sent.
        """
        route, services = self._route, self._services
        served = [target.serve(match, self._call.peek.model) for target in route.targets]
        tried = 0
        for index, option in enumerate(served):
            if option is None:
                tried |= 1 << index
        failure: Failure | None = None
        refusal: GatewayError | None = None
        route.budget.deposit()
        while True:
            now = services.clock.monotonic()
            shunned = 0 if len(served) == 1 else _shunned(served, now)
            chosen = route.order.choose(tried=tried, shunned=shunned, point=services.rng.random())
            option = served[chosen] if chosen is not None else None
            if chosen is None or option is None or (failure is not None and now >= self._deadline):
                break
            untried = len(served) - tried.bit_count()
            tried |= 1 << chosen
            target = route.targets[chosen]
            try:
                failure = await self._attempt(target, option, untried)
                if failure is not None:
                    failure = await self._repeat(target, option, untried, failure)
            except GatewayError as error:
                # This target cannot do what is asked. Nothing was sent, and another one may be able to.
                option.meters.attempt(error.kind)
                refusal = refusal or error
                continue
            if failure is None or failure.failure_class not in route.fallback_on:
                return failure
        if failure is None:
            raise refusal or _unserved(self._call.peek.model)
        return failure

    async def _repeat(
        self, target: runtime.Target, served: runtime.Served, untried: int, failure: Failure | None
    ) -> Failure | None:
        """The same target again, as often as the route's retry policy allows."""
        route, services = self._route, self._services
        attempts = 0
        while failure is not None:
            attempts += 1
            now = services.clock.monotonic()
            pause = retry.pause_s(
                route.retry,
                failure,
                attempts=attempts,
                remaining_s=self._deadline - now,
                point=services.rng.random(),
            )
            if pause is None or not route.budget.withdraw(now=now):
                return failure
            await asyncio.sleep(pause)
            failure = await self._attempt(target, served, untried)
        return None

    async def _attempt(self, target: runtime.Target, served: runtime.Served, untried: int) -> Failure | None:
        """One try; None when the client has been answered, even if the answer broke off later."""
        call, outcome, clock = self._call, self._outcome, self._services.clock
        pair = target.translations.get(call.operation)
        if pair is None:
            raise GatewayError(Kind.UNSUPPORTED, f"{call.operation.value} is not offered by the provider of this model")
        call.model = served.model
        try:
            request = target.provider.prepare(
                endpoint=target.endpoint,
                connection=target.connection,
                credential=target.credential,
                call=call,
                body=pair.request(call),
                now=clock.wall(),
            )
        except GatewayError as error:
            unsent = Failure(kind=error.kind, message=error.message, param=error.param)
            if unsent.failure_class is None:
                raise
            return self._failed(unsent, target, served)
        now = clock.monotonic()
        self._served = served
        outcome.attempts += 1
        outcome.provider = target.label
        outcome.upstream_model = served.model.upstream
        health = served.health
        if health.failures:
            health.attempted(now=now)
        share_s = retry.share_s(remaining_s=self._deadline - now, untried=untried)
        self._ends = now + share_s
        try:
            failure = await self._exchange(request, target, pair, min(self._route.first_token_s, share_s))
        except asyncio.CancelledError:
            # The client has gone. What the provider did until then is billed.
            if request.sent:
                self._sent = True
                self._estimate(self._events)
            raise
        if failure is not None:
            return self._failed(failure, target, served)
        if health.failures:
            health.succeeded()
        served.meters.attempt("ok")
        return None

    def _failed(self, failure: Failure, target: runtime.Target, served: runtime.Served) -> Failure | None:
        """Take note of a failed attempt; None if its answer had begun, so that nothing can be tried any more."""
        served.health.failed(failure, now=self._services.clock.monotonic())
        served.meters.attempt(failure.kind)
        self._outcome.failed(target.label, failure)
        if self._responder.started:
            self._outcome.error = failure.kind
            return None
        return errors.model_chosen_by_client(failure) if served.passed else failure

    async def _exchange(
        self, request: messages.UpstreamRequest, target: runtime.Target, pair: ports.Translation, patience_s: float
    ) -> Failure | None:
        try:
            response = await self._services.client.send(request, first_byte_timeout_s=patience_s)
        except messages.HTTPError as error:
            self._sent = self._sent or request.sent
            return _unanswered(error, target.label)
        self._sent = True
        try:
            if not 200 <= response.status < 300:
                return await self._classified(response, target)
            if self._call.peek.stream:
                return await self._stream(response, pair, target.label)
            self._answer(await response.read(MAX_REPLY_BYTES, self._left_s()), response, pair)
            return None
        except messages.HTTPError as error:
            return _unanswered(error, target.label)
        except UpstreamBroken as error:
            return Failure(kind=Kind.PROVIDER_ERROR, message=str(error), status=response.status, note=str(error))
        finally:
            response.abort()

    async def _classified(self, response: client.UpstreamResponse, target: runtime.Target) -> Failure:
        """What an answer that is no success means, whether or not all of its body arrives."""
        try:
            body = await response.read(MAX_ERROR_BYTES, min(ERROR_BODY_S, self._left_s()))
        except messages.HTTPError:
            body = b""
        return target.provider.classify(
            status=response.status, headers=response.headers, body=body, now=self._services.clock.wall()
        )

    def _answer(self, body: bytes, response: client.UpstreamResponse, pair: ports.Translation) -> None:
        """The whole body has arrived."""
        answer = pair.reply(self._call, response.headers, body)
        outcome = self._outcome
        outcome.finish_reason = answer.finish_reason
        outcome.usage = answer.usage
        if answer.unknown and self._served is not None:
            self._served.meters.unknown(answer.unknown)
        if answer.usage is None:
            self._estimate(int(len(answer.body) * TOKENS_A_BYTE) if self._call.operation is Operation.CHAT else 0)
        self.settle()
        outcome.status = 200
        self._responder.respond(200, self.lines(_JSON), answer.body)

    async def _stream(self, response: client.UpstreamResponse, pair: ports.Translation, label: str) -> Failure | None:
        """Relay a stream to its end, or to what breaks it."""
        relay = pair.relay(self._call, response.headers)
        responder, outcome = self._responder, self._outcome
        stream = Stream(
            relay,
            responder,
            begin=self._start,
            now=self._services.clock.monotonic,
            idle_s=self._route.idle_s,
            unseen_until=self._ends,
            deadline=self._deadline,
        )
        failure = late = None
        try:
            await stream.carry(response)
            failure = relay.failure
        except ReaderTooSlow as error:
            late = Failure(kind=Kind.TIMEOUT, message=str(error))
        except messages.HTTPError as error:
            failure = _unanswered(error, label)
        finally:
            # Not the stream itself: it holds on to this flight, and the collector runs too rarely for bodies.
            self._events = stream.events
            outcome.usage = relay.usage
            outcome.finish_reason = relay.finish_reason
        if relay.unknown and self._served is not None:
            self._served.meters.unknown(relay.unknown)
        if responder.started:
            if outcome.usage is None:
                self._estimate(self._events)
            if late is not None:
                # No fault of the target, which was ready to go on.
                outcome.error, outcome.note = late.kind, late.message
            told = failure or late
            if told is not None:
                responder.write(relay.error_event(told))
            responder.finish()
        return failure

    def _start(self) -> None:
        outcome = self._outcome
        outcome.status = 200
        outcome.first_byte_at = self._services.clock.monotonic()
        self._responder.start(200, self.lines(_EVENTS))

    def lines(self, first: Lines) -> Lines:
        """The headers of every answer of this request, a failed one too; after the `first` ones."""
        outcome, served, limits = self._outcome, self._served, self._limits
        limited = _UNLIMITED if limits is None else limits.lines(now=self._services.clock.monotonic())
        # The request id is fit for a line: `serve` has seen to that.
        request_id = outcome.request_id.encode("ascii")
        if served is None:
            return Lines(b"%bx-request-id: %b\r\n%b" % (first, request_id, limited))
        written = (first, request_id, served.lines, outcome.attempts, limited)
        return Lines(b"%bx-request-id: %b\r\n%bx-pilothouse-attempts: %d\r\n%b" % written)

    def settle(self) -> None:
        """Account for what was used. Once: what comes later is without effect."""
        reservation, self._reservation = self._reservation, None
        if reservation is None:
            return
        usage, now = self._outcome.usage, self._services.clock.monotonic()
        if not self._sent:
            reservation.refund(now=now)
            return
        reservation.commit(tokens=0 if usage is None else usage.total_tokens, now=now)
        if usage is not None and self._served is not None:
            self._served.meters.count(usage)
            if reservation.limited:
                self._route.estimator.learn(self._measured, usage)

    def _estimate(self, output_tokens: int) -> None:
        """Nobody has reported what this cost: by what went in and what came out until now."""
        if self._outcome.usage is None:
            spent = self._route.estimator.input_tokens(self._measured)
            self._outcome.usage = Usage(input_tokens=spent, output_tokens=output_tokens, estimated=True)

    def _left_s(self) -> float:
        return max(0.0, self._ends - self._services.clock.monotonic())


def _shunned(served: list[runtime.Served | None], now: float) -> int:
    mask = 0
    for index, option in enumerate(served):
        if option is not None and option.health.shunned_until > now:
            mask |= 1 << index
    return mask


def _unserved(model: str) -> GatewayError:
    return GatewayError(
        Kind.MODEL_NOT_FOUND, f"no provider of the route that serves `{model}` has a model of that name", param="model"
    )


def _unanswered(error: messages.HTTPError, label: str) -> Failure:
    """What it means that no answer came, or not all of one."""
    kind = Kind.UNAVAILABLE
    if isinstance(error, messages.ConnectError):
        kind = Kind.CONNECT
    elif isinstance(error, messages.TimedOut):
        kind = Kind.CONNECT if error.phase is messages.Phase.CONNECT else Kind.TIMEOUT
    elif isinstance(error, messages.ProtocolError | messages.TooLarge):
        kind = Kind.PROVIDER_ERROR
    return Failure(kind=kind, message=f'provider "{label}": {error}', note=str(error))
