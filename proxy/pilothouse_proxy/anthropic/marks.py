"""Marks of what is worth caching: `cache_control` of a tool or a block."""

from collections.abc import Iterable

from pilothouse_proxy.anthropic import refusal
from pilothouse_proxy.exchange.capabilities import Caching, Capabilities
from pilothouse_proxy.exchange.parts import CacheMark

NAME = "cache_control"

_MOST = 4
"""Messages takes as many; of more, OpenAI writes the latest, and so do we."""


def value(mark: CacheMark, caps: Capabilities, path: str) -> dict[str, object]:
    """What the member holds.

    Raises:
        GatewayError: UNSUPPORTED, a lifetime that there is none of.
    """
    if mark.ttl_minutes is None:
        return {"type": "ephemeral"}
    if mark.ttl_minutes > 60 or (mark.ttl_minutes > 5 and caps.caching is not Caching.ONE_HOUR):
        raise refusal.unsupported(caps, f"{path}.prompt_cache_breakpoint.ttl", "the longest is an hour")
    return {"type": "ephemeral", "ttl": "5m" if mark.ttl_minutes <= 5 else "1h"}


def limit(told: Iterable[dict[str, object]]) -> None:
    """Of tools, instructions and blocks in their order: keep the latest four marks.

    Raises:
        GatewayError: INVALID_REQUEST, a longer lifetime follows a shorter one.
    """
    marked = [each for each in told if NAME in each]
    for each in marked[:-_MOST]:
        del each[NAME]
    longs = ["1h" in str(each[NAME]) for each in marked[-_MOST:]]
    if longs != sorted(longs, reverse=True):
        raise refusal.invalid(
            "messages", "prompt cache breakpoints with a longer `ttl` must come before those with a shorter one"
        )
