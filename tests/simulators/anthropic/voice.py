"""How Anthropic's API says that something went wrong on its side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from tests.simulators import answers
from tests.simulators.answers import Whole
from tests.simulators.anthropic import errors
from tests.simulators.faults import Fault, Kind, Shape

_MESSAGES: Final = {
    "api_error": "Internal server error",
    "overloaded_error": "Overloaded",
    "timeout_error": "Request timed out",
}
_EXCEEDED: Final = "This request would exceed your organization's rate limit of"
_THROTTLED: Final = {
    "requests": ("rate_limit_error", f"{_EXCEEDED} requests per minute."),
    "tokens": ("rate_limit_error", f"{_EXCEEDED} input tokens per minute."),
    "capacity": ("overloaded_error", "Overloaded"),
    "utilisation": ("overloaded_error", "Overloaded"),
    "quota": (
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
        "purchase credits.",
    ),
}


class AnthropicVoice:
    def error(self, fault: Fault) -> Whole:
        if fault.kind is Kind.THROTTLE:
            kind, message = _THROTTLED[fault.name or "requests"]
            answer = errors.answer(kind, fault.message or message)
        else:
            answer = self._plain(fault)
        if fault.retry_after_s is not None:
            answer.head += b"retry-after: %d\r\n" % fault.retry_after_s
        return answer

    def _plain(self, fault: Fault) -> Whole:
        kind = fault.name or errors.TYPES.get(fault.status or 500, "api_error")
        message = fault.message or _MESSAGES.get(kind, f"simulated {kind}")
        if fault.shape is Shape.GATEWAY:
            status = fault.status or 500
            headers = [("content-type", "application/json"), *errors.HEADERS]
            return answers.whole(status, headers, msgspec.json.encode({"statusCode": status, "message": message}))
        return errors.answer(kind, message, status=fault.status)

    def html(self, fault: Fault) -> Whole:
        status = fault.status or 503
        page = f"<html><title>{status}</title><body>This service is not available right now</body></html>\n"
        return answers.whole(status, [("content-type", "text/html"), *errors.HEADERS], page.encode())

    def stream_error(self, fault: Fault) -> bytes:
        kind = fault.name or "overloaded_error"
        payload = errors.body(kind, fault.message or _MESSAGES.get(kind, f"simulated {kind}"))
        return b"event: error\ndata: " + msgspec.json.encode(payload) + b"\n\n"

    def mangled(self, fault: Fault, events: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        raise AssertionError(f"{fault.kind} has no meaning in server-sent events; Fault.meets lets none through")


VOICE: Final = AnthropicVoice()
