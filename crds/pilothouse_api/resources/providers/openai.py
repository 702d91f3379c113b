"""Any server that speaks the OpenAI API."""

import enum

from pydantic import Field

from pilothouse_api.resources.rules import Part
from pilothouse_api.resources.secret_values import SecretValue
from pilothouse_api.resources.urls import BasePathURL


class OpenAIAuth(Part):
    """How requests to an OpenAI-compatible server are authorised."""

    api_key: SecretValue = Field(description="The key, sent as `Authorization: Bearer`.")


class Responses(enum.StrEnum):
    """Whether a server has OpenAI's Responses API itself."""

    NATIVE = "Native"
    TRANSLATED = "Translated"


class OpenAISpec(Part):
    """Any server that speaks the OpenAI API."""

    base_url: BasePathURL = Field(
        alias="baseURL", description="Base URL with its version path, such as `https://api.openai.com/v1`."
    )
    auth: OpenAIAuth | None = Field(
        default=None, description="How to sign in. Leave it out for a server that asks for no key."
    )
    responses: Responses | None = Field(
        default=None,
        description="What becomes of requests to `/v1/responses`. `Native`: the server has that API, they pass as they "
        "are. `Translated`: it is asked for chat completions. If absent, OpenAI and Azure are `Native`, and all other "
        "servers `Translated`.",
    )
