"""How a service in OpenAI's format says that something went wrong."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tests.simulators import answers
from tests.simulators.answers import Whole
from tests.simulators.faults import Fault, Kind, Shape
from tests.simulators.openai_chat import errors
from tests.simulators.wire.replies import Headers

_MESSAGES = {
    401: "Incorrect API key provided.",
    403: "Access denied due to Virtual Network/Firewall rules.",
    404: "Resource not found",
    408: "Operation was timed out. Please retry.",
    424: "A tool or data source has failed.",
    500: "The server had an error while processing your request. Sorry about that!",
    503: "The engine is currently overloaded, please try again later.",
}
_TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    404: "invalid_request_error",
    422: "invalid_request_error",
    429: "requests",
}
_THROTTLED = {
    "requests": ("Rate limit reached for requests.", "requests", "rate_limit_exceeded"),
    "tokens": ("Rate limit reached for tokens.", "tokens", "rate_limit_exceeded"),
    "capacity": (
        "The service is temporarily unable to process your request. Please try again later.",
        "server_error",
        "429",
    ),
    "quota": (
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
        "insufficient_quota",
    ),
    "utilisation": (
        "The provisioned deployment is at full utilisation. Retry later or use another deployment.",
        None,
        "429",
    ),
}


class OpenAIVoice:
    """`headers` go with every error answer."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def error(self, fault: Fault) -> Whole:
        if fault.kind is Kind.THROTTLE:
            message, kind, code = _THROTTLED[fault.name or "requests"]
            payload = errors.body(fault.message or message, kind=kind, code=code)
            answer = errors.answer(429, payload, self._headers)
        else:
            answer = self._plain(fault)
        if fault.retry_after_s is not None:
            answer.head += b"retry-after: %d\r\n" % fault.retry_after_s
        if fault.retry_after_ms is not None:
            answer.head += b"retry-after-ms: %d\r\n" % fault.retry_after_ms
        return answer

    def _plain(self, fault: Fault) -> Whole:
        status = fault.status or 500
        message = fault.message or _MESSAGES.get(status, f"simulated error {status}")
        if fault.shape is Shape.GATEWAY:
            return errors.answer(status, {"statusCode": status, "message": message}, self._headers)
        payload = errors.body(message, kind=_TYPES.get(status, "server_error"), code=fault.name or str(status))
        return errors.answer(status, payload, self._headers)

    def html(self, fault: Fault) -> Whole:
        status = fault.status or 503
        page = f"<html><title>{status}</title><body>This service is not available right now</body></html>\n"
        return answers.whole(status, [("content-type", "text/html"), *self._headers], page.encode())

    def stream_error(self, fault: Fault) -> bytes:
        message = fault.message or _MESSAGES[500]
        payload = errors.body(message, kind=fault.name or "server_error", code=None)
        return b"data: " + msgspec.json.encode(payload) + b"\n\n"

    def mangled(self, fault: Fault, events: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        raise AssertionError(f"{fault.kind} has no meaning in server-sent events; Fault.meets lets none through")
