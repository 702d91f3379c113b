"""A snapshot, ready to serve: every reference followed, every lookup that a request would repeat done once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pilothouse_api.names import ModelName, ProviderKey, RouteKey, SnapshotVersion, UpstreamModel
from pilothouse_api.snapshot import providers as provider_snapshots
from pilothouse_api.snapshot import routes as route_snapshots
from pilothouse_api.snapshot.credentials import AccessKey, BearerToken, Credential
from pilothouse_api.snapshot.routes import FailureClass
from pilothouse_api.snapshot.settings import Settings
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from pilothouse_proxy import ports, translation
from pilothouse_proxy.auth.callers import Callers
from pilothouse_proxy.auth.subject import Subject
from pilothouse_proxy.http import heads, messages, origins, tls, tunnel
from pilothouse_proxy.http.messages import Lines
from pilothouse_proxy.observe.metrics import Metrics, RouteMeters, TargetMeters
from pilothouse_proxy.operations import DialectName, Operation
from pilothouse_proxy.providers import registry
from pilothouse_proxy.quota.estimate import Estimator
from pilothouse_proxy.quota.reserve import Quotas
from pilothouse_proxy.quota.stores.memory import Store
from pilothouse_proxy.routing import fit, plan, retry, table
from pilothouse_proxy.routing.budget import Budget
from pilothouse_proxy.routing.fit import Fit
from pilothouse_proxy.routing.health import Health

CLIENT_DIALECTS: Mapping[Operation, DialectName] = {
    Operation.CHAT: DialectName.OPENAI_CHAT,
    Operation.COMPLETIONS: DialectName.OPENAI_COMPLETIONS,
    Operation.EMBEDDINGS: DialectName.OPENAI_EMBEDDINGS,
    Operation.RESPONSES: DialectName.OPENAI_RESPONSES,
    Operation.MESSAGES: DialectName.ANTHROPIC_MESSAGES,
    Operation.COUNT_TOKENS: DialectName.ANTHROPIC_COUNT_TOKENS,
    Operation.RERANK: DialectName.RERANK,
}


class Ways(dict[Operation, tuple[ports.Way, ...]]):
    """How each operation reaches one model, the best way first. Found when an operation is first asked for."""

    def __init__(self, place: "Place", model: provider_snapshots.Model) -> None:
        super().__init__()
        self._place = place
        self._model = model

    def __missing__(self, operation: Operation) -> tuple[ports.Way, ...]:
        provider, endpoint = self._place.provider, self._place.endpoint
        found = []
        for dialect in provider.dialects(operation, endpoint, self._model):
            met = translation.between(CLIENT_DIALECTS[operation], dialect)
            if met is not None:
                base = self._place.bases[provider.url(endpoint, dialect, self._model)]
                parted = met if isinstance(met, ports.Parted) else None
                found.append(ports.Way(dialect=dialect, translation=met, base=base, parted=parted))
        ways = self[operation] = tuple(found)
        return ways


class Skew:
    """How far a provider's clock is ahead of ours, as it has told. Requests are signed by its time."""

    def __init__(self) -> None:
        self.offset_s = 0.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """A provider and the ways there."""

    provider: ports.Provider
    endpoint: provider_snapshots.Endpoint
    bases: Mapping[str, origins.Base]
    """By URL, all that the provider may be spoken to at."""
    settings: Settings | None
    """For models that are not listed."""
    skew: Skew

    def unlisted(self, name: str) -> provider_snapshots.Model:
        """A model that is not listed, by the provider's own name."""
        return provider_snapshots.Model(upstream=UpstreamModel(name), settings=self.settings)


