"""Anthropic's API, and servers that speak it."""

import msgspec


class AnthropicEndpoint(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="anthropic"
):
    """`url` is the base without its version path (`https://api.anthropic.com`), without a trailing slash."""

    url: str
