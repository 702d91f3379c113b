"""`/providers/{name}/…`: a provider's own API, signed in to, metered and limited, and otherwise untouched.

Nothing is routed, repeated or translated: what the provider answers is the answer. `{name}` is a provider of the
caller's own namespace, `{namespace}:{name}` one of another.
"""

import logging
import math
import re
from typing import NamedTuple
from urllib.parse import unquote

from pilothouse_api.names import ProviderKey, RouteKey
from pilothouse_proxy import errors, ports, runtime, translation
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.http import heads, messages
from pilothouse_proxy.http.client import Transfer
from pilothouse_proxy.http.messages import Headers, Phase
from pilothouse_proxy.http.request import Request
from pilothouse_proxy.http.responder import Responder
from pilothouse_proxy.observe.metrics import CLIENT_CLOSED
from pilothouse_proxy.observe.outcome import Outcome
from pilothouse_proxy.pipeline.refusal import named, refuse, unanswered, unsigned
from pilothouse_proxy.pipeline.services import Services
from pilothouse_proxy.quota import estimate
from pilothouse_proxy.quota.reserve import QuotaExceeded, Reservation

PREFIX = b"/providers/"
OPERATION = "native"
NO_ROUTE = RouteKey("")
"""Quotas of routes do not count what goes past them; those of the caller's namespace do."""

FIRST_BYTE_S = 120.0
IDLE_S = 60.0
TOTAL_S = 600.0
"""As a route's, where nothing else is said."""

_SEGMENT = re.compile(r"(?:([a-z0-9-]{1,63}):)?([a-z0-9.-]{1,253})")
_PASSED = frozenset((b"accept", b"content-type", b"content-encoding", b"idempotency-key", b"user-agent"))
_PASSED_FAMILIES = (b"anthropic-", b"openai-", b"aoai-", b"x-amzn-bedrock-", b"x-ms-oai-", b"x-ms-spillover-")
_WITHHELD = frozenset((b"set-cookie", b"content-length", b"x-request-id", b"alt-svc", b"strict-transport-security"))
_BODILESS = frozenset((204, 304))

logger = logging.getLogger(__name__)


class Asked(NamedTuple):
    """What a path asks for."""

    provider: ProviderKey
    path: bytes
    """Below the provider's URL, with its leading slash."""


def asked(path: bytes, *, namespace: str) -> Asked | None:
    """The provider and the rest of a path below `PREFIX`, for a caller of `namespace`; None: it names none."""
    name, slash, rest = path[len(PREFIX) :].partition(b"/")
    found = _SEGMENT.fullmatch(unquote(name.decode("ascii", "replace")))
    if found is None or not slash:
        return None
    return Asked(ProviderKey(f"{found[1] or namespace}/{found[2]}"), b"/" + rest)


def passed(headers: Headers) -> Headers:
    """The client's headers that are the provider's business: nothing that signs in, nothing of the way here."""
    kept = [(name, value) for name, value in headers if name in _PASSED or name.startswith(_PASSED_FAMILIES)]
    # The tokens of a compressed answer could not be read along.
    return [*kept, (b"accept-encoding", b"identity")]


