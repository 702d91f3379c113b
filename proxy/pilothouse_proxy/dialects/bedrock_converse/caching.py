"""Where a prefix ends that is worth caching, as Converse marks it."""

from pilothouse_proxy.dialects.bedrock_converse import refusal
from pilothouse_proxy.exchange.capabilities import Caching, Capabilities
from pilothouse_proxy.exchange.parts import CacheMark


def point(mark: CacheMark, caps: Capabilities, path: str) -> list[dict[str, object]]:
    """What ends a prefix worth caching.

    Raises:
        GatewayError: UNSUPPORTED, the model does not cache, or not for so long.
    """
    param = f"{path}.prompt_cache_breakpoint"
    if caps.caching is Caching.NONE:
        raise refusal.unsupported(caps, param)
    if mark.ttl_minutes is None:
        return [{"cachePoint": {"type": "default"}}]
    if mark.ttl_minutes > 60 or (mark.ttl_minutes > 5 and caps.caching is not Caching.ONE_HOUR):
        longest = "an hour" if caps.caching is Caching.ONE_HOUR else "5 minutes"
        raise refusal.unsupported(caps, f"{param}.ttl", f"the longest is {longest}")
    return [{"cachePoint": {"type": "default", "ttl": "5m" if mark.ttl_minutes <= 5 else "1h"}}]
