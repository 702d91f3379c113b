"""Anthropic's API, and servers that speak it."""

from pydantic import Field

from pilothouse_api.resources.rules import Part
from pilothouse_api.resources.secret_values import SecretValue
from pilothouse_api.resources.urls import BasePathURL


class AnthropicAuth(Part):
    """How requests to Anthropic are authorised."""

    api_key: SecretValue = Field(description="The key, sent as `x-api-key`. It does not end by itself.")


class AnthropicSpec(Part):
    """Anthropic's API, or any server that speaks it."""

    base_url: BasePathURL = Field(
        default="https://api.anthropic.com",
        alias="baseURL",
        description="Base URL, below which `/v1/messages` is served. For Claude in Microsoft's Foundry it is "
        "`https://<resource>.services.ai.azure.com/anthropic`.",
    )
    auth: AnthropicAuth | None = Field(
        default=None, description="How to sign in. Leave it out for a server that asks for no key."
    )
