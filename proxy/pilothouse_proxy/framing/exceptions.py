"""What Bedrock's exceptions mean, be they answers or frames inside a stream.

Names and statuses: the service model `bedrock-runtime` (2023-09-30) and AWS's common errors. A stream spells them in
lower camel case (`throttlingException`), an answer in upper; the suffix `Exception` is not always there.
"""

from collections.abc import Mapping

import msgspec

from pilothouse_proxy.errors import Failure, Kind, fit_for_client

# fmt: off
EXCEPTIONS: Mapping[str, Kind] = {
    # name in lower case, without `exception`
    "validation":               Kind.INVALID_REQUEST,
    "conflict":                 Kind.INVALID_REQUEST,
    "serialization":            Kind.INVALID_REQUEST,
    "accessdenied":             Kind.UPSTREAM_PERMISSION,
    "notauthorized":            Kind.UPSTREAM_PERMISSION,
    "optinrequired":            Kind.UPSTREAM_PERMISSION,
    "subscriptionrequired":     Kind.UPSTREAM_PERMISSION,
    "expiredtoken":             Kind.UPSTREAM_AUTH,
    "unrecognizedclient":       Kind.UPSTREAM_AUTH,
    "invalidclienttokenid":     Kind.UPSTREAM_AUTH,
    "invalidsignature":         Kind.UPSTREAM_AUTH,
    "signaturedoesnotmatch":    Kind.UPSTREAM_AUTH,
    "incompletesignature":      Kind.UPSTREAM_AUTH,
    "missingauthenticationtoken": Kind.UPSTREAM_AUTH,
    "requestexpired":           Kind.UPSTREAM_AUTH,
    "requesttimetooskewed":     Kind.UPSTREAM_AUTH,
    "resourcenotfound":         Kind.UPSTREAM_MODEL_MISSING,
    "unknownoperation":         Kind.MISCONFIGURED,
    "throttling":               Kind.RATE_LIMITED,
    "throttled":                Kind.RATE_LIMITED,
    "toomanyrequests":          Kind.RATE_LIMITED,
    "requestlimitexceeded":     Kind.RATE_LIMITED,
    "servicequotaexceeded":     Kind.UPSTREAM_QUOTA,
    "modelnotready":            Kind.NOT_READY,
    "modeltimeout":             Kind.TIMEOUT,
    "modelerror":               Kind.PROVIDER_ERROR,
    "modelstreamerror":         Kind.PROVIDER_ERROR,
    "internalserver":           Kind.UNAVAILABLE,
    "internalservererror":      Kind.UNAVAILABLE,
    "internalfailure":          Kind.UNAVAILABLE,
    "serviceunavailable":       Kind.UNAVAILABLE,
}

_STATUSES: Mapping[int, Kind] = {
    # For answers without a name: a load balancer's page, an empty body.
    401: Kind.UPSTREAM_AUTH,
    403: Kind.UPSTREAM_PERMISSION,
    404: Kind.MISCONFIGURED,  # a missing model has a name for it: here there is no such path
    405: Kind.MISCONFIGURED,
    408: Kind.TIMEOUT,
    413: Kind.TOO_LARGE,
    424: Kind.PROVIDER_ERROR,
    429: Kind.RATE_LIMITED,
}
# fmt: on

# A ValidationException tells its cause in prose alone. These are observations, all lower case.
_CONTEXT_MARKERS = (
    "input is too long",
    "prompt is too long",
    "input tokens exceeded",
    "maximum context length",
    "context_length_exceeded",
    "exceeds the context window",
    "input tokens exceed the configured limit",
    "too many input tokens",  # Titan's embeddings
    "too many tokens: ",  # Cohere's
    "expected maxlength",  # InvokeModel's check of bodies, as "#/texts/0: expected maxLength: 2048, actual: 19882"
    "exceed model maximum",
)
_NO_ON_DEMAND = "on-demand throughput isn"  # …'t supported; with a typographic apostrophe at times
_INVALID_MODEL = "model identifier is invalid"

