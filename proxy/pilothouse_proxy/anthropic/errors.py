"""How Messages says what went wrong, in an answer or inside a stream.

The shape is `{"type": "error", "error": {"type", "message"}, "request_id"}`. Microsoft's Foundry, which serves the same
API, has answers of its own before it: `{"error": {"code", "message"}}` and `{"statusCode", "message"}`. A gateway in
between answers with HTML or with nothing. Source: Anthropic's documentation, "Errors".
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from pilothouse_proxy.errors import Failure, Kind, fit_for_client, visible_id

# fmt: off
TYPES: Mapping[str, Kind] = {
    # `error.type`, or `error.code` of Foundry in lower case
    "invalid_request_error": Kind.INVALID_REQUEST,
    "authentication_error":  Kind.UPSTREAM_AUTH,
    "billing_error":         Kind.UPSTREAM_QUOTA,
    "permission_error":      Kind.UPSTREAM_PERMISSION,
    "not_found_error":       Kind.MISCONFIGURED,
    "request_too_large":     Kind.TOO_LARGE,
    "rate_limit_error":      Kind.RATE_LIMITED,
    "timeout_error":         Kind.TIMEOUT,
    "api_error":             Kind.UNAVAILABLE,
    # It is busy, not broken: as a model that is not ready, it is passed over for a while.
    "overloaded_error":      Kind.NOT_READY,
    "deploymentnotfound":    Kind.UPSTREAM_MODEL_MISSING,
}

STATUSES: Mapping[int, Kind] = {
    401: Kind.UPSTREAM_AUTH,
    402: Kind.UPSTREAM_QUOTA,
    403: Kind.UPSTREAM_PERMISSION,
    404: Kind.MISCONFIGURED,
    405: Kind.MISCONFIGURED,
    408: Kind.TIMEOUT,
    413: Kind.TOO_LARGE,
    429: Kind.RATE_LIMITED,
    499: Kind.TIMEOUT,
    504: Kind.TIMEOUT,
    529: Kind.NOT_READY,
}
# fmt: on

# Told in prose alone; all lower case. Source: "Context windows", and what Anthropic's API has been seen to answer.
_CONTEXT_MARKERS = ("prompt is too long", "exceed context limit", "exceeds the context window", "input is too long")
_CREDIT_MARKER = "credit balance is too low"
_MODEL_MARKERS = ("model:", "model `", "the model ")
_PATH_HINT = "check the provider's base URL"


@dataclass(frozen=True, kw_only=True)
class ErrorDocument:
    """An error body, whatever its shape; everything may be empty."""

    type: str = ""
    message: str = ""
    request_id: str | None = None


def read(body: bytes) -> ErrorDocument:
    """An error body of any shape; of HTML, an empty or a broken one nothing is taken over."""
    try:
        decoded = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return ErrorDocument()
    if not isinstance(decoded, dict):
        return ErrorDocument()
    error = decoded.get("error", decoded)
    if not isinstance(error, dict):
        return ErrorDocument(message=_text(error))
    nested = error is not decoded
    return ErrorDocument(
        type=(_text(error.get("type")) if nested else "") or _text(error.get("code")),
        message=_text(error.get("message")),
        request_id=visible_id(_text(decoded.get("request_id")).encode()),
    )


def kind(document: ErrorDocument, *, status: int) -> tuple[Kind, str]:
    """What it means, by type, then by status (0 inside a stream), and what the operator may do about it."""
    found = TYPES.get(document.type.lower()) or _by_status(status)
    text = document.message.lower()
    if found is Kind.INVALID_REQUEST:
        if any(marker in text for marker in _CONTEXT_MARKERS):
            return Kind.CONTEXT_LENGTH, ""
        if _CREDIT_MARKER in text:
            return Kind.UPSTREAM_QUOTA, ""
    if found is Kind.MISCONFIGURED:
        # `model: claude-x` is all that Anthropic says of a model that there is not.
        return (Kind.UPSTREAM_MODEL_MISSING, "") if text.startswith(_MODEL_MARKERS) else (found, _PATH_HINT)
    return found, ""


def failure(
    document: ErrorDocument,
    found: Kind,
    *,
    status: int = 0,
    hint: str = "",
    retry_after_s: float | None = None,
    request_id: str | None = None,
) -> Failure:
    """The failure that `document` tells of, once its kind is settled."""
    told = Failure(
        kind=found,
        message=document.message,
        status=status,
        code=_shown(document.type),
        retry_after_s=retry_after_s,
        request_id=request_id or document.request_id,
        renewable=found is Kind.UPSTREAM_AUTH and status in {401, 403},
    )
    return fit_for_client(told, hint=hint)


def from_event(data: bytes, *, request_id: str | None = None) -> Failure:
    """A failure from the data of an `error` event inside a stream."""
    document = read(data)
    found, hint = kind(document, status=0)
    return failure(document, found, hint=hint, request_id=request_id)


def _by_status(status: int) -> Kind:
    if status in STATUSES:
        return STATUSES[status]
    if 400 <= status < 500:
        return Kind.INVALID_REQUEST
    if status >= 500:
        return Kind.UNAVAILABLE
    # Inside a stream (0) an unknown error; else an answer that Messages never gives, such as a redirect.
    return Kind.MISCONFIGURED if status else Kind.PROVIDER_ERROR


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def _shown(code: str) -> str | None:
    """A code for logs and clients, if it looks like one."""
    return code if code.isascii() and code.replace("_", "").isalnum() and len(code) <= 64 else None
