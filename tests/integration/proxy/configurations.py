"""Snapshots for tests: one caller with an API key, providers, and routes of namespace `apps`."""

import hashlib
from typing import Any

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, QuotaKey, RouteKey, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import credentials, quotas
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from pilothouse_api.snapshot.identity import Identity, KeyHolder
from pilothouse_api.snapshot.providers import Connection, Model, Provider
from pilothouse_api.snapshot.routes import Retry, Route, Target, Timeouts
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from tests import planted

KEY = "key-of-alice-0123456789"
UPSTREAM_KEY = "sk-upstream-0123456789"
HOLDER = KeyHolder(namespace="apps", user="alice", team="ml", tier="gold")
IDENTITY = Identity(api_keys={hashlib.sha256(KEY.encode()).hexdigest(): HOLDER})
AUTHORIZED = {"authorization": f"Bearer {KEY}"}
planted.plant("a caller's API key", KEY)
QUICK = Retry(attempts=2, backoff_base_ms=1, backoff_max_ms=2, budget_percent=100)
"""As the default, without the waiting."""


def provider(url: str, *, models: dict[str, str] | None = None, **connection: Any) -> Provider:
    """An OpenAI-compatible one; `models` by name → upstream name, none = every name is passed."""
    table = {name: Model(upstream=UpstreamModel(upstream)) for name, upstream in (models or {}).items()}
    return Provider(endpoint=OpenAIEndpoint(url=url), models=table, connection=Connection(**connection))


def target(name: str, **more: Any) -> Target:
    return Target(provider=ProviderKey(f"clouds/{name}"), **more)


def route(*targets: Target, models: tuple[str, ...] = ("chat",), **more: Any) -> Route:
    more.setdefault("retry", QUICK)
    more.setdefault("timeouts", Timeouts(first_token_ms=2_000, idle_ms=2_000, total_ms=5_000))
    return Route(models=models, created="2026-01-01T00:00:00Z", generation=1, targets=targets, **more)


def quota(*limits: quotas.Limit, **more: Any) -> quotas.Quota:
    return quotas.Quota(namespace="apps", generation=1, per=quotas.Per.SUBJECT, limits=limits, **more)


def limit(resource: quotas.Resource, amount: int) -> quotas.Limit:
    return quotas.Limit(resource=resource, amount=amount, window="1m", window_s=60)


def snapshot(
    providers: dict[str, Provider],
    routes: dict[str, Route],
    *,
    quotas: dict[str, quotas.Quota] | None = None,
    identity: Identity = IDENTITY,
    unsigned: tuple[str, ...] = (),
    **more: Any,
) -> Snapshot:
    """`providers` and `routes` by name, in `clouds` and `apps`; those in `unsigned` have no credential."""
    more.setdefault("scope", GATEWAY_SCOPE)
    more.setdefault("schema", SCHEMA)
    return Snapshot(
        providers={ProviderKey(f"clouds/{name}"): value for name, value in providers.items()},
        credentials={
            ProviderKey(f"clouds/{name}"): credentials.APIKey(key=Secret(UPSTREAM_KEY))
            for name in providers
            if name not in unsigned
        },
        routes={RouteKey(f"apps/{name}"): value for name, value in routes.items()},
        quotas={QuotaKey(f"apps/{name}"): value for name, value in (quotas or {}).items()},
        identity=identity,
        **more,
    )
