"""What is known of a model. Every member may be unknown (None): nothing is refused, and nothing priced, by a guess."""

import msgspec


class Price(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """In millionths of a US dollar for a million tokens: 2,500,000 stands for 2.50 USD per million."""

    input: int | None = None
    output: int | None = None
    cached_input: int | None = None
    """Input that is read from the provider's cache."""
    cache_write: int | None = None
    """Input that is written to it."""


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model takes and gives, and what it costs."""

    streaming: bool | None = None
    tools: bool | None = None
    vision: bool | None = None
    """Images in the input."""
    documents: bool | None = None
    audio: bool | None = None
    """Sound in the input."""
    json_schema: bool | None = None
    """An answer that follows a schema."""
    reasoning: bool | None = None
    embeddings: bool | None = None
    context_tokens: int | None = None
    """Input and output together."""
    max_output_tokens: int | None = None
    """What it can write at the most; what it is let write, and asked for unasked, stands in the model itself."""
    price: Price | None = None
