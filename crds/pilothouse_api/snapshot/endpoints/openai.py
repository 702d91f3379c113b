"""Any server that speaks the OpenAI API."""

import enum

import msgspec


class Responses(enum.StrEnum):
    """How OpenAI's Responses are asked for."""

    NATIVE = "native"
    """As they are: the server has them."""
    TRANSLATED = "translated"
    """By chat completions."""


class OpenAIEndpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="openAI"):
    """`url` is the base with its version path (`https://api.openai.com/v1`), without a trailing slash."""

    url: str
    responses: Responses = Responses.TRANSLATED
