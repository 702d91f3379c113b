"""Where Messages is spoken: what differs between Anthropic's own API and the clouds that have it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

from tests.simulators import answers
from tests.simulators.answers import Whole
from tests.simulators.anthropic import errors
from tests.simulators.anthropic.messages import Speaker
from tests.simulators.controls import Controls
from tests.simulators.limits import Admission
from tests.simulators.models import AnthropicModel
from tests.simulators.wire.server import Request

MESSAGES: Final = "messages"
COUNT_TOKENS: Final = "count_tokens"
MODELS: Final = "models"
ONE_MODEL: Final = b"/v1/models/"
_LIMITS: Final = ("requests", "tokens", "input-tokens", "output-tokens")


class Surface(Protocol):
    """One of them. `name` is the provider's in records, faults and limits."""

    name: str
    operations: Mapping[bytes, tuple[bytes, str]]
    """Path below `/anthropic` → method and operation."""

    def credential(self, request: Request) -> str | Whole:
        """The name of whoever calls, or why nobody may."""
        ...

    def models(self) -> Mapping[str, AnthropicModel]: ...

    def speaker(self, name: str) -> Speaker:
        """Who says that it answers. `name` as the client called the model."""
        ...

    def lines(self) -> bytes:
        """Header lines of every answer."""
        ...

    def limit_headers(self, admission: Admission, now: float) -> bytes: ...

    def throttled(self, admission: Admission, now: float) -> Whole: ...


class Own:
    """Anthropic's own API."""

    name = "anthropic"
    operations: Mapping[bytes, tuple[bytes, str]] = {
        b"/v1/messages": (b"POST", MESSAGES),
        b"/v1/messages/count_tokens": (b"POST", COUNT_TOKENS),
        b"/v1/models": (b"GET", MODELS),
        ONE_MODEL: (b"GET", MODELS),
    }

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    def credential(self, request: Request) -> str | Whole:
        """The name of the caller's key, sent in either of two headers."""
        key = (request.header(b"x-api-key") or b"").decode("latin-1")
        if not key:
            scheme, _, bearer = (request.header(b"authorization") or b"").decode("latin-1").partition(" ")
            key = bearer if scheme == "Bearer" else ""
        name = self._controls.keys.anthropic.get(key)
        if name is not None:
            return name
        return errors.answer("authentication_error", "invalid x-api-key" if key else "x-api-key header is required")

    def models(self) -> Mapping[str, AnthropicModel]:
        return self._controls.models.anthropic

    def speaker(self, name: str) -> Speaker:
        return Speaker(provider=self.name, model=name)

    def lines(self) -> bytes:
        return answers.date(self._controls.now()) + errors.ORGANIZATION

    def limit_headers(self, admission: Admission, now: float) -> bytes:
        """https://platform.claude.com/docs/en/api/rate-limits: when a limit is whole again is a time of RFC 3339."""
        reset = datetime.fromtimestamp(now + admission.reset_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines = ""
        for name in _LIMITS:
            of_requests = name == "requests"
            limit = admission.limit_requests if of_requests else admission.limit_tokens
            left = admission.remaining_requests if of_requests else admission.remaining_tokens
            head = f"anthropic-ratelimit-{name}"
            lines += f"{head}-limit: {limit}\r\n{head}-remaining: {left}\r\n{head}-reset: {reset}\r\n"
        return lines.encode()

    def throttled(self, admission: Admission, now: float) -> Whole:
        message = f"This request would exceed your organization's rate limit of {admission.refused} per minute."
        answer = errors.answer("rate_limit_error", message)
        answer.head += b"retry-after: %d\r\n" % admission.reset_s + self.limit_headers(admission, now)
        return answer
