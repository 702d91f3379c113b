"""Any server that speaks the OpenAI API."""

import msgspec


class OpenAIEndpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="openAI"):
    """`url` is the base with its version path (`https://api.openai.com/v1`), without a trailing slash."""

    url: str
