"""A request on its way to providers: attempts until one answers, then the relay of its answer.

An attempt can be repeated, or another target tried, until the first byte that shows something has gone to the client.
"""

import asyncio
import enum
import logging
import math
from collections.abc import Mapping
from typing import Final

from pilothouse_api.names import ProviderKey
from pilothouse_proxy import errors, ports, runtime
from pilothouse_proxy.call import Call
from pilothouse_proxy.errors import Failure, GatewayError, Kind, Shape, UpstreamBroken
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.http import heads, messages
from pilothouse_proxy.http.body import Body, whole
from pilothouse_proxy.http.client import Transfer
from pilothouse_proxy.http.messages import Lines
from pilothouse_proxy.http.responder import Responder
from pilothouse_proxy.http.upstream import Stale
from pilothouse_proxy.observe.metrics import CLIENT_CLOSED
from pilothouse_proxy.observe.outcome import Outcome
from pilothouse_proxy.operations import FREE, WRITING
from pilothouse_proxy.pipeline import fan
from pilothouse_proxy.pipeline.refusal import refuse, unanswered, unserved, unsigned
from pilothouse_proxy.pipeline.renewals import Wait
from pilothouse_proxy.pipeline.services import Services
from pilothouse_proxy.pipeline.stream import Stream
from pilothouse_proxy.quota.estimate import TOKENS_A_BYTE, Measured
from pilothouse_proxy.quota.reserve import Reservation
from pilothouse_proxy.routing import allowance, fit, retry, table
from pilothouse_proxy.translation import Hub

MAX_REPLY_BYTES: Final = 64 << 20
"""Of a whole answer; embeddings of many texts are the largest."""
MAX_ERROR_BYTES: Final = 1 << 20
COUNTED_REPLY_BYTES: Final = 64 << 10
"""A whole answer up to this size mostly comes in one read and leaves in the same call."""
OVERLOADED_RETRY_S: Final = 1.0
ERROR_BODY_S: Final = 10.0
"""How long the rest of an error answer may take: its status has told the most already."""

KEEP_ALIVE: Final = b": keep-alive\n\n"
"""A comment of server-sent events (WHATWG HTML, section 9.2.7 recommends one every 15 seconds or so)."""
ELSEWHERE_S: Final = 1.0
"""When to ask again who is turned away because the proxy goes: another one is there already."""
OVERLOADED: Final = "the answer was given up: the gateway holds as much as its memory allows; try again in a moment"
TOO_SLOW: Final = "the client did not take the answer within the route's total time"

