"""A provider as a proxy sees it."""

import msgspec

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.endpoints.anthropic import AnthropicEndpoint
from pilothouse_api.snapshot.endpoints.azure_openai import AzureOpenAIEndpoint
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from pilothouse_api.snapshot.facts import Facts
from pilothouse_api.snapshot.settings import Settings

Endpoint = AnthropicEndpoint | AzureOpenAIEndpoint | BedrockEndpoint | OpenAIEndpoint


class Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model that a provider serves under a name of its own."""

    upstream: UpstreamModel
    family: str | None = None
    """Whose capabilities apply where the upstream name does not tell (an opaque ARN, a deployment name)."""
    max_output_tokens: int | None = None
    facts: Facts | None = None
    """None: nothing is known."""
    settings: Settings | None = None
    """None: nothing is set."""


class Proxy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A forward proxy that every connection goes through (CONNECT). Its credential is in `proxy_credentials`."""

    url: str
    ca_bundle: str | None = None
    """As a connection's, for the certificate of the proxy itself."""


class Connection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to reach the endpoint. Times in milliseconds."""

    connect_timeout_ms: int = 5_000
    pool_size: int = 256
    ca_bundle: str | None = None
    """PEM certificates to trust instead of the system's."""
    proxy: Proxy | None = None


class Native(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whose callers may call the provider's own API, and how much of it.

    `paths` below the provider's URL, a trailing `*` matches any rest; `access` as a route's, the provider's own
    namespace besides.
    """

    paths: tuple[str, ...]
    access: tuple[str, ...] | None = ()


class Provider(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`models` by the provider's own names. An empty table serves every name as it was asked."""

    endpoint: Endpoint
    models: dict[str, Model] = {}
    unlisted: bool = False
    """What it has is to be found out, and is not known yet: names that are not in `models` are passed on, too."""
    connection: Connection = Connection()
    settings: Settings | None = None
    """For models that are not listed."""
    native: Native | None = None
    """None: it is called by routes alone."""
