"""The immutable, versioned configuration of one scope."""

from collections.abc import Mapping

import msgspec

from pilothouse_api.names import ProviderKey, QuotaKey, RouteKey, Scope
from pilothouse_api.snapshot.credentials import APIKey, Credential, ProxyCredential
from pilothouse_api.snapshot.endpoints.anthropic import AnthropicEndpoint
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.identity import Identity
from pilothouse_api.snapshot.providers import Provider
from pilothouse_api.snapshot.quotas import Quota
from pilothouse_api.snapshot.routes import Route
from pilothouse_api.snapshot.settings import MANTLE, Settings

SCHEMA = 4
"""The newest that this code understands.

Raised when a proxy must understand a new field to act rightly; a mere addition does not raise it.
1: the first. 2: `connection.proxy`, past which nothing may be connected to. 3: credentials that come as renewals, and
Bedrock with an API key. 4: guardrails, without which nothing may be asked, the host `bedrock-mantle`, and providers of
the kind `anthropic`, which older ones cannot decode.
"""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tables by key.

    A provider without an entry in `credentials` is signed in to with what renewals brought; without that, not at all.
    """

    schema: int
    scope: Scope
    providers: dict[ProviderKey, Provider] = {}
    credentials: dict[ProviderKey, Credential] = {}
    proxy_credentials: dict[ProviderKey, ProxyCredential] = {}
    """For the providers whose forward proxy asks for one."""
    routes: dict[RouteKey, Route] = {}
    quotas: dict[QuotaKey, Quota] = {}
    identity: Identity = Identity()


def schema_of(providers: Mapping[ProviderKey, Provider], credentials: Mapping[ProviderKey, Credential]) -> int:
    """The lowest schema whose proxies act rightly on a snapshot with these.

    A snapshot says no higher one than it needs, so that proxies that are older than the operator serve on until
    something is configured that they do not know.
    """
    if any(isinstance(provider.endpoint, AnthropicEndpoint) for provider in providers.values()) or any(
        _is_set(settings) for provider in providers.values() for settings in _settings(provider)
    ):
        return 4
    if providers.keys() - credentials.keys() or any(
        isinstance(provider.endpoint, BedrockEndpoint) and isinstance(credentials[key], APIKey)
        for key, provider in providers.items()
    ):
        return 3
    return 2 if any(provider.connection.proxy is not None for provider in providers.values()) else 1


def _settings(provider: Provider) -> list[Settings | None]:
    return [provider.settings, *(model.settings for model in provider.models.values())]


def _is_set(settings: Settings | None) -> bool:
    return settings is not None and (settings.guardrail is not None or settings.surface in MANTLE)