class Passage:
    """One request under way, with its reservation. Ends exactly once, in `_finish`."""

    beat_s = math.inf

    def __init__(
        self,
        services: Services,
        *,
        native: runtime.Native,
        reservation: Reservation,
        outcome: Outcome,
        responder: Responder,
    ) -> None:
        self._services = services
        self._native = native
        self._reservation: Reservation | None = reservation
        self._outcome = outcome
        self._responder = responder
        self._transfer: Transfer | None = None
        self._request: messages.UpstreamRequest | None = None
        self._meter: ports.Meter | None = None
        self._bodiless = False
        self._over = False

    def begin(self, request: messages.UpstreamRequest) -> None:
        """Send it."""
        self._request = request
        self._outcome.attempts = 1
        try:
            self._transfer = self._services.client.begin(request, self, first_byte_timeout_s=FIRST_BYTE_S)
        except messages.HTTPError as error:
            self.broke(error)

    # The client's connection calls.

    def cancel(self) -> None:
        """The client has gone. What the provider did until then is billed."""
        if not self._over:
            self._outcome.status = CLIENT_CLOSED
            self._finish()

    # The upstream's connection calls.

    def answered(self, status: int, headers: Headers) -> None:
        """The head goes on at once; the body follows as it comes."""
        try:
            self._begin_answer(status, headers)
        except messages.ProtocolError as error:
            self.broke(error)
        except Exception:
            self._fault()

    def arrived(self, piece: bytes) -> None:
        """A piece of the body."""
        try:
            self._pass_on(piece)
        except Exception:
            self._fault()

    def ended(self) -> None:
        """The answer is whole."""
        try:
            self._conclude()
        except Exception:
            self._fault()

    def broke(self, error: messages.HTTPError) -> None:
        """There is no answer, or not all of one."""
        if self._over:
            return
        failure = unanswered(error, self._native.key)
        self._outcome.failed(self._native.key, failure)
        self._outcome.error = failure.kind
        self._native.meters.attempt(failure.kind)
        if not self._responder.started:
            answer = errors.from_failure(failure)
            self._outcome.status = answer.status
            self._responder.respond(answer.status, [*answer.headers, named(self._outcome)], answer.body)
        # Else its missing end tells the client.
        self._finish()

    def waited(self) -> None:
        """Silence is the provider's own here."""

    def _begin_answer(self, status: int, headers: Headers) -> None:
        if self._transfer is None:
            return
        self._outcome.status = status
        self._meter = translation.meter(headers)
        shown = [(name, value) for name, value in headers if name not in _WITHHELD]
        shown += [named(self._outcome), (b"x-pilothouse-provider", self._native.key.encode("ascii"))]
        lines = heads.header_lines(shown)
        self._transfer.watch(IDLE_S, TOTAL_S)
        self._bodiless = status in _BODILESS
        if self._bodiless:
            self._responder.respond(status, lines, b"")
        else:
            self._outcome.first_byte_at = self._services.clock.monotonic()
            self._responder.start(status, lines)

    def _pass_on(self, piece: bytes) -> None:
        meter, transfer = self._meter, self._transfer
        if meter is None or transfer is None or self._bodiless:
            return
        meter.feed(piece)
        self._responder.write(piece)
        if self._responder.paused:
            transfer.hold()
            transfer.allow(Phase.TOTAL, TOTAL_S, TOTAL_S)
            self._responder.when_resumed(self._resume)

    def _conclude(self) -> None:
        if self._over:
            return
        if self._meter is not None:
            self._meter.end()
        if not self._bodiless:
            self._responder.finish()
        self._native.meters.attempt("ok")
        self._finish()

    def _resume(self) -> None:
        if self._transfer is not None:
            self._transfer.resume()
            self._transfer.watch(IDLE_S, TOTAL_S)

    def _fault(self) -> None:
        """A fault of our own: to be called where it was caught."""
        logger.exception("request %s has failed on a fault of the proxy's own", self._outcome.request_id)
        if not self._over:
            refuse(self._responder, self._outcome, GatewayError(Kind.INTERNAL, ""))
            self._finish()

    def _finish(self) -> None:
        """Account for it, count it, log it, and let the client's connection go on."""
        if self._over:
            return
        self._over = True
        transfer, self._transfer = self._transfer, None
        if transfer is not None:
            transfer.abort()
        try:
            self._settle()
            self._services.record(self._outcome)
        finally:
            self._responder.done()

    def _settle(self) -> None:
        reservation, self._reservation = self._reservation, None
        if reservation is None:
            return
        usage = self._outcome.usage = None if self._meter is None else self._meter.usage
        now = self._services.clock.monotonic()
        if self._request is None or not self._request.sent:
            reservation.refund(now=now)
            return
        reservation.commit(tokens=0 if usage is None else usage.total_tokens, now=now)
        if usage is not None:
            self._native.meters.count(usage)


def take_off(
    services: Services, active: runtime.Runtime, request: Request, responder: Responder, outcome: Outcome
) -> Passage | QuotaExceeded:
    """Send a request below `PREFIX` on its way, or say which limit it does not fit under.

    Raises:
        GatewayError: the caller may not, the provider has no such path, or nobody can sign in to it now.
    """
    now = services.clock.wall()
    caller = active.callers.authenticate(request.headers, now=now, memory=request.memory)
    outcome.called_by(caller)
    native, path = _admitted(active, request.path, caller.namespace)
    outcome.provider = native.key
    sign_in = active.sign_ins.get(native.key)
    if sign_in is None or sign_in.ends <= now:
        raise unsigned(native.key, ended=sign_in is not None)
    upstream = native.place.provider.native(
        endpoint=native.place.endpoint,
        base=native.base,
        credential=sign_in.credential,
        request=ports.NativeRequest(
            method=request.method,
            path=path,
            query=request.query,
            headers=passed(request.headers),
            body=request.body,
        ),
        now=now,
    )
    tokens = int(estimate.measure(request.body).text_bytes * estimate.TOKENS_A_BYTE)
    reservation = active.quotas.reserve(
        caller=caller, route=NO_ROUTE, model="", tokens=tokens, least_tokens=tokens, now=outcome.started
    )
    if isinstance(reservation, QuotaExceeded):
        return reservation
    passage = Passage(services, native=native, reservation=reservation, outcome=outcome, responder=responder)
    passage.begin(upstream)
    return passage


def _admitted(active: runtime.Runtime, path: bytes, namespace: str) -> tuple[runtime.Native, bytes]:
    found = asked(path, namespace=namespace)
    native = None if found is None else active.natives.get(found.provider)
    if found is None or native is None or not native.admits(namespace):
        message = (
            "no provider of this name lets its own API be called from here; below /providers/ comes the name of an "
            "LLMProvider of the caller's namespace, or namespace:name, and its spec.native must be set"
        )
        raise GatewayError(Kind.NOT_FOUND, message)
    rest = found.path.decode("ascii", "replace")
    # `..` would leave the paths that are open, wherever it is resolved; so would a second slash for some servers.
    if any(segment in {".", ".."} for segment in unquote(rest).split("/")) or "\\" in unquote(rest):
        raise GatewayError(Kind.INVALID_REQUEST, "the path holds a segment that leads elsewhere (`.` or `..`)")
    if not native.offers(rest):
        raise GatewayError(Kind.NOT_FOUND, f"spec.native.paths of the provider does not open {rest[:200]}")
    return native, found.path
