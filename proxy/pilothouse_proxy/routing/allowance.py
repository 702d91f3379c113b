"""What providers say of their limits beside an answer: whether anything is left, and when there will be again.

OpenAI and Azure OpenAI: `x-ratelimit-remaining-*` and `x-ratelimit-reset-*` of requests and tokens, the reset as a span
(`1m30s`, `120ms`) or as a bare number of seconds. Anthropic: `anthropic-ratelimit-*-remaining` and `-reset`, that in
RFC 3339. Sources: OpenAI API reference, "Rate limits"; Azure OpenAI, "Manage quota"; Claude API, "Rate limits".
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pilothouse_proxy.http.messages import Headers

UNTOLD_S: Final = 1.0
"""How long nothing is left where nobody says."""

_PAIRS: Final[Mapping[bytes, bytes]] = {
    b"x-ratelimit-remaining-requests": b"x-ratelimit-reset-requests",
    b"x-ratelimit-remaining-tokens": b"x-ratelimit-reset-tokens",
    b"anthropic-ratelimit-requests-remaining": b"anthropic-ratelimit-requests-reset",
    b"anthropic-ratelimit-tokens-remaining": b"anthropic-ratelimit-tokens-reset",
    b"anthropic-ratelimit-input-tokens-remaining": b"anthropic-ratelimit-input-tokens-reset",
    b"anthropic-ratelimit-output-tokens-remaining": b"anthropic-ratelimit-output-tokens-reset",
}
_SPAN: Final = re.compile(rb"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS: Final = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)


def rest_s(headers: Headers, *, wall: float) -> float:
    """For how long the provider has nothing left; 0 if it has, or does not say. `wall` in Unix seconds."""
    found = dict(headers)
    waits = [
        _until(found.get(reset, b""), wall) for remaining, reset in _PAIRS.items() if _is_nothing(found.get(remaining))
    ]
    return max(waits, default=0.0)


def _is_nothing(value: bytes | None) -> bool:
    # Azure has told of less than nothing.
    return value is not None and (value == b"0" or (value[:1] == b"-" and value[1:].isdigit()))


def _until(value: bytes, wall: float) -> float:
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    span = _SPAN.fullmatch(value)
    if span is not None and value:
        return sum(unit * float(number) for unit, number in zip(_UNITS, span.groups(), strict=True) if number)
    try:
        return max(0.0, datetime.fromisoformat(value.decode("ascii")).timestamp() - wall)
    except (ValueError, OverflowError):
        return UNTOLD_S