_PASSED_NAMES = 256
NATIVE = ""
"""The model label of what goes to a provider's own API: it may have none, or many."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """One model of one target."""

    model: provider_snapshots.Model
    ways: Ways
    passed: bool
    """Whether the upstream's name is the client's own."""
    health: Health
    meters: TargetMeters
    lines: Lines
    """What the client is told of who answered: headers."""
    fit: Fit | None = None
    """What it cannot serve; None: nothing speaks against any request."""


class Passing:
    """Serves any name by passing it on. Metered by the route's pattern: a client's own words must not make series."""

    def __init__(self, key: ProviderKey, place: Place, health: Health, metrics: Metrics) -> None:
        self._key = key
        self._place = place
        self._health = health
        self._metrics = metrics
        self._meters: dict[str, TargetMeters] = {}
        self._ways: dict[str, Ways] = {}

    def serve(self, name: str, pattern: str) -> Served:
        """What serves `name`, which a route has by `pattern`."""
        meters = self._meters.get(pattern)
        if meters is None:
            meters = self._meters[pattern] = TargetMeters(self._metrics, provider=self._key, model=pattern)
        model = self._place.unlisted(name)
        ways = self._ways.get(name)
        if ways is None:
            # The names are the client's own: as many as it likes.
            if len(self._ways) >= _PASSED_NAMES:
                self._ways.clear()
            ways = self._ways[name] = Ways(self._place, model)
        return Served(
            model=model,
            ways=ways,
            passed=True,
            health=self._health,
            meters=meters,
            lines=_told(self._key, name),
        )


@dataclass(frozen=True, kw_only=True)
class Target:
    """A provider that a route may choose, with what an attempt needs."""

    label: ProviderKey
    provider: ports.Provider
    endpoint: provider_snapshots.Endpoint
    skew: Skew
    models: Mapping[str, Served]
    """By the name that the client asks; for a target with a model of its own under `*`."""
    passing: "Passing | None"
    """For a provider that lists no models, or not all; None: only `models` are served."""

    def serve(self, match: table.Match, name: str) -> Served | None:
        """What serves the name, or None if this provider does not have it."""
        found = self.listed(name)
        if found is None and self.passing is not None:
            return self.passing.serve(name, match.pattern)
        return found

    def listed(self, name: str) -> Served | None:
        """What serves the name by being listed for it."""
        return self.models.get("*") or self.models.get(name)


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route with its targets. Times in seconds."""

    key: RouteKey
    created: str
    targets: tuple[Target, ...]
    order: plan.Order
    retry: retry.Policy
    budget: Budget
    fallback_on: frozenset[FailureClass]
    first_token_s: float
    idle_s: float
    total_s: float
    estimator: Estimator
    meters: Mapping[Operation, RouteMeters]
    unusable: str
    """Why a route without targets has none; empty if it has."""


@dataclass(frozen=True, kw_only=True)
class Native:
    """A provider whose own API may be called."""

    key: ProviderKey
    place: Place
    base: origins.Base
    paths: tuple[str, ...]
    access: frozenset[str] | None
    """Namespaces of callers; None: all."""
    meters: TargetMeters

    def admits(self, namespace: str) -> bool:
        """Whether callers of this namespace may."""
        return self.access is None or namespace in self.access

    def offers(self, path: str) -> bool:
        """Whether the path is among those that may be called."""
        return any(path.startswith(own[:-1]) if own.endswith("*") else path == own for own in self.paths)


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What the proxy serves, whole. A request takes it once and keeps it to its end."""

    version: SnapshotVersion
    snapshot: Snapshot
    callers: Callers
    table: table.Table
    routes: Mapping[RouteKey, Route]
    natives: Mapping[ProviderKey, Native]
    quotas: Quotas
    records: "Records"
    sign_ins: Mapping[ProviderKey, ports.SignIn]
    """Of the providers that there is a credential for."""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A snapshot that cannot be served, and why. `path` leads to the key of the snapshot."""

    path: str
    reason: str


class Records:
    """What experience has taught; handed from runtime to runtime, as far as it is about the same thing."""

    def __init__(self) -> None:
        self.healths: dict[tuple[ProviderKey, UpstreamModel | None], Health] = {}
        self.budgets: dict[tuple[RouteKey, int], Budget] = {}
        self.estimators: dict[RouteKey, Estimator] = {}
        self.skews: dict[ProviderKey, Skew] = {}


class _Broken(Exception):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.rejected = Rejected(path=path, reason=reason)


