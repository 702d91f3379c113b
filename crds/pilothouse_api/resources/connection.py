"""How proxies connect to a provider: times, trust, and a forward proxy on the way."""

from typing import Annotated

from pydantic import Field, Strict

from pilothouse_api.resources.durations import ConnectTimeout
from pilothouse_api.resources.rules import Part, Rule
from pilothouse_api.resources.secret_values import SecretValue
from pilothouse_api.resources.urls import ProxyURL


class TLS(Part):
    """Whom to trust."""

    ca_bundle: Annotated[str, Field(min_length=1, max_length=65_536, pattern="-----BEGIN CERTIFICATE-----")] = Field(
        description="PEM certificates to trust instead of the system's."
    )


class BasicAuth(Part):
    """A user and password (HTTP Basic)."""

    username: SecretValue = Field(description="The user. It holds no colon.")
    password: SecretValue = Field(description="The password.")


class ProxyAuth(Part):
    """How to sign in to a forward proxy."""

    basic: BasicAuth = Field(description="Sign in with a user and password kept in Secrets.")


class ProxySpec(Part):
    """A forward proxy, asked for every connection to the provider (CONNECT). TLS to the provider passes through it."""

    url: ProxyURL = Field(
        description="URL of the proxy: `http://host:3128`, or `https://host:3129` for one that is itself spoken to "
        "over TLS. The port is 80 or 443 if absent. It holds no user and no password: they stand in Secrets."
    )
    auth: ProxyAuth | None = Field(
        default=None, description="How to sign in to the proxy. Leave it out for a proxy that asks for nothing."
    )
    tls: TLS | None = Field(default=None, description="Trust of the proxy's own certificate; only for an https URL.")

    rules = (
        Rule(
            cel="!has(self.tls) || self.url.startsWith('https:')",
            message="tls has no effect on a proxy that is spoken to without TLS: make its url https, or leave tls out",
            holds=lambda it: it.tls is None or it.url.startswith("https:"),
        ),
    )


class ConnectionSpec(Part):
    """How to connect to the provider."""

    connect_timeout: ConnectTimeout = Field(
        default="5s",
        description="Time for the name look-up, TCP, a forward proxy's answer and TLS handshakes together (`500ms`, "
        "`5s`).",
    )
    pool_size: Annotated[int, Strict(), Field(ge=1, le=10_000)] = Field(
        default=256, description="Connections that one proxy may hold open to the provider."
    )
    tls: TLS | None = Field(default=None, description="Trust of the provider's certificate.")
    proxy: ProxySpec | None = Field(
        default=None,
        description="A forward proxy that every connection to the provider goes through. The environment "
        "(`HTTPS_PROXY`) has no effect.",
    )