# Credentials that were good once: temporary ones of STS, and keys that were deleted or turned off.
_RENEWABLE = frozenset({"expiredtoken", "unrecognizedclient", "invalidclienttokenid"})
# With an API key, any trouble is an AccessDeniedException, or has no name at all; the prose tells which. Observations.
_KEY_MARKERS = (
    "bearer token has expired",
    "make sure your api key is valid",
    "security token included in the request is expired",
    "security token included in the request is invalid",
)
_KEY_FORMAT = "invalid api key format"
# How IAM revokes the sessions of a role: its policy denies everything to those that are older than now. Newer ones may
# do. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
_DENIED_TO_OLDER = "with an explicit deny in an identity-based policy"

_PROFILE_HINT = "the model is served through inference profiles only; set upstreamModel to the id or ARN of one"
_IDENTIFIER_HINT = "check upstreamModel and the provider's region"
_CLOCK_HINT = "check the clock of the gateway's node"


def is_known(name: str) -> bool:
    """Whether it is the name of an exception of Bedrock's."""
    return _key(name) in EXCEPTIONS


def from_exception(
    name: str,
    payload: bytes,
    *,
    status: int = 0,
    request_id: str | None = None,
    retry_after_s: float | None = None,
) -> Failure:
    """A failure from an exception's name (any spelling; empty if there is none) and its JSON body (or anything else).

    In a stream, `name` is the header `:exception-type` and `payload` the frame's.
    """
    document = _document(payload)
    name = name or _text(document, "__type") or _text(document, "code")
    name = name.partition(":")[0].rpartition("#")[2]
    message = _text(document, "message") or _text(document, "Message") or _text(document, "originalMessage")
    kind, hint = _kind(name, message, status)
    original = document.get("originalStatusCode")
    failure = Failure(
        kind=kind,
        message=message,
        status=status,
        code=_shown(name),
        renewable=_is_renewable(kind, name, message),
        retry_after_s=retry_after_s,
        request_id=request_id,
        detail={"original_status_code": original} if isinstance(original, int) else None,
    )
    return fit_for_client(failure, hint=hint)


def from_error_frame(code: str, message: str, *, request_id: str | None = None) -> Failure:
    """A failure from a stream's `:error-code` and `:error-message`."""
    kind, hint = _kind(code, message, 0)
    failure = Failure(kind=kind, message=message, code=_shown(code), request_id=request_id)
    return fit_for_client(failure, hint=hint)


def _kind(name: str, message: str, status: int) -> tuple[Kind, str]:
    kind = EXCEPTIONS.get(_key(name))
    if kind is None:
        kind = _by_status(status)
    text = message.lower()
    if kind is Kind.UPSTREAM_PERMISSION and (_KEY_FORMAT in text or any(marker in text for marker in _KEY_MARKERS)):
        return Kind.UPSTREAM_AUTH, ""
    if kind is Kind.INVALID_REQUEST:
        if any(marker in text for marker in _CONTEXT_MARKERS):
            return Kind.CONTEXT_LENGTH, ""
        if _NO_ON_DEMAND in text:
            return Kind.MISCONFIGURED, _PROFILE_HINT
        if _INVALID_MODEL in text:
            return Kind.MISCONFIGURED, _IDENTIFIER_HINT
    if kind is Kind.UPSTREAM_AUTH and ("signature expired" in text or "not yet current" in text):
        return kind, _CLOCK_HINT
    return kind, ""


def _is_renewable(kind: Kind, name: str, message: str) -> bool:
    text = message.lower()
    if kind is Kind.UPSTREAM_PERMISSION:
        return _DENIED_TO_OLDER in text
    return kind is Kind.UPSTREAM_AUTH and (_key(name) in _RENEWABLE or any(marker in text for marker in _KEY_MARKERS))


def _key(name: str) -> str:
    return name.lower().removesuffix("exception")


def _by_status(status: int) -> Kind:
    if status in _STATUSES:
        return _STATUSES[status]
    if 400 <= status < 500:
        return Kind.INVALID_REQUEST
    if status >= 500:
        return Kind.UNAVAILABLE
    # Inside a stream (0) an unknown exception; else an answer that Bedrock never gives, such as a redirect.
    return Kind.MISCONFIGURED if status else Kind.PROVIDER_ERROR


def _document(payload: bytes) -> dict[str, object]:
    try:
        decoded = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _text(document: Mapping[str, object], key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""


def _shown(name: str) -> str | None:
    """The name as a code for logs and clients, if it looks like one."""
    return name if name.isascii() and name.replace("_", "").replace(".", "").isalnum() and len(name) <= 64 else None
