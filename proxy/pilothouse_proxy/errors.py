"""What can go wrong with a request, as one table, and what the client is told then.

    Exception
    ├── GatewayError     raised once, at the edge: the request is answered with its kind
    └── UpstreamBroken   a provider's answer does not hold to its own dialect: becomes a Failure of the attempt
    Failure              a value, not an exception: one failed attempt, classified; the plan decides what follows

Only kinds of this table reach a client. Whatever else is raised is INTERNAL: a 500 with a request id and no detail.
"""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from pilothouse_api.snapshot.routes import FailureClass

MAX_RETRY_AFTER_S = 86_400.0
"""Day quotas ask for as much; whatever is more is a provider's slip."""

MAX_MESSAGE_CHARS = 2_000


class Kind(enum.StrEnum):
    """Every way in which a request fails. Who is to blame stands in the table."""

    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED = "unsupported"
    UNAUTHENTICATED = "unauthenticated"
    MODEL_NOT_FOUND = "model_not_found"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TOO_LARGE = "too_large"
    QUOTA_EXCEEDED = "quota_exceeded"
    CONTEXT_LENGTH = "context_length"
    CONTENT_FILTER = "content_filter"
    RATE_LIMITED = "rate_limited"
    CAPACITY = "capacity"
    UPSTREAM_QUOTA = "upstream_quota"
    UPSTREAM_AUTH = "upstream_auth"
    UPSTREAM_PERMISSION = "upstream_permission"
    UPSTREAM_MODEL_MISSING = "upstream_model_missing"
    MISCONFIGURED = "misconfigured"
    CONNECT = "connect"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    NOT_READY = "not_ready"
    PROVIDER_ERROR = "provider_error"
    STREAM_BROKEN = "stream_broken"
    NO_CONFIGURATION = "no_configuration"
    NO_TARGET = "no_target"
    NO_CREDENTIAL = "no_credential"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"


class Shape(enum.StrEnum):
    """How a client's dialect tells of errors."""

    OPENAI = "openai"
    """`{"error": {"message", "type", "param", "code", …}}`."""
    ANTHROPIC = "anthropic"
    """`{"type": "error", "error": {"type", "message"}, "request_id"}`."""


class Retry(enum.StrEnum):
    """The most that a route's policy may do with the same target."""

    NEVER = "never"
    ONCE = "once"
    BACKOFF = "backoff"


class Breaker(enum.StrEnum):
    """What a failure says about the health of the target."""

    NO = "no"
    """Nothing."""
    SOFT = "soft"
    """It is busy: pass it over until its `retry_after_s` has gone by."""
    HARD = "hard"
    """It is broken: counts towards opening the breaker."""


class Blame(enum.StrEnum):
    """Who has to act."""

    CLIENT = "client"
    CONFIGURATION = "configuration"
    PROVIDER = "provider"
    OURSELVES = "ourselves"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    status: int
    """What the client gets. Never 408: SDKs would repeat on top of our own retries."""
    type: str
    code: str | None
    """None: the provider's own code, if it is one of the OpenAI style."""
    retry: Retry
    breaker: Breaker
    blame: Blame
    failure_class: FailureClass | None = None
    """None: no policy applies, the same request fails everywhere. With one, the route's `fallback.on` decides."""


_N, _O, _B = Retry.NEVER, Retry.ONCE, Retry.BACKOFF
_NO, _SOFT, _HARD = Breaker.NO, Breaker.SOFT, Breaker.HARD
_CLIENT, _CONF, _PROV, _OURS = Blame.CLIENT, Blame.CONFIGURATION, Blame.PROVIDER, Blame.OURSELVES
_INVALID, _LIMIT, _SERVER, _QUOTA = "invalid_request_error", "rate_limit_error", "server_error", "insufficient_quota"
_F = FailureClass

