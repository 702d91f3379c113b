"""Token counts as responses report them, to and from the neutral form."""

from pilothouse_proxy.dialects.openai_responses.views import WireUsage
from pilothouse_proxy.exchange.usage import Usage


def decode(wire: WireUsage) -> Usage:
    """Both sides count cache reads and writes as input and reasoning as output."""
    read, written = wire.input_tokens_details, wire.output_tokens_details
    return Usage(
        input_tokens=wire.input_tokens or 0,
        output_tokens=wire.output_tokens or 0,
        cached_tokens=(read.cached_tokens or 0) if read else 0,
        cache_write_tokens=(read.cache_write_tokens or 0) if read else 0,
        reasoning_tokens=(written.reasoning_tokens or 0) if written else 0,
    )


def encode(usage: Usage) -> dict[str, object]:
    """The `usage` member of an answer. Here the details are required: what was not told apart is 0."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
