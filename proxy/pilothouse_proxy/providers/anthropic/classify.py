"""Error answers of servers that speak Anthropic's API.

https://platform.claude.com/docs/en/api/errors and /rate-limits
"""

from datetime import datetime

from pilothouse_proxy import errors
from pilothouse_proxy.anthropic import errors as documents
from pilothouse_proxy.anthropic import framed
from pilothouse_proxy.errors import Kind
from pilothouse_proxy.http.messages import Headers

_LIMITS = tuple(b"anthropic-ratelimit-" + what for what in (b"requests", b"tokens", b"input-tokens", b"output-tokens"))
_USED_UP = b"0"


def classify(*, status: int, headers: Headers, body: bytes, now: float) -> errors.Failure:
    """What a non-2xx answer means."""
    document = documents.read(body)
    kind, hint = documents.kind(document, status=status)
    wait_s = errors.retry_after_s(headers, now=now)
    if wait_s is None and kind is Kind.RATE_LIMITED:
        wait_s = _reset_s(headers, now=now)
    return documents.failure(
        document,
        kind,
        status=status,
        hint=hint,
        retry_after_s=wait_s,
        request_id=framed.request_id(headers),
    )


def _reset_s(headers: Headers, *, now: float) -> float | None:
    """When the last of the limits that are used up is whole again: its `…-reset` is a time of RFC 3339."""
    told = dict(headers)
    waits = []
    for limit in _LIMITS:
        if told.get(limit + b"-remaining") == _USED_UP:
            try:
                reset = datetime.fromisoformat(told.get(limit + b"-reset", b"").decode("ascii"))
            except ValueError:
                continue
            if reset.tzinfo is not None:
                waits.append(reset.timestamp() - now)
    return min(max(0.0, *waits), errors.MAX_RETRY_AFTER_S) if waits else None
