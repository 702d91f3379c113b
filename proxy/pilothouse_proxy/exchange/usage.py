"""Tokens, in the one form that all accounting uses."""

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """`input_tokens` holds everything read, cache reads and writes included (as OpenAI counts, unlike Bedrock).

    `output_tokens` holds reasoning. `estimated` marks figures that no provider has reported.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens
