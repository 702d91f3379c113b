"""Latency: before the first byte, and between the events of a stream."""

from __future__ import annotations

from fnmatch import fnmatchcase

import msgspec


class Pace(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Milliseconds, for the models of a provider that match `model` (shell pattern)."""

    provider: str = "*"
    model: str = "*"
    first_byte_ms: float = 0.0
    between_events_ms: float = 0.0


AT_ONCE = Pace()


class Pacing:
    def __init__(self) -> None:
        self.rules: list[Pace] = []

    def set(self, pace: Pace) -> None:
        """The newest rule wins; one for the same provider and pattern is replaced."""
        self.rules = [rule for rule in self.rules if (rule.provider, rule.model) != (pace.provider, pace.model)]
        self.rules.insert(0, pace)

    def reset(self) -> None:
        self.rules = []

    def of(self, provider: str, model: str) -> Pace:
        for rule in self.rules:
            if fnmatchcase(provider, rule.provider) and fnmatchcase(model, rule.model):
                return rule
        return AT_ONCE