# UPSTREAM_AUTH never opens a breaker: a rotated credential must be live at once. UPSTREAM_MODEL_MISSING and
# MISCONFIGURED neither: such an answer comes at once, and the name may be the client's own.
# fmt: off
TABLE: Mapping[Kind, Row] = {
    Kind.INVALID_REQUEST:        Row(400, _INVALID, None, _N, _NO, _CLIENT),
    Kind.UNSUPPORTED:            Row(400, _INVALID, "unsupported_parameter", _N, _NO, _CLIENT),
    Kind.UNAUTHENTICATED:        Row(401, _INVALID, "invalid_api_key", _N, _NO, _CLIENT),
    Kind.MODEL_NOT_FOUND:        Row(404, _INVALID, "model_not_found", _N, _NO, _CLIENT, _F.MODEL_NOT_FOUND),
    Kind.NOT_FOUND:              Row(404, _INVALID, "unknown_url", _N, _NO, _CLIENT),
    Kind.METHOD_NOT_ALLOWED:     Row(405, _INVALID, "method_not_supported", _N, _NO, _CLIENT),
    Kind.TOO_LARGE:              Row(413, _INVALID, "request_too_large", _N, _NO, _CLIENT),
    Kind.QUOTA_EXCEEDED:         Row(429, _LIMIT, "quota_exceeded", _N, _NO, _CLIENT),
    Kind.CONTEXT_LENGTH:         Row(400, _INVALID, "context_length_exceeded", _N, _NO, _CLIENT, _F.CONTEXT_WINDOW),
    Kind.CONTENT_FILTER:         Row(400, _INVALID, "content_filter", _N, _NO, _CLIENT, _F.CONTENT_FILTER),
    Kind.RATE_LIMITED:           Row(429, _LIMIT, "rate_limit_exceeded", _B, _SOFT, _PROV, _F.RATE_LIMITED),
    # A full reservation (Azure's provisioned throughput) is routing information, not a fault.
    Kind.CAPACITY:               Row(429, _LIMIT, "rate_limit_exceeded", _B, _NO, _PROV, _F.RATE_LIMITED),
    Kind.UPSTREAM_QUOTA:         Row(429, _QUOTA, "insufficient_quota", _N, _SOFT, _CONF, _F.RATE_LIMITED),
    Kind.UPSTREAM_AUTH:          Row(502, _SERVER, "upstream_auth", _N, _NO, _CONF, _F.SIGN_IN),
    Kind.UPSTREAM_PERMISSION:    Row(502, _SERVER, "upstream_permission", _N, _HARD, _CONF, _F.SIGN_IN),
    Kind.UPSTREAM_MODEL_MISSING: Row(502, _SERVER, "upstream_model_missing", _N, _NO, _CONF, _F.MODEL_NOT_FOUND),
    Kind.MISCONFIGURED:          Row(502, _SERVER, "misconfigured", _N, _NO, _CONF, _F.MODEL_NOT_FOUND),
    Kind.CONNECT:                Row(502, _SERVER, "upstream_unreachable", _B, _HARD, _PROV, _F.CONNECT_FAILURE),
    # The model has spent its time already: worth one more try only where the route asks for it.
    Kind.TIMEOUT:                Row(504, _SERVER, "timeout", _O, _HARD, _PROV, _F.TIMEOUT),
    Kind.UNAVAILABLE:            Row(503, _SERVER, "unavailable", _B, _HARD, _PROV, _F.UNAVAILABLE),
    Kind.NOT_READY:              Row(503, _SERVER, "model_not_ready", _B, _SOFT, _PROV, _F.UNAVAILABLE),
    Kind.PROVIDER_ERROR:         Row(502, _SERVER, "provider_error", _O, _HARD, _PROV, _F.PROVIDER_ERROR),
    Kind.STREAM_BROKEN:          Row(502, _SERVER, "stream_broken", _O, _HARD, _PROV, _F.PROVIDER_ERROR),
    Kind.NO_CONFIGURATION:       Row(503, _SERVER, "no_configuration", _N, _NO, _CONF),
    Kind.NO_TARGET:              Row(503, _SERVER, "no_target", _N, _NO, _CONF),
    Kind.NO_CREDENTIAL:          Row(503, _SERVER, "no_credential", _N, _NO, _CONF),
    Kind.OVERLOADED:             Row(503, _SERVER, "overloaded", _N, _NO, _OURS),
    Kind.INTERNAL:               Row(500, _SERVER, "internal_error", _N, _NO, _OURS),
}
# fmt: on