def build(
    snapshot: Snapshot,
    *,
    version: SnapshotVersion,
    renewed: Mapping[ProviderKey, Credential],
    resident: Subject | None,
    metrics: Metrics,
    store: Store,
    previous: Runtime | None,
    now: float,
) -> Runtime | Rejected:
    """The runtime of a snapshot. Changes nothing but the series of `metrics` and the counters of `store`, by adding.

    Args:
        snapshot: as decoded.
        version: its hash.
        renewed: credentials that renewals brought, for providers that the snapshot has none for.
        resident: the one caller of a sidecar; None for a gateway.
        metrics: where the meters of routes and targets live.
        store: where quotas count.
        previous: what has been served until now: health, budgets and known tokens are taken over from it.
        now: monotonic seconds.
    """
    try:
        return _Builder(snapshot, version, metrics, store, previous, now).runtime(resident, renewed)
    except _Broken as broken:
        return broken.rejected


def signed_in(active: Runtime, renewed: Mapping[ProviderKey, Credential]) -> Runtime:
    """The same with other credentials: whatever experience has taught and whatever is counted goes on."""
    fresh = {key: _sign_in(key, credential, renewed=True) for key, credential in renewed.items()}
    return replace(active, sign_ins={**active.sign_ins, **fresh})


def ends(credential: Credential) -> float:
    """When it ends: Unix seconds; inf: it is not known to."""
    expires_at = credential.expires_at if isinstance(credential, AccessKey | BearerToken) else None
    return math.inf if expires_at is None else float(expires_at)


def unfit(provider: provider_snapshots.Provider, credential: Credential) -> str:
    """Why nobody can sign in to it with this credential, without a word of its value; empty if one can."""
    try:
        return registry.for_endpoint(provider.endpoint).unfit(credential)
    except LookupError as error:
        return str(error)