_JSON: Final = Lines(b"content-type: application/json\r\n")
_EVENTS: Final = Lines(b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n")
_UNLIMITED: Final = Lines(b"")

logger = logging.getLogger(__name__)


class _Stage(enum.Enum):
    """How far the attempt at hand has come: what arrives next."""

    HEAD = enum.auto()
    ERROR = enum.auto()
    WHOLE = enum.auto()
    STREAM = enum.auto()
    OVER = enum.auto()


# A member of an enum is looked up anew at each use.
_TOTAL: Final = messages.Phase.TOTAL
_ANTHROPIC: Final = Shape.ANTHROPIC
_HEAD: Final = _Stage.HEAD
_ERROR: Final = _Stage.ERROR
_WHOLE: Final = _Stage.WHOLE
_STREAM: Final = _Stage.STREAM
_OVER: Final = _Stage.OVER


class Flight:
    """One request under way, with its reservation. Ends exactly once, in `_finish`, whatever happens.

    Everything behind `begin` runs in calls of the upstream's connection, of timers, or of the client's connection
    (`cancel`, `leave`): a task a request, or a future a wait, would cost more than all the rest of it.
    """

    def __init__(
        self,
        services: Services,
        *,
        route: runtime.Route,
        sign_ins: Mapping[ProviderKey, ports.SignIn],
        call: Call,
        measured: Measured,
        reservation: Reservation,
        outcome: Outcome,
        responder: Responder,
    ) -> None:
        self._services = services
        self._now = services.clock.monotonic
        self._route = route
        self._sign_ins = sign_ins
        self._call = call
        self._measured = measured
        self._reservation: Reservation | None = reservation
        self._limits = reservation if reservation.limited else None
        self._outcome = outcome
        self._responder = responder
        self._deadline = outcome.started + route.total_s
        self._ends = self._deadline
        """When the attempt at hand must be over, as long as nothing of its answer has gone out."""
        self._options: list[runtime.Served | None] = []
        self._tried = self._untried = self._tries = 0
        self._signed_anew = False
        """Whether the target at hand was tried once more because its credential was refused."""
        self._clock_set = False
        """The same, because the signature was made by another time than the target's."""
        self._target: runtime.Target | None = None
        self._sign_in: ports.SignIn | None = None
        self._option: runtime.Served | None = None
        self._pair: ports.Translation | None = None
        self._served: runtime.Served | None = None
        """Who was asked last: named to the client."""
        self._failure: Failure | None = None
        self._refusal: GatewayError | None = None
        self._pause: asyncio.TimerHandle | Wait | None = None
        self._request: messages.UpstreamRequest | None = None
        self._transfer: Transfer | None = None
        self._stage = _HEAD
        self._status = 0
        self._headers: messages.Headers = []
        self._parts: list[bytes] = []
        self._size = self._counted_bytes = 0
        self._stream: Stream | None = None
        self._fan: fan.Fan | None = None
        """The parts of an attempt that asks its target several times."""
        self._sent = self._slow = False
        # Only who waits for a stream is told that there is somebody at work.
        self.beat_s = services.beat_s if call.peek.stream else math.inf

    def begin(self, match: table.Match) -> None:
        """Send it to the first target that takes it.

        Raises:
            GatewayError: no target can serve such a request at all; nothing was sent.
        """
        model = self._call.peek.model
        self._options = [target.serve(match, model) for target in self._route.targets]
        for index, option in enumerate(self._options):
            if option is None:
                self._tried |= 1 << index
        self._route.budget.deposit()
        self._responder.last_words = self.leave
        self._try_next()

    # The client's connection calls.

    def cancel(self) -> None:
        """The client has gone. What the provider did until then is billed."""
        if self._stage is _OVER:
            return
        # Also after the head has gone out: the client did not get what it asked for.
        self._outcome.status = CLIENT_CLOSED
        self._bill_attempt()
        self._finish()

    def leave(self) -> None:
        """The proxy must go before the answer is whole: the client is told, in the stream if it has seen some of it."""
        stream = self._stream
        if self._stage is _STREAM and stream is not None and stream.shown:
            failure = Failure(kind=Kind.UNAVAILABLE, message="the gateway is shutting down; ask again for the rest")
            self._outcome.error = failure.kind
            self._end_stream(stream, failure)
            self._finish()
        elif self._stage is not _OVER:
            self._bill_attempt()
            message = "the gateway is shutting down; ask again"
            self._answer_failure(Failure(kind=Kind.UNAVAILABLE, message=message, retry_after_s=ELSEWHERE_S))

    def _bill_attempt(self) -> None:
        """The one under way, which is given up: the provider has begun to work on it."""
        if self._pause is None and self._request is not None and self._request.sent:
            self._sent = True
            self._take_note()
            if self._fan is not None:
                self._estimate(0, self._fan.share_sent())
            else:
                self._estimate(0 if self._stream is None else self._stream.events)

    # The upstream's connection calls.

    def answered(self, status: int, headers: messages.Headers) -> None:
        self._sent = True
        self._status, self._headers = status, headers
        try:
            self._read_on(status, headers)
        except Exception:
            self._fault()

    def arrived(self, piece: bytes) -> None:
        stream = self._stream
        try:
            if stream is None:
                self._gather(piece)
            elif stream.receive(piece):
                if self._transfer is not None:
                    stream.wait(self._transfer)
            else:
                self._halt(stream)
        except Exception:
            self._fault()

    def ended(self) -> None:
        try:
            self._conclude(None)
        except Exception:
            self._fault()

    def broke(self, error: messages.HTTPError) -> None:
        if isinstance(error, Stale) and self._transfer is not None and self._transfer.again():
            return
        try:
            self._conclude(error)
        except Exception:
            self._fault()

    def waited(self) -> None:
        """A comment, which clients skip: it keeps whatever is in between from taking silence for an end."""
        responder = self._responder
        if responder.started or responder.streams:
            try:
                if not responder.started:
                    self._start()
                responder.write(KEEP_ALIVE)
            except Exception:
                self._fault()

    # Targets and attempts.

    def _try_next(self) -> None:
        """The next target that takes it. Without one, the last failure is the answer.

        Raises:
            GatewayError: there was no attempt, and every target has its reason why not.
        """
        route, services, options = self._route, self._services, self._options
        while True:
            now = self._now()
            shunned = 0 if len(options) == 1 else _shunned(options, now)
            chosen = route.order.choose(tried=self._tried, shunned=shunned, point=services.rng.random())
            option = options[chosen] if chosen is not None else None
            if chosen is None or option is None or (self._failure is not None and now >= self._deadline):
                break
            self._untried = len(options) - self._tried.bit_count()
            self._tried |= 1 << chosen
            self._target, self._option, self._tries = route.targets[chosen], option, 0
            self._signed_anew = self._clock_set = False
            try:
                failure = self._attempt(self._target, option)
            except GatewayError as error:
                # This target cannot do what is asked. Nothing was sent, and another one may be able to.
                self._pass_over(option, error)
                continue
            if failure is None or self._repeat_later(failure):
                return
            self._failure = failure
            if failure.failure_class not in route.fallback_on:
                break
        if self._failure is None:
            raise self._refusal or unserved(self._call.peek.model)
        self._answer_failure(self._failure)

    def _pass_over(self, option: runtime.Served, error: GatewayError) -> None:
        option.meters.attempt(error.kind)
        # Of several reasons the one that passes: who is told 400 does not ask again.
        if self._refusal is None or error.kind is Kind.NO_CREDENTIAL:
            self._refusal = error

    def _repeat_later(self, failure: Failure) -> bool:
        """The same target again after a pause, as often as the route's retry policy allows."""
        self._tries += 1
        pause = self._pause_s(failure, self._tries)
        if pause is None:
            return False
        self._failure = failure
        self._pause = asyncio.get_running_loop().call_later(pause, self._repeat)
        return True

    def _pause_s(self, failure: Failure, tries: int) -> float | None:
        """Before the same is tried again; None: it is not."""
        route, now = self._route, self._now()
        pause = retry.pause_s(
            route.retry,
            failure,
            attempts=tries,
            remaining_s=self._deadline - now,
            point=self._services.rng.random(),
        )
        return pause if pause is not None and route.budget.withdraw(now=now) else None

    def _repeat(self) -> None:
        self._pause = None
        target, option = self._target, self._option
        if target is None or option is None:
            return
        try:
            try:
                failure = self._attempt(target, option)
            except GatewayError as error:
                self._pass_over(option, error)
                self._try_next()
            else:
                if failure is not None:
                    self._go_on_after(failure)
        except GatewayError as error:
            refuse(self._responder, self._outcome, error)
            self._finish()
        except Exception:
            self._fault()

    def _set_clock(self, target: runtime.Target, failure: Failure) -> bool:
        """Whether the same target is tried once more, by the time that it has told. As with another credential, that is
        no repetition in the sense of the route's policy.
        """
        if failure.skew_s is None or self._clock_set:
            return False
        self._clock_set = True
        target.skew.offset_s = failure.skew_s
        self._failure = failure
        self._repeat()
        return True

    def _sign_in_anew(self, failure: Failure) -> bool:
        """Whether the same target is tried once more, now or soon, because there is another credential for it.

        That is no repetition in the sense of the route's policy: the target has not looked at the request.
        """
        refused, renewals = self._sign_in, self._services.renewals
        if not failure.renewable or self._signed_anew or refused is None or not refused.renewed:
            return False
        self._signed_anew = True
        self._failure = failure
        if renewals.another(refused):
            self._sign_ins = renewals.sign_ins
            self._repeat()
            return True
        self._pause = renewals.wait(refused, self._renewed, now=self._now(), deadline=self._deadline)
        return self._pause is not None

    def _renewed(self) -> None:
        """Another credential has come, or it was waited for long enough."""
        self._pause = None
        refused, failure, renewals = self._sign_in, self._failure, self._services.renewals
        if refused is None or failure is None:
            return
        if renewals.another(refused):
            self._sign_ins = renewals.sign_ins
            self._repeat()
            return
        try:
            self._go_on_after(failure)
        except Exception:
            self._fault()

    def _go_on_after(self, failure: Failure) -> None:
        """An attempt has failed, and nothing of it went out: again, elsewhere, or the end."""
        if self._repeat_later(failure):
            return
        self._failure = failure
        if failure.failure_class in self._route.fallback_on:
            self._try_next()
        else:
            self._answer_failure(failure)

    def _attempt(self, target: runtime.Target, served: runtime.Served) -> Failure | None:
        """One try; None: it is on its way."""
        call, outcome, services = self._call, self._outcome, self._services
        wall = services.clock.wall()
        sign_in = self._sign_ins.get(target.label)
        if sign_in is None or sign_in.ends <= wall:
            raise unsigned(target.label, ended=sign_in is not None)
        self._sign_in = sign_in
        try:
            way, body = _translated(call, served, target.provider, self._measured)
            request = target.provider.prepare(
                endpoint=target.endpoint,
                base=way.base,
                credential=sign_in.credential,
                call=call,
                body=body,
                now=wall + target.skew.offset_s,
            )
        except GatewayError as error:
            unsent = Failure(kind=error.kind, message=error.message, param=error.param)
            if unsent.failure_class is None:
                raise
            return self._failed(unsent, target, served)
        now = self._now()
        self._served = served
        outcome.attempts += 1
        outcome.provider = target.label
        outcome.upstream_model = served.model.upstream
        call.invoked = ""
        if served.health.failures:
            served.health.attempted(now=now)
        share_s = retry.share_s(remaining_s=self._deadline - now, untried=self._untried)
        self._ends = now + share_s
        self._pair, self._request, self._stream = way.translation, request, None
        self._stage = _HEAD
        try:
            if way.parted is not None and call.further:
                self._ask_in_parts(way.parted, way, sign_in, request)
                return None
            self._transfer = services.client.begin(
                request, self, first_byte_timeout_s=min(self._route.first_token_s, share_s)
            )
        except messages.HTTPError as error:
            return self._failed(unanswered(error, target.label), target, served)
        return None

    def _ask_in_parts(
        self, parted: ports.Parted, way: ports.Way, sign_in: ports.SignIn, first: messages.UpstreamRequest
    ) -> None:
        """As many requests as it takes, instead of one.

        Raises:
            HTTPError: there is no way to the target.
        """
        call, target, budget = self._call, self._target, self._route.budget
        if target is None:
            return
        self._transfer = None
        for _ in call.further:
            budget.deposit()
        parts = fan.Fan(
            self._services,
            self,
            fan.Asking(target, parted, way.base, sign_in.credential, call),
            [whole(first.body), *call.further],
            first_byte_s=self._route.first_token_s,
            ends=self._ends,
        )
        parts.begin(first)
        self._fan = parts

    def _failed(self, failure: Failure, target: runtime.Target, served: runtime.Served) -> Failure:
        """Take note of a failed attempt."""
        served.health.failed(failure, now=self._now())
        served.meters.attempt(failure.kind)
        self._outcome.failed(target.label, failure)
        return errors.model_chosen_by_client(failure) if served.passed else failure

    # The parts of an attempt call (`fan.Owner`).

    def part_failed(self, failure: Failure) -> Failure:
        target, served = self._target, self._option
        return failure if target is None or served is None else self._failed(failure, target, served)

    def pause_s(self, failure: Failure, tries: int) -> float | None:
        pause = self._pause_s(failure, tries)
        if pause is not None:
            self._outcome.attempts += 1
        return pause

    def parts_answered(self) -> None:
        self._sent = True
        self._stage, self._status = _WHOLE, 200
        self._conclude(None)

    def parts_failed(self, failure: Failure, *, tries: float, share: float) -> None:
        self._fan = None
        self._sent = True
        # Its part has been tried as often as may be: the whole is not tried again for it.
        self._tries = int(min(tries, self._route.retry.attempts)) - 1
        if share:
            # What was answered is billed, though nobody gets it.
            self._estimate(0, share)
        if not self._sign_in_anew(failure):
            self._go_on_after(failure)

    def no_room(self) -> None:
        self._give_up()

    def fault(self) -> None:
        self._fault()

    # An answer.

    def _read_on(self, status: int, headers: messages.Headers) -> None:
        """The head is there: how the rest is read, and how long it may take."""
        transfer, pair = self._transfer, self._pair
        if transfer is None or pair is None:
            return
        self._forget_parts()
        if not 200 <= status < 300:
            self._stage = _ERROR
            patience_s = min(ERROR_BODY_S, self._left_s())
            transfer.allow(_TOTAL, patience_s, patience_s)
            return
        self._listen(headers)
        if self._call.streams:
            self._stage = _STREAM
            self._stream = stream = Stream(
                pair.relay(self._call, headers),
                self._responder,
                begin=self._start,
                now=self._now,
                idle_s=self._route.idle_s,
                unseen_until=self._ends,
                deadline=self._deadline,
            )
            stream.wait(transfer)
        else:
            self._stage = _WHOLE
            patience_s = self._left_s()
            transfer.allow(_TOTAL, patience_s, patience_s)

    def _listen(self, headers: messages.Headers) -> None:
        """To what the provider says of its limits, now and then: it is a hint, and the headers are many."""
        served, now = self._option, self._now()
        if served is not None and now >= served.health.listens_at:
            rest_s = allowance.rest_s(headers, wall=self._services.clock.wall())
            served.health.listened(rest_s, now=now)

    def _gather(self, piece: bytes) -> None:
        self._parts.append(piece)
        self._size = size = self._size + len(piece)
        limit = MAX_REPLY_BYTES if self._stage is _WHOLE else MAX_ERROR_BYTES
        if size > limit:
            self._conclude(messages.TooLarge(f"the upstream's answer is larger than {limit} bytes"))
        elif size > COUNTED_REPLY_BYTES:
            ledger = self._services.ledger
            ledger.reading_bytes += size - self._counted_bytes
            self._counted_bytes = size
            if not ledger.has_room():
                self._give_up()

    def _give_up(self) -> None:
        """There is no room for the rest of the answer. What the provider did until then is billed."""
        if self._option is not None:
            self._option.meters.attempt(Kind.OVERLOADED)
        self._services.ledger.refusals += 1
        self._estimate(0)
        error = GatewayError(Kind.OVERLOADED, OVERLOADED, retry_after_s=OVERLOADED_RETRY_S)
        refuse(self._responder, self._outcome, error)
        self._finish()

    def _forget_parts(self) -> None:
        self._parts, self._size = [], 0
        self._services.ledger.reading_bytes -= self._counted_bytes
        self._counted_bytes = 0

    def _halt(self, stream: Stream) -> None:
        """The stream has failed, or the client must catch up: read no further."""
        transfer = self._transfer
        if stream.relay.failure is not None:
            self._conclude(None)
        elif transfer is not None:
            self._slow = True
            left_s = max(0.0, self._deadline - self._now())
            transfer.hold()
            transfer.allow(_TOTAL, left_s, left_s)
            self._responder.when_resumed(self._resume)

    def _resume(self) -> None:
        stream, transfer = self._stream, self._transfer
        self._slow = False
        if self._stage is _STREAM and stream is not None and transfer is not None:
            transfer.resume()
            stream.watched = False
            stream.wait(transfer)

    def _conclude(self, broken: messages.HTTPError | None) -> None:
        """The answer is whole, or will not become so."""
        target, served, request, stage = self._target, self._option, self._request, self._stage
        if target is None or served is None or stage is _OVER:
            return
        failure: Failure | None = None
        if stage is _WHOLE and broken is None:
            failure = self._answer(self._whole())
        elif stage is _STREAM and self._stream is not None:
            failure = self._conclude_stream(self._stream, broken, target)
        elif stage is _ERROR:
            # What its status tells stands, whether or not all of the body has come.
            body = b"" if broken is not None else self._whole()
            now = self._services.clock.wall()
            failure = target.provider.classify(status=self._status, headers=self._headers, body=body, now=now)
        elif broken is not None:
            self._sent = self._sent or (request is not None and request.sent)
            failure = unanswered(broken, target.label)
        if self._transfer is not None:
            self._transfer.abort()
        if failure is None:
            if served.health.failures:
                served.health.succeeded()
            served.meters.attempt("ok")
            self._finish()
            return
        failure = self._failed(failure, target, served)
        if self._responder.finished:
            self._outcome.error = failure.kind
            self._finish()
        elif not self._set_clock(target, failure) and not self._sign_in_anew(failure):
            self._go_on_after(failure)

    def _whole(self) -> bytes:
        parts = self._parts
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _answer(self, body: bytes) -> Failure | None:
        """The whole body has arrived."""
        pair, outcome = self._pair, self._outcome
        if pair is None:
            return None
        parts = self._fan
        try:
            if parts is None:
                answer = pair.reply(self._call, self._headers, body)
            else:
                answer = parts.answer()
                parts.abort()
                self._fan = None
        except UpstreamBroken as error:
            return Failure(kind=Kind.PROVIDER_ERROR, message=str(error), status=self._status, note=str(error))
        outcome.finish_reason = answer.finish_reason
        outcome.usage = answer.usage
        outcome.upstream_model = self._call.invoked or outcome.upstream_model
        outcome.search_units = answer.search_units
        if answer.unknown and self._served is not None:
            self._served.meters.unknown(self._call.dialect, answer.unknown)
        if answer.usage is None:
            self._estimate(int(len(answer.body) * TOKENS_A_BYTE) if self._call.operation in WRITING else 0)
        self.settle()
        outcome.status = 200
        if not self._call.peek.stream:
            self._responder.respond(200, self.lines(_JSON), answer.body)
            return None
        # It was not streamed, but the client is told as if: kept alive, maybe, until now.
        self._start()
        self._responder.write(answer.body)
        self._responder.finish()
        return None

    def _conclude_stream(
        self, stream: Stream, broken: messages.HTTPError | None, target: runtime.Target
    ) -> Failure | None:
        """A stream has come to its end, or to what breaks it. None: no fault of the target."""
        relay = stream.relay
        if self._slow and isinstance(broken, messages.TimedOut):
            # The target was ready to go on.
            late = Failure(kind=Kind.TIMEOUT, message=TOO_SLOW)
            self._outcome.error, self._outcome.note = late.kind, late.message
            self._end_stream(stream, late)
            return None
        failure = relay.failure
        if failure is None:
            # The dialect decides whether what has come is whole: behind its last word a break does no harm.
            failure = stream.end()
            if failure is not None and broken is not None:
                failure = unanswered(broken, target.label)
        if stream.shown:
            self._end_stream(stream, failure)
        else:
            self._take_note()
        return failure

    def _end_stream(self, stream: Stream, failure: Failure | None) -> None:
        """The last words to the client, which has seen something of it."""
        self._take_note()
        if self._outcome.usage is None:
            self._estimate(stream.events)
        if failure is not None:
            self._responder.write(stream.relay.error_event(failure))
        self._responder.finish()

    def _take_note(self) -> None:
        """Of what the stream has told until now."""
        stream, outcome = self._stream, self._outcome
        if stream is None:
            return
        relay = stream.relay
        outcome.usage = relay.usage
        outcome.finish_reason = relay.finish_reason
        outcome.upstream_model = self._call.invoked or outcome.upstream_model
        if relay.unknown and self._served is not None:
            self._served.meters.unknown(self._call.dialect, relay.unknown)

    def _answer_failure(self, failure: Failure) -> None:
        """Nothing is left to try."""
        outcome, responder = self._outcome, self._responder
        outcome.error = failure.kind
        if responder.started:
            # Of a stream that has been kept alive, but showed nothing.
            if self._pair is not None:
                responder.write(self._pair.relay(self._call, []).error_event(failure))
            responder.finish()
        else:
            retries = errors.Retries.LEFT if failure.retry_after_s is not None else errors.Retries.SPENT
            answer = errors.from_failure(failure, retries=retries, shape=outcome.shape, request_id=outcome.request_id)
            outcome.status = answer.status
            self.settle()
            responder.respond(answer.status, self.lines(heads.header_lines(answer.headers)), answer.body)
        self._finish()

    # The end.

    def _start(self) -> None:
        if self._responder.started:
            return
        outcome = self._outcome
        outcome.status = 200
        outcome.first_byte_at = self._now()
        self._responder.start(200, self.lines(_EVENTS))

    def _fault(self) -> None:
        """A fault of our own: to be called where it was caught."""
        logger.exception("request %s has failed on a fault of the proxy's own", self._outcome.request_id)
        if self._stage is not _OVER:
            refuse(self._responder, self._outcome, GatewayError(Kind.INTERNAL, ""))
            self._finish()

    def _finish(self) -> None:
        """Account for it, count it, log it, and let the client's connection go on."""
        if self._stage is _OVER:
            return
        self._stage = _OVER
        if self._pause is not None:
            self._pause.cancel()
        if self._transfer is not None:
            self._transfer.abort()
        if self._fan is not None:
            self._fan.abort()
            self._fan = None
        # Bodies and the way back here are let go now, not when the collector comes by.
        self._transfer = self._stream = self._request = None
        self._forget_parts()
        self._responder.last_words = None
        try:
            self.settle()
            self._services.record(self._outcome)
        finally:
            self._responder.done()

    def lines(self, first: Lines) -> Lines:
        """The headers of every answer of this request, a failed one too; after the `first` ones."""
        outcome, served, limits = self._outcome, self._served, self._limits
        clock = self._services.clock
        limited = _UNLIMITED if limits is None else limits.lines(now=clock.monotonic())
        # The request id is fit for a line: `serve` has seen to that.
        request_id = outcome.request_id.encode("ascii")
        written = [first, b"x-request-id: ", request_id, b"\r\n"]
        if outcome.shape is _ANTHROPIC:
            written += (b"request-id: ", request_id, b"\r\n")
            if limits is not None:
                written.append(limits.anthropic_lines(now=clock.monotonic(), wall=clock.wall()))
        if served is not None:
            written += (served.lines, b"x-pilothouse-attempts: ", str(outcome.attempts).encode(), b"\r\n")
            invoked = self._call.invoked
            if invoked and invoked.isascii() and invoked.isprintable():
                written += (b"x-pilothouse-invoked-model: ", invoked.encode(), b"\r\n")
        written.append(limited)
        return Lines(b"".join(written))

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

    def _estimate(self, output_tokens: int, share: float = 1.0) -> None:
        """Nobody has reported what this cost: by what went in (or a share of it) and what came out until now."""
        if self._outcome.usage is None:
            free = self._call.operation in FREE
            spent = 0 if free else int(self._route.estimator.input_tokens(self._measured) * share)
            self._outcome.usage = Usage(input_tokens=spent, output_tokens=output_tokens, estimated=True)

    def _left_s(self) -> float:
        return max(0.0, self._ends - self._services.clock.monotonic())


def _shunned(served: list[runtime.Served | None], now: float) -> int:
    mask = 0
    for index, option in enumerate(served):
        if option is not None and option.health.shunned_until > now:
            mask |= 1 << index
    return mask


def _translated(
    call: Call, served: runtime.Served, provider: ports.Provider, measured: Measured
) -> tuple[ports.Way, Body]:
    """The first way that can say all of the request, and the request in it.

    Raises:
        GatewayError: the model cannot serve it, or no way can say it; the first one's reason is told.
    """
    refusal: GatewayError | None = None
    call.model = served.model
    streams = call.peek.stream
    if served.fit is not None:
        unfit = served.fit.refusal(call, measured.text_bytes)
        if unfit is not None:
            raise unfit
        streams = streams and served.fit.streams
    for way in served.ways[call.operation]:
        call.dialect, call.streams = way.dialect, streams
        try:
            if streams is not call.peek.stream and not isinstance(way.translation, Hub):
                raise fit.unstreamed()
            provider.check(call)
            return way, way.translation.request(call)
        except GatewayError as error:
            if error.kind is not Kind.UNSUPPORTED:
                raise
            refusal = refusal or error
    raise refusal or GatewayError(
        Kind.UNSUPPORTED, f"{call.operation.value} is not offered by the provider of this model"
    )