_BAD, _API, _BUSY = "invalid_request_error", "api_error", (529, "overloaded_error")

ANTHROPIC: Mapping[Kind, tuple[int, str]] = {
    Kind.INVALID_REQUEST: (400, _BAD),
    Kind.UNSUPPORTED: (400, _BAD),
    Kind.UNAUTHENTICATED: (401, "authentication_error"),
    Kind.MODEL_NOT_FOUND: (404, "not_found_error"),
    Kind.NOT_FOUND: (404, "not_found_error"),
    Kind.METHOD_NOT_ALLOWED: (405, _BAD),
    Kind.TOO_LARGE: (413, "request_too_large"),
    Kind.QUOTA_EXCEEDED: (429, "rate_limit_error"),
    Kind.CONTEXT_LENGTH: (400, _BAD),
    Kind.CONTENT_FILTER: (400, _BAD),
    Kind.RATE_LIMITED: (429, "rate_limit_error"),
    Kind.CAPACITY: (429, "rate_limit_error"),
    Kind.UPSTREAM_QUOTA: (402, "billing_error"),
    Kind.UPSTREAM_AUTH: (502, _API),
    Kind.UPSTREAM_PERMISSION: (502, _API),
    Kind.UPSTREAM_MODEL_MISSING: (502, _API),
    Kind.MISCONFIGURED: (502, _API),
    Kind.CONNECT: (502, _API),
    Kind.TIMEOUT: (504, "timeout_error"),
    Kind.UNAVAILABLE: _BUSY,
    Kind.NOT_READY: _BUSY,
    Kind.PROVIDER_ERROR: (502, _API),
    Kind.STREAM_BROKEN: (502, _API),
    Kind.NO_CONFIGURATION: (503, _API),
    Kind.NO_TARGET: (503, _API),
    Kind.NO_CREDENTIAL: (503, _API),
    Kind.OVERLOADED: _BUSY,
    Kind.INTERNAL: (500, _API),
}
"""Status and type as Anthropic's API has them (https://platform.claude.com/docs/en/api/errors); where it has none of
its own for what a gateway can meet, the status is that of `TABLE`."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One failed attempt, classified. `message` goes to the client: never a credential, an account or an identity."""

    kind: Kind
    message: str
    status: int = 0
    """The provider's, 0 where none came."""
    code: str | None = None
    """The provider's own code or exception name."""
    param: str | None = None
    retry_after_s: float | None = None
    request_id: str | None = None
    """The provider's."""
    detail: dict[str, object] | None = None
    """Further members of the error object, kept as the provider sent them for the client (Azure's `innererror`)."""
    renewable: bool = False
    """The credential is said to have ended, or not to be valid or of use any more: another one may be taken."""
    skew_s: float | None = None
    """How far the provider's clock is ahead of ours, where that is why it refused the signature."""
    note: str = ""
    """For the log alone: the provider's own words where they name accounts or identities. Never a credential."""

    @property
    def row(self) -> Row:
        """The table's line for it."""
        return TABLE[self.kind]

    @property
    def failure_class(self) -> FailureClass | None:
        """What a route's policy calls it; None where no policy applies (the client's own mistake)."""
        return TABLE[self.kind].failure_class


_WITHHELD: Mapping[Kind, str] = {
    Kind.UPSTREAM_QUOTA: "the gateway's quota at the provider is used up",
    Kind.UPSTREAM_AUTH: "the provider refused the gateway's credential",
    Kind.UPSTREAM_PERMISSION: "the provider does not let the gateway's credential use this model",
    Kind.UPSTREAM_MODEL_MISSING: "the provider does not serve this model",
    Kind.MISCONFIGURED: "the provider cannot serve this model the way the gateway is configured",
}
"""What a client reads instead of the provider's own words, which name accounts, roles and hosts."""