class _Builder:
    def __init__(
        self,
        snapshot: Snapshot,
        version: SnapshotVersion,
        metrics: Metrics,
        store: Store,
        previous: Runtime | None,
        now: float,
    ) -> None:
        self._snapshot = snapshot
        self._version = version
        self._metrics = metrics
        self._store = store
        self._previous = previous
        self._now = now
        self._records = Records()
        self._meters: dict[tuple[str, str], TargetMeters] = {}
        self._places: dict[ProviderKey, Place] = {}

    def runtime(self, resident: Subject | None, renewed: Mapping[ProviderKey, Credential]) -> Runtime:
        snapshot = self._snapshot
        if snapshot.schema > SCHEMA:
            raise _Broken("schema", f"this proxy understands snapshots up to schema {SCHEMA}, not {snapshot.schema}")
        return Runtime(
            version=self._version,
            snapshot=snapshot,
            callers=self._callers(resident),
            table=table.Table(snapshot.routes),
            routes={key: self._route(key, route) for key, route in snapshot.routes.items()},
            natives=self._natives(),
            quotas=Quotas(snapshot.quotas, self._store),
            records=self._records,
            sign_ins=self._sign_ins(renewed),
        )

    def _sign_ins(self, renewed: Mapping[ProviderKey, Credential]) -> dict[ProviderKey, ports.SignIn]:
        lasting = self._snapshot.credentials
        found = {key: _sign_in(key, credential) for key, credential in lasting.items()}
        for key, credential in renewed.items():
            if key not in lasting and key in self._snapshot.providers:
                found[key] = _sign_in(key, credential, renewed=True)
        return found

    def _natives(self) -> dict[ProviderKey, Native]:
        found = {}
        for key, provider in self._snapshot.providers.items():
            native = provider.native
            if native is None:
                continue
            place = self._place(key, provider)
            found[key] = Native(
                key=key,
                place=place,
                base=place.bases[place.provider.urls(provider.endpoint)[0]],
                paths=native.paths,
                access=None if native.access is None else frozenset((key.partition("/")[0], *native.access)),
                meters=self._target_meters(key, NATIVE),
            )
        return found

    def _callers(self, resident: Subject | None) -> Callers:
        identity = self._snapshot.identity
        before = self._previous.callers if self._previous is not None else None
        # Kept as long as nothing changes in it, for the tokens that it has checked.
        if before is not None and before.identity == identity and before.resident is resident:
            return before
        try:
            return Callers(identity, resident=resident)
        except ValueError as error:
            raise _Broken("identity.apiKeys", str(error)) from error

    def _route(self, key: RouteKey, route: route_snapshots.Route) -> Route:
        path = f"routes.{key}.targets"
        targets = [self._target(f"{path}[{index}]", target) for index, target in enumerate(route.targets)]
        return Route(
            key=key,
            created=route.created,
            targets=tuple(targets),
            order=plan.Order(route.targets),
            retry=retry.policy(route.retry),
            budget=self._budget(key, route.retry.budget_percent),
            fallback_on=frozenset(route.fallback_on),
            first_token_s=route.timeouts.first_token_ms / 1_000,
            idle_s=route.timeouts.idle_ms / 1_000,
            total_s=route.timeouts.total_ms / 1_000,
            estimator=self._estimator(key),
            meters={op: RouteMeters(self._metrics, route=key, operation=op.value) for op in CLIENT_DIALECTS},
            unusable="" if targets else _unusable(route),
        )

    def _target(self, path: str, target: route_snapshots.Target) -> Target:
        key = target.provider
        provider = self._snapshot.providers.get(key)
        if provider is None:
            raise _Broken(path, f'the snapshot has no provider "{key}"')
        place = self._place(key, provider)
        table_ = provider.models
        models: dict[str, Served] = {}
        passing = None
        if target.model is not None:
            if table_ and target.model not in table_ and not provider.unlisted:
                raise _Broken(f"{path}.model", f'provider "{key}" has no model "{target.model}"')
            fixed = table_.get(target.model) or place.unlisted(target.model)
            models["*"] = self._served(key, place, fixed)
        else:
            models.update({name: self._served(key, place, model) for name, model in table_.items()})
        if target.model is None and (not table_ or provider.unlisted):
            passing = Passing(key, place, self._health(key, None), self._metrics)
        return Target(
            label=key,
            provider=place.provider,
            endpoint=place.endpoint,
            skew=place.skew,
            models=models,
            passing=passing,
        )

    def _place(self, key: ProviderKey, provider: provider_snapshots.Provider) -> Place:
        """What a request would stumble over is found now, once for each provider."""
        found = self._places.get(key)
        if found is not None:
            return found
        connection, endpoint = provider.connection, provider.endpoint
        proxy = None if connection.proxy is None else self._proxy(key, connection.proxy)
        try:
            spoken = registry.for_endpoint(endpoint)
        except LookupError as error:
            raise _Broken(f"providers.{key}.endpoint", str(error)) from None
        try:
            bases = {
                url: origins.base(
                    url,
                    connect_timeout_ms=connection.connect_timeout_ms,
                    pool_size=connection.pool_size,
                    ca_bundle=connection.ca_bundle,
                    proxy=proxy,
                )
                for url in spoken.urls(endpoint)
            }
        except ValueError as error:
            raise _Broken(f"providers.{key}.endpoint.url", str(error)) from None
        _check_bundle(f"providers.{key}.connection.caBundle", connection.ca_bundle)
        place = self._places[key] = Place(
            provider=spoken, endpoint=endpoint, bases=bases, settings=provider.settings, skew=self._skew(key)
        )
        return place

    def _proxy(self, key: ProviderKey, proxy: provider_snapshots.Proxy) -> messages.Proxy:
        path = f"providers.{key}.connection.proxy"
        basic = self._snapshot.proxy_credentials.get(key)
        authorization = None if basic is None else tunnel.credential(basic.username, basic.password)
        _check_bundle(f"{path}.caBundle", proxy.ca_bundle)
        try:
            return origins.proxy(proxy.url, ca_bundle=proxy.ca_bundle, authorization=authorization)
        except ValueError as error:
            raise _Broken(f"{path}.url", str(error)) from None

    def _served(self, key: ProviderKey, place: Place, model: provider_snapshots.Model) -> Served:
        return Served(
            model=model,
            ways=Ways(place, model),
            passed=False,
            health=self._health(key, model.upstream),
            meters=self._target_meters(key, model.upstream),
            lines=_told(key, model.upstream),
            fit=fit.of(model),
        )

    def _target_meters(self, key: ProviderKey, model: str) -> TargetMeters:
        found = self._meters.get((key, model))
        if found is None:
            found = self._meters[key, model] = TargetMeters(self._metrics, provider=key, model=model)
        return found

    def _health(self, key: ProviderKey, model: UpstreamModel | None) -> Health:
        found = self._records.healths.get((key, model))
        if found is None:
            found = self._kept_health(key, model) or Health()
            self._records.healths[key, model] = found
        return found

    def _kept_health(self, key: ProviderKey, model: UpstreamModel | None) -> Health | None:
        """What is known of it, unless the place or the credential is another now: then it deserves a fresh start."""
        before = self._previous
        if before is None:
            return None
        now, then = self._snapshot, before.snapshot
        tables = ((it.providers, it.credentials, it.proxy_credentials) for it in (now, then))
        if any(new.get(key) != old.get(key) for new, old in zip(*tables, strict=True)):
            return None
        return before.records.healths.get((key, model))

    def _skew(self, key: ProviderKey) -> Skew:
        kept = self._previous.records.skews.get(key) if self._previous is not None else None
        skew = self._records.skews[key] = kept or Skew()
        return skew

    def _budget(self, key: RouteKey, percent: int) -> Budget:
        kept = self._previous.records.budgets.get((key, percent)) if self._previous is not None else None
        budget = self._records.budgets[key, percent] = kept or Budget(percent=percent, now=self._now)
        return budget

    def _estimator(self, key: RouteKey) -> Estimator:
        kept = self._previous.records.estimators.get(key) if self._previous is not None else None
        estimator = self._records.estimators[key] = kept or Estimator()
        return estimator


