"""What each scope gets: no more than its callers can use.

Gateways get everything that is served. The sidecars of a namespace get the routes that are visible there, the providers
behind them, and the quotas that bind their callers; never who may call, and a static key of another namespace only
where its provider's `delivery` says so.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, QuotaKey, RouteKey, Scope, sidecar_scope
from pilothouse_api.resources.provider import Delivery
from pilothouse_api.snapshot.credentials import Credential, ProxyCredential
from pilothouse_api.snapshot.identity import Identity
from pilothouse_api.snapshot.providers import Native, Provider
from pilothouse_api.snapshot.quotas import Quota
from pilothouse_api.snapshot.routes import Route
from pilothouse_api.snapshot.snapshot import Snapshot, schema_of
from pilothouse_operator.compile.backends import Backend
from pilothouse_operator.compile.routes import Lowered

_SIDECAR_PREFIX = sidecar_scope("")


class Scopes:
    """Cuts the snapshot of one scope out of all that is served."""

    def __init__(
        self,
        *,
        backends: Mapping[ProviderKey, Backend],
        routes: Mapping[RouteKey, Lowered],
        quotas: Mapping[QuotaKey, Quota],
        identity: Identity,
    ) -> None:
        self._backends = backends
        self._routes = routes
        self._quotas = quotas
        self._identity = identity
        self._own: dict[str, list[Lowered]] = defaultdict(list)
        self._opened: dict[str, list[Lowered]] = defaultdict(list)
        self._bound: dict[str, list[Lowered]] = defaultdict(list)
        self._open: dict[RouteKey, Route] = {}
        for route in routes.values():
            self._own[route.namespace].append(route)
            for namespace in route.route.access or ():
                self._opened[namespace].append(route)
            if route.route.access is None:
                self._add_open(route)

    def _add_open(self, route: Lowered) -> None:
        # What most namespaces see of a route that is open to all is the same: cut once, not once a scope. Only where
        # one of its providers is at home does it look different.
        self._open[route.key] = self._narrowed(route, None)
        for home in {self._backends[target.provider].namespace for target in route.route.targets}:
            self._bound[home].append(route)

    def renewed(self, snapshot: Snapshot) -> frozenset[ProviderKey]:
        """Those of its providers whose credentials travel beside it."""
        return frozenset(key for key in snapshot.providers if self._backends[key].state.issued)

    def cut(self, scope: Scope) -> Snapshot:
        """The snapshot of `scope`.

        Raises:
            ValueError: neither the gateways' scope nor that of a namespace's sidecars.
        """
        if scope == GATEWAY_SCOPE:
            routes = {key: lowered.route for key, lowered in self._routes.items()}
            return self._snapshot(scope, routes, self._quotas, self._identity)
        if not scope.startswith(_SIDECAR_PREFIX) or scope == _SIDECAR_PREFIX:
            raise ValueError(f"no scope: {scope!r}")
        namespace = scope.removeprefix(_SIDECAR_PREFIX)
        routes = self._open | {route.key: self._narrowed(route, namespace) for route in self._particular(namespace)}
        return self._snapshot(scope, routes, self._binding(namespace, routes), Identity())

    def _particular(self, namespace: str) -> Iterable[Lowered]:
        """Routes that look different from this namespace than what all the others see of them."""
        yield from self._opened[namespace]
        yield from self._bound[namespace]
        yield from self._own[namespace]

    def _narrowed(self, lowered: Lowered, namespace: str | None) -> Route:
        """Without other namespaces' names, and without targets whose credential must not come here.

        `namespace` None is any in which the route and its providers are not at home.
        """
        route = lowered.route
        kept = tuple(target for target in route.targets if self._may_go(target.provider, namespace))
        return msgspec.structs.replace(
            route,
            access=_access_seen(lowered, namespace),
            targets=kept,
            withheld=len(route.targets) - len(kept),
        )

    def _may_go(self, provider: ProviderKey, namespace: str | None) -> bool:
        backend = self._backends[provider]
        if backend.delivery is Delivery.GATEWAY:
            return False
        return backend.delivery is Delivery.SIDECAR or backend.namespace == namespace or not backend.confined

    def _binding(self, namespace: str, routes: Mapping[RouteKey, Route]) -> Mapping[QuotaKey, Quota]:
        """Quotas of the namespace itself, and those of other namespaces' routes that are visible here."""
        binding = {}
        for key, quota in self._quotas.items():
            if quota.namespace == namespace:
                binding[key] = quota
            elif visible := tuple(route for route in quota.routes if route in routes):
                binding[key] = msgspec.structs.replace(quota, routes=visible)
        return binding

    def _native(self, namespace: str | None) -> Mapping[ProviderKey, Native]:
        """Providers whose own API may be called by the sidecars of `namespace`; None: by gateways."""
        found = {}
        for key, backend in self._backends.items():
            native = backend.provider.native if backend.provider is not None else None
            if native is None:
                continue
            if namespace is None:
                found[key] = native
            elif self._may_go(key, namespace) and _opens(native, backend.namespace, namespace):
                # Who else may is nobody's business there.
                access = () if backend.namespace == namespace else (namespace,)
                found[key] = msgspec.structs.replace(native, access=access)
        return found

    def _snapshot(
        self, scope: Scope, routes: Mapping[RouteKey, Route], quotas: Mapping[QuotaKey, Quota], identity: Identity
    ) -> Snapshot:
        namespace = None if scope == GATEWAY_SCOPE else scope.removeprefix(_SIDECAR_PREFIX)
        native = self._native(namespace)
        used = sorted(native.keys() | {target.provider for route in routes.values() for target in route.targets})
        providers: dict[ProviderKey, Provider] = {}
        credentials: dict[ProviderKey, Credential] = {}
        proxy_credentials: dict[ProviderKey, ProxyCredential] = {}
        for key in used:
            backend = self._backends[key]
            state = backend.state
            if backend.provider is None or (state.credential is None and not state.issued):
                continue
            providers[key] = msgspec.structs.replace(backend.provider, native=native.get(key))
            if state.credential is not None and not state.issued:
                credentials[key] = state.credential
            if state.proxy is not None:
                proxy_credentials[key] = state.proxy
        return Snapshot(
            schema=schema_of(providers, credentials),
            scope=scope,
            providers=providers,
            credentials=credentials,
            proxy_credentials=proxy_credentials,
            routes=dict(routes),
            quotas=dict(quotas),
            identity=identity,
        )


def _opens(native: Native, owner: str, namespace: str) -> bool:
    return native.access is None or namespace == owner or namespace in native.access


def _access_seen(lowered: Lowered, namespace: str | None) -> tuple[str, ...] | None:
    if lowered.namespace == namespace:
        return ()
    if lowered.route.access is None or namespace is None:
        return None
    return (namespace,)
