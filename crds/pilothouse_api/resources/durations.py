"""Spans of time as manifests write them.

Timeouts use the Gateway API's form (GEP-2257: up to four of `h`, `m`, `s`, `ms`). It has no days, so the windows of
quotas have a form of their own: one number and `m`, `h` or `d`.
"""

import functools
import re
from typing import Annotated

from pydantic import Field

from pilothouse_api.resources.rules import Checked, Rule

DURATION_PATTERN = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"
WINDOW_PATTERN = "^[1-9][0-9]{0,3}(m|h|d)$"
MAX_WINDOW_S = 30 * 86_400

_UNIT_MS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_WINDOW_UNIT_S = {"m": 60, "h": 3_600, "d": 86_400}
_TERM = re.compile(r"([0-9]{1,5})(ms|h|m|s)")


@functools.lru_cache(maxsize=1024)
def milliseconds(text: str) -> int:
    """`1m30s` → 90000. The text has the form of DURATION_PATTERN."""
    return sum(int(amount) * _UNIT_MS[unit] for amount, unit in _TERM.findall(text))


def window_seconds(text: str) -> int:
    """`24h` → 86400. The text has the form of WINDOW_PATTERN."""
    return int(text[:-1]) * _WINDOW_UNIT_S[text[-1]]


def guarded(rule: str, *fields: str, pattern: str = DURATION_PATTERN) -> str:
    """CEL that leaves a value of the wrong form to its pattern.

    The API server runs rules beside failed patterns: `duration()` would add a type conversion error to the message.
    """
    return " || ".join([*(f"!{field}.matches('{pattern}')" for field in fields), f"({rule})"])


def _within(low: str, high: str) -> Rule:
    low_ms, high_ms = milliseconds(low), milliseconds(high)
    return Rule(
        cel=guarded(f"duration(self) >= duration('{low}') && duration(self) <= duration('{high}')", "self"),
        message=f"must be between {low} and {high}",
        holds=lambda value: low_ms <= milliseconds(value) <= high_ms,
    )


_Form = Field(max_length=32, pattern=DURATION_PATTERN, examples=["500ms", "5s", "1m30s"])
ConnectTimeout = Annotated[str, _Form, Checked(_within("1ms", "5m"))]
Backoff = Annotated[str, _Form, Checked(_within("1ms", "1m"))]
AnswerTimeout = Annotated[str, _Form, Checked(_within("1ms", "24h"))]
RefreshInterval = Annotated[str, _Form, Checked(_within("10s", "24h"))]
DiscoveryInterval = Annotated[str, _Form, Checked(_within("1m", "24h"))]
SessionDuration = Annotated[str, _Form, Checked(_within("15m", "12h"))]

WINDOW_RULE = Rule(
    cel=guarded(
        "int(self.substring(0, self.size() - 1)) * "
        "(self.endsWith('d') ? 1440 : (self.endsWith('h') ? 60 : 1)) <= 43200",
        "self",
        pattern=WINDOW_PATTERN,
    ),
    message="a window is at most 30d",
    holds=lambda value: window_seconds(value) <= MAX_WINDOW_S,
)
Window = Annotated[
    str, Field(max_length=5, pattern=WINDOW_PATTERN, examples=["1m", "24h", "30d"]), Checked(WINDOW_RULE)
]