def fit_for_client(failure: Failure, *, hint: str = "") -> Failure:
    """The failure with the provider's words where they belong; what `classify` ends with.

    What the configuration is to blame for gets our own sentence, with `hint` (ours too) saying what to do; the
    provider's words stay in `note`. Those about a credential are kept nowhere: they may quote the signed headers.
    """
    message, note = failure.message, failure.note
    named = f" ({failure.code})" if failure.code else ""
    if failure.kind in _WITHHELD:
        note = "" if failure.kind is Kind.UPSTREAM_AUTH else _clip(message)
        message = _WITHHELD[failure.kind] + named + (f": {hint}" if hint else "")
    if not message:
        message = f"the provider answered {failure.status or 'with an error'}{named}"
    return replace(failure, message=_clip(message), note=note)


class GatewayError(Exception):
    """Raised once, at the edge, with what the client is told."""

    def __init__(
        self, kind: Kind, message: str, *, param: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s


class UpstreamBroken(Exception):
    """A provider's answer does not hold to its own dialect."""


class ErrorAnswer(NamedTuple):
    """What to send; header names in lower case. The server adds `content-length` and the request id."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Retries(enum.StrEnum):
    """Whether the gateway itself has tried again as often as the route allows."""

    SPENT = "spent"
    LEFT = "left"


_encoder = msgspec.json.Encoder()
_INTERNAL_MESSAGE = "the gateway has failed on this request; its log names the cause under the request id"
SDK_PATIENCE_S = 60.0
"""OpenAI's SDKs obey a `retry-after` of at most a minute and otherwise repeat within seconds."""


def body(
    kind: Kind,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    detail: Mapping[str, object] | None = None,
) -> bytes:
    """The OpenAI-shaped error document (`{"error": {message, type, param, code, …}}`), also for `data:` of a stream.

    `code` counts only where the table leaves it to the provider. `detail` adds members and replaces none.
    """
    row = TABLE[kind]
    error: dict[str, object] = {
        "message": _clip(message) if kind is not Kind.INTERNAL else _INTERNAL_MESSAGE,
        "type": row.type,
        "param": param,
        "code": row.code or _openai_code(code),
    }
    if detail:
        error = {**detail, **error}
    return _encoder.encode({"error": error})


def anthropic_body(kind: Kind, message: str, *, param: str | None = None, request_id: str) -> bytes:
    """The Anthropic-shaped error document, also for the event `error` of a stream. It has no member for the parameter:
    the message names it.
    """
    if kind is Kind.INTERNAL:
        message = _INTERNAL_MESSAGE
    elif param is not None and param not in message:
        message = f"{param}: {message}"
    error = {"type": ANTHROPIC[kind][1], "message": _clip(message)}
    return _encoder.encode({"type": "error", "error": error, "request_id": request_id})


def failure_body(failure: Failure) -> bytes:
    """`body` of a failed attempt."""
    return body(failure.kind, failure.message, param=failure.param, code=failure.code, detail=failure.detail)


def from_failure(
    failure: Failure, *, retries: Retries = Retries.SPENT, shape: Shape = Shape.OPENAI, request_id: str = ""
) -> ErrorAnswer:
    """The answer to a request whose last attempt failed. `request_id` is ours: Anthropic's shape tells it in the body.

    `x-should-retry: false` keeps the client's SDK from multiplying our retries, or from repeating what cannot succeed.
    """
    row = TABLE[failure.kind]
    headers = _headers(row, failure.retry_after_s)
    if (row.status == 429 or row.status >= 500) and (retries is Retries.SPENT or row.retry is Retry.NEVER):
        headers.append((b"x-should-retry", b"false"))
    if failure.request_id is not None:
        headers.append((b"x-pilothouse-upstream-request-id", failure.request_id.encode("ascii", "replace")))
    if shape is Shape.ANTHROPIC:
        told = anthropic_body(failure.kind, failure.message, param=failure.param, request_id=request_id)
        return ErrorAnswer(ANTHROPIC[failure.kind][0], headers, told)
    return ErrorAnswer(row.status, headers, failure_body(failure))


def from_error(error: GatewayError, *, shape: Shape = Shape.OPENAI, request_id: str = "") -> ErrorAnswer:
    """The answer to a request that failed at the edge, before or outside any attempt."""
    row = TABLE[error.kind]
    headers = _headers(row, error.retry_after_s)
    if error.kind is Kind.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))  # RFC 9110 §15.5.2 demands a challenge
    if error.kind is Kind.QUOTA_EXCEEDED and (error.retry_after_s or math.inf) > SDK_PATIENCE_S:
        headers.append((b"x-should-retry", b"false"))
    if shape is Shape.ANTHROPIC:
        told = anthropic_body(error.kind, error.message, param=error.param, request_id=request_id)
        return ErrorAnswer(ANTHROPIC[error.kind][0], headers, told)
    return ErrorAnswer(row.status, headers, body(error.kind, error.message, param=error.param))


