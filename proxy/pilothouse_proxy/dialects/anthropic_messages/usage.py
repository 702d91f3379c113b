"""Token counts as Messages reports them: what was read from and written to the cache is no part of the input."""

from pilothouse_proxy.exchange.usage import Usage

_TIERS = {"default": "standard", "priority": "priority"}
"""A tier that the API does not have is not told."""


def encode(usage: Usage) -> dict[str, object]:
    """The counts, cumulative. Thinking is told apart only where the provider has done so."""
    wire: dict[str, object] = {
        "input_tokens": max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        wire["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return wire


def tier(service_tier: str | None) -> str | None:
    """The tier that an answer was given in, in the API's words; None where it has none."""
    return None if service_tier is None else _TIERS.get(service_tier)
