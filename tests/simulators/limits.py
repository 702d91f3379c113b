"""Requests and tokens a minute, by model, as the providers count them: at admission, settled afterwards."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

import msgspec

_WINDOW_S: Final = 60.0
_UNLIMITED: Final = 1_000_000_000


class Limit(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A limit for each model of a provider that matches `model` (shell pattern). None = unlimited."""

    provider: str
    model: str = "*"
    rpm: int | None = None
    tpm: int | None = None


@dataclass(slots=True)
class _Window:
    """One fixed minute. Azure and Bedrock both refill at once, not continuously, as far as a caller can see."""

    started: float
    requests: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Admission:
    """`refused` names the resource that ran out; `reset_s` is the time until the window begins anew."""

    refused: str | None
    limit_requests: int
    remaining_requests: int
    limit_tokens: int
    remaining_tokens: int
    reset_s: int


class Limits:
    def __init__(self) -> None:
        self.rules: list[Limit] = []
        self._windows: dict[tuple[str, str], _Window] = {}

    def set(self, limit: Limit) -> None:
        """The newest rule wins; one for the same provider and pattern is replaced."""
        self.rules = [rule for rule in self.rules if (rule.provider, rule.model) != (limit.provider, limit.model)]
        self.rules.insert(0, limit)
        self._windows.clear()

    def reset(self) -> None:
        self.rules = []
        self._windows.clear()

    def admit(self, provider: str, model: str, *, tokens: int, now: float) -> Admission:
        """Reserve one request and `tokens`. A refused request counts as a request, and takes no tokens."""
        rpm, tpm = self._limits(provider, model)
        window = self._window(provider, model, now)
        reset_s = max(1, math.ceil(window.started + _WINDOW_S - now))
        window.requests += 1
        refused = None
        if window.requests > rpm:
            refused = "requests"
        elif window.tokens + tokens > tpm:
            refused = "tokens"
        else:
            window.tokens += tokens
        return Admission(refused, rpm, max(0, rpm - window.requests), tpm, max(0, tpm - window.tokens), reset_s)

    def settle(self, provider: str, model: str, *, reserved: int, used: int, now: float) -> None:
        """Replace a reservation by what was used."""
        window = self._window(provider, model, now)
        window.tokens = max(0, window.tokens - reserved + used)

    def _limits(self, provider: str, model: str) -> tuple[int, int]:
        for rule in self.rules:
            if fnmatchcase(provider, rule.provider) and fnmatchcase(model, rule.model):
                return (
                    _UNLIMITED if rule.rpm is None else rule.rpm,
                    _UNLIMITED if rule.tpm is None else rule.tpm,
                )
        return _UNLIMITED, _UNLIMITED

    def _window(self, provider: str, model: str, now: float) -> _Window:
        window = self._windows.get((provider, model))
        if window is None or now >= window.started + _WINDOW_S:
            window = _Window(now)
            self._windows[(provider, model)] = window
        return window
