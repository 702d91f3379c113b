"""How servers that speak OpenAI's API say what went wrong, in an answer or inside a stream.

The common shape is `{"error": {"message", "type", "param", "code"}}`; the others that occur are `{"error": "text"}`,
`{"message", "type", "code"}` at the top (model servers), `{"statusCode", "message"}` (Azure's API management) and
`{"detail": "text"}` (FastAPI). Codes are text or numbers. A gateway in between answers with HTML or with nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from pilothouse_proxy.errors import Failure, Kind, fit_for_client


@dataclass(frozen=True, kw_only=True)
class ErrorDocument:
    """An error body, whatever its shape; everything may be empty."""

    message: str = ""
    code: str = ""
    type: str = ""
    param: str | None = None
    inner_code: str = ""
    """Azure's `innererror.code`."""
    detail: dict[str, object] = field(default_factory=dict)
    """Members that OpenAI's own shape does not have, kept for the client."""


# fmt: off
CODES: Mapping[str, Kind] = {
    # `code` or `type` of the error, in lower case. Source: OpenAI's guide "Error codes", Azure OpenAI's "Troubleshoot
    # common HTTP errors".
    "context_length_exceeded":    Kind.CONTEXT_LENGTH,
    "string_above_max_length":    Kind.CONTEXT_LENGTH,
    "content_filter":             Kind.CONTENT_FILTER,
    "contentfilter":              Kind.CONTENT_FILTER,
    "content_policy_violation":   Kind.CONTENT_FILTER,
    "model_not_found":            Kind.UPSTREAM_MODEL_MISSING,
    "insufficient_quota":         Kind.UPSTREAM_QUOTA,
    "billing_hard_limit_reached": Kind.UPSTREAM_QUOTA,
    "billing_not_active":         Kind.UPSTREAM_QUOTA,
    "invalid_api_key":            Kind.UPSTREAM_AUTH,
    "rate_limit_exceeded":        Kind.RATE_LIMITED,
    "server_error":               Kind.UNAVAILABLE,
    "internal_server_error":      Kind.UNAVAILABLE,
    "service_unavailable":        Kind.UNAVAILABLE,
}

STATUSES: Mapping[int, Kind] = {
    401: Kind.UPSTREAM_AUTH,
    402: Kind.UPSTREAM_QUOTA,
    403: Kind.UPSTREAM_PERMISSION,
    404: Kind.MISCONFIGURED,   # a path that the server does not have; a missing model tells its code
    405: Kind.MISCONFIGURED,
    408: Kind.TIMEOUT,
    409: Kind.UNAVAILABLE,     # a lock elsewhere, to be tried again
    413: Kind.TOO_LARGE,
    424: Kind.PROVIDER_ERROR,  # a tool or data source of the provider's
    429: Kind.RATE_LIMITED,
    499: Kind.TIMEOUT,
    501: Kind.MISCONFIGURED,
}
# fmt: on

_CONTEXT_MARKERS = ("maximum context length", "context_length_exceeded", "exceeds the context window")
_KNOWN_MEMBERS = frozenset({"message", "type", "param", "code"})
_UNAUTHENTICATED = (401, 403)
_PATH_HINT = "check the provider's URL and API version"


def read(body: bytes) -> ErrorDocument:
    """An error body of any shape; of HTML, an empty or a broken one nothing is taken over."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ErrorDocument()
    return read_object(decoded)


def read_object(decoded: object) -> ErrorDocument:
    """`read` of a body that is decoded already."""
    if not isinstance(decoded, dict):
        return ErrorDocument()
    error = decoded.get("error", decoded)
    if isinstance(error, str):
        return ErrorDocument(message=error, code=_text(decoded.get("code")))
    if not isinstance(error, dict):
        return ErrorDocument()
    inner = error.get("innererror") or error.get("inner_error")
    nested = error is not decoded
    return ErrorDocument(
        message=_text(error.get("message")) or _text(error.get("detail")),
        code=_text(error.get("code")) or _text(error.get("statusCode")),
        type=_text(error.get("type")),
        param=_text(error.get("param")) or None,
        inner_code=_text(inner.get("code")) if isinstance(inner, dict) else "",
        detail={key: value for key, value in error.items() if nested and key not in _KNOWN_MEMBERS},
    )


def kind(document: ErrorDocument, *, status: int) -> Kind:
    """What it means, by code, then type, then status; `status` 0 inside a stream."""
    if document.inner_code.lower() == "responsibleaipolicyviolation":
        return Kind.CONTENT_FILTER  # told with status 400 or 500
    found = CODES.get(document.code.lower()) or CODES.get(document.type.lower())
    if found is not None:
        return found
    if status in {0, 400, 413, 422} and any(marker in document.message.lower() for marker in _CONTEXT_MARKERS):
        return Kind.CONTEXT_LENGTH
    if status == 404 and "model" in document.message.lower():
        return Kind.UPSTREAM_MODEL_MISSING  # model servers: "The model `x` does not exist."
    if status in STATUSES:
        return STATUSES[status]
    if 400 <= status < 500:
        return Kind.INVALID_REQUEST
    if status >= 500:
        return Kind.UNAVAILABLE
    return Kind.MISCONFIGURED if status else _in_stream(document)


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
    if not hint and found is Kind.MISCONFIGURED:
        hint = _PATH_HINT
    told = Failure(
        kind=found,
        message=document.message,
        status=status,
        code=_shown(document.code) or _shown(document.type),
        param=document.param,
        retry_after_s=retry_after_s,
        request_id=request_id,
        renewable=found is Kind.UPSTREAM_AUTH and status in _UNAUTHENTICATED,
        detail=document.detail if found is Kind.CONTENT_FILTER and document.detail else None,
    )
    return fit_for_client(told, hint=hint)


def from_event(decoded: object, *, request_id: str | None = None) -> Failure:
    """A failure from the decoded data of an error event inside a stream (`{"error": {…}}`)."""
    document = read_object(decoded)
    return failure(document, kind(document, status=0), request_id=request_id)


def _in_stream(document: ErrorDocument) -> Kind:
    """Servers put the HTTP status that they could no longer send into the code."""
    if document.code.isdigit() and len(document.code) == 3 and document.code >= "400":
        return kind(document, status=int(document.code))
    return Kind.INVALID_REQUEST if document.type == "invalid_request_error" else Kind.PROVIDER_ERROR


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def _shown(code: str) -> str | None:
    """A code for logs and clients, if it looks like one."""
    return code if code.isascii() and code.replace("_", "").replace(".", "").isalnum() and len(code) <= 64 else None
