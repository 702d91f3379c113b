"""How many tokens a request would be billed for, as the provider that serves it counts them."""

import msgspec


class CountReply(msgspec.Struct, frozen=True, kw_only=True):
    """`input_tokens` holds everything that the model would read: instructions, tools, cache reads and writes."""

    input_tokens: int
