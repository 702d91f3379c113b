"""Errors in Anthropic's shape. https://platform.claude.com/docs/en/api/errors"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tests.simulators import answers
from tests.simulators.answers import Whole
from tests.simulators.wire.replies import Headers

REQUEST_ID: Final = f"req_{answers.RUN}{answers.SLOT}"
HEADERS: Final[Headers] = [("request-id", REQUEST_ID)]
ORGANIZATION: Final = b"anthropic-organization-id: 00000000-0000-4000-8000-000000000000\r\n"

STATUSES: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
TYPES: Final[Mapping[int, str]] = {status: kind for kind, status in STATUSES.items()}


class BadRequest(Exception):
    """A request that earns a 400, in words that begin with the path of what is wrong."""


def body(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": REQUEST_ID}


def answer(kind: str, message: str, *, status: int | None = None) -> Whole:
    """An error answer; its status is that of the type unless it is said."""
    headers = [("content-type", "application/json"), *HEADERS]
    return answers.whole(status or STATUSES.get(kind, 500), headers, msgspec.json.encode(body(kind, message)))