def _sign_in(key: ProviderKey, credential: Credential, *, renewed: bool = False) -> ports.SignIn:
    return ports.SignIn(provider=key, credential=credential, ends=ends(credential), renewed=renewed)


def _check_bundle(path: str, bundle: str | None) -> None:
    if bundle is None:
        return
    try:
        tls.client_context(bundle)
    except (OSError, ValueError) as error:
        raise _Broken(path, f"the CA bundle holds no readable PEM certificate: {error}") from None


def _unusable(route: route_snapshots.Route) -> str:
    if route.withheld and not route.targets:
        return (
            "the credentials of its providers are not given to this sidecar: `delivery` of each LLMProvider says which "
            "proxies may have them; a shared gateway serves it"
        )
    return "none of its targets can be used; the status of its ModelRoute says why"


def _told(provider: str, model: str) -> Lines:
    headers = [(b"x-pilothouse-provider", provider.encode("ascii", "replace"))]
    # A name that the client chose may hold anything.
    if model.isascii() and model.isprintable():
        headers.append((b"x-pilothouse-model", model.encode("ascii")))
    return heads.header_lines(headers)


def listed(runtime: Runtime, *, namespace: str) -> list[tuple[ModelName, str]]:
    """(name, creation time of its route) of every model that callers of `namespace` may ask for, sorted.

    Patterns stand for the models that the route's providers list; what a provider passes unlisted cannot be shown.
    """
    names: dict[str, str] = {}
    for match in runtime.table.visible(namespace=namespace):
        route = runtime.routes[match.route]
        if not match.pattern.endswith("*"):
            names.setdefault(match.pattern, route.created)
            continue
        for target in route.targets:
            for name in target.models:
                if name != "*" and name.startswith(match.pattern[:-1]):
                    found = runtime.table.find(namespace=namespace, name=name)
                    if found is not None and found.route == match.route:
                        names.setdefault(name, route.created)
    return [(ModelName(name), created) for name, created in sorted(names.items())]
