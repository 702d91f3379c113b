"""The immutable, versioned configuration of one scope."""

import msgspec

from pilothouse_api.names import ProviderKey, QuotaKey, RouteKey, Scope
from pilothouse_api.snapshot.credentials import Credential
from pilothouse_api.snapshot.identity import Identity
from pilothouse_api.snapshot.providers import Provider
from pilothouse_api.snapshot.quotas import Quota
from pilothouse_api.snapshot.routes import Route

SCHEMA = 1
"""Raised when a proxy must understand a new field to act rightly; a mere addition does not raise it."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tables by key. A provider without an entry in `credentials` cannot be signed in to and is not used."""

    schema: int
    scope: Scope
    providers: dict[ProviderKey, Provider] = {}
    credentials: dict[ProviderKey, Credential] = {}
    routes: dict[RouteKey, Route] = {}
    quotas: dict[QuotaKey, Quota] = {}
    identity: Identity = Identity()
