"""Token counts as chat completions report them, to and from the neutral form."""

from pilothouse_proxy.dialects.openai_chat.views import WireUsage
from pilothouse_proxy.exchange.usage import Usage


def decode(wire: WireUsage) -> Usage:
    """Both sides count cache reads and writes as input and reasoning as output."""
    prompt, completion = wire.prompt_tokens_details, wire.completion_tokens_details
    return Usage(
        input_tokens=wire.prompt_tokens or 0,
        output_tokens=wire.completion_tokens or 0,
        cached_tokens=(prompt.cached_tokens or 0) if prompt else 0,
        cache_write_tokens=(prompt.cache_write_tokens or 0) if prompt else 0,
        reasoning_tokens=(completion.reasoning_tokens or 0) if completion else 0,
    )


def encode(usage: Usage) -> dict[str, object]:
    """The `usage` member of an answer. Reasoning tokens only where the provider has told them apart."""
    wire: dict[str, object] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
    }
    if usage.reasoning_tokens:
        wire["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return wire