def model_chosen_by_client(failure: Failure) -> Failure:
    """A missing upstream model is the client's mistake where the route passes the client's own name: 404, not 502."""
    if failure.kind is not Kind.UPSTREAM_MODEL_MISSING:
        return failure
    return replace(failure, kind=Kind.MODEL_NOT_FOUND)


def retry_after_s(headers: list[tuple[bytes, bytes]], *, now: float) -> float | None:
    """How long a provider asks to wait: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date.

    In seconds, 0 … 86,400; None where neither header makes sense. `now` in Unix seconds.
    """
    found: dict[bytes, bytes] = {key: value for key, value in headers if key in {b"retry-after", b"retry-after-ms"}}
    wait = _number(found.get(b"retry-after-ms"))
    if wait is not None:
        return _clamp(wait / 1_000)
    value = found.get(b"retry-after")
    wait = _number(value)
    if wait is None and value is not None:
        date = _http_date(value)
        wait = None if date is None else date - now
    return None if wait is None else _clamp(wait)


def told_at(headers: list[tuple[bytes, bytes]]) -> float | None:
    """When the provider answered, by its own clock (`date`), in Unix seconds; None if it does not say."""
    return next((_http_date(value) for key, value in headers if key == b"date"), None)


def visible_id(value: bytes | None) -> str | None:
    """A provider's request id, fit for a header and a log line; None if it is not."""
    if not value or len(value) > 128 or not value.isascii():
        return None
    text = value.decode("ascii")
    return text if text.isprintable() and " " not in text else None


def _headers(row: Row, wait_s: float | None) -> list[tuple[bytes, bytes]]:
    headers = [(b"content-type", b"application/json")]
    if wait_s is not None and row.status in {429, 503}:
        wait_s = _clamp(wait_s)
        headers.append((b"retry-after", b"%d" % math.ceil(wait_s)))
        headers.append((b"retry-after-ms", b"%d" % math.ceil(wait_s * 1_000)))
    return headers


def _clip(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE_CHARS else message[: MAX_MESSAGE_CHARS - 1] + "…"


def _openai_code(code: str | None) -> str | None:
    """OpenAI's codes are snake_case words; exception names and numbers would mislead programs that look for these."""
    if code is None or not code.isascii() or not code[:1].islower() or not code.replace("_", "a").isalnum():
        return None
    return code if code.islower() else None


def _clamp(wait_s: float) -> float:
    return min(max(wait_s, 0.0), MAX_RETRY_AFTER_S)


def _number(value: bytes | None) -> float | None:
    if value is None or len(value) > 32 or not value.replace(b".", b"", 1).isdigit():
        return None
    return float(value)


_MONTHS = {name: at + 1 for at, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())}


def _http_date(value: bytes) -> float | None:
    """IMF-fixdate (`Sun, 06 Nov 1994 08:49:37 GMT`) alone: its two obsolete forms are sent by no provider."""
    try:
        _, day, month, year, clock, zone = value.split()
        hour, minute, second = clock.split(b":")
        if zone != b"GMT":
            return None
        date = datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except (ValueError, KeyError, OverflowError):
        return None
    return date.timestamp()
