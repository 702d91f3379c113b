"""The proxies of all replicas as one picture, and how far each resource has come in it. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from pilothouse_api.names import GATEWAY_SCOPE, RouteKey, Scope, SnapshotVersion, sidecar_scope
from pilothouse_api.snapshot.stream import Report
from pilothouse_operator.compile.world import Kind, ResourceKey
from pilothouse_operator.distribution.history import ScopeHistory
from pilothouse_operator.ports import Rejection, Rollout

_LAGGARDS = 5


class ProxyView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One proxy as one replica sees it. Its stream and its acks may have come to different replicas."""

    pod: str
    connected: bool = False
    applied: SnapshotVersion | None = None
    rejected: SnapshotVersion | None = None
    path: str = ""
    reason: str = ""


class FleetView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one replica knows, by scope and pod uid. `revision` changes with the content."""

    replica: str
    revision: str
    scopes: dict[Scope, dict[str, ProxyView]] = {}


class ReportsView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The newest report of each proxy that one replica has, by pod uid."""

    reports: dict[str, Report] = {}


@dataclass(frozen=True, slots=True)
class _Standing:
    """One connected proxy of one scope: the number of what it runs."""

    number: int
    pod: str


@dataclass(frozen=True, slots=True)
class _ScopeFleet:
    proxies: tuple[_Standing, ...]
    """By number, so that the laggards of a resource come first."""
    numbers: tuple[int, ...]
    rejections: tuple[ProxyView, ...]
    """Of the scope's present version."""


def rollouts(
    *, histories: Mapping[Scope, ScopeHistory], views: Iterable[FleetView], unreachable: tuple[str, ...]
) -> dict[ResourceKey, Rollout]:
    """Counts for every resource that is in some scope's present snapshot, over all replicas."""
    views = tuple(views)
    counts: dict[ResourceKey, Rollout] = {}
    for scope, history in histories.items():
        fleet = _fleet(history, views)
        for key, standing in history.standings.items():
            behind = bisect_left(fleet.numbers, standing.since)
            so_far = counts.get(key)
            here = Rollout(
                applied=len(fleet.numbers) - behind,
                total=len(fleet.numbers),
                laggards=tuple(proxy.pod for proxy in fleet.proxies[: min(behind, _LAGGARDS)]),
                rejection=_rejection(key, scope, history, fleet, behind) if fleet.rejections else None,
                unreachable=unreachable,
            )
            counts[key] = here if so_far is None else _sum(so_far, here)
    return counts


def _fleet(history: ScopeHistory, views: tuple[FleetView, ...]) -> _ScopeFleet:
    merged: dict[str, list[ProxyView]] = {}
    for view in views:
        for uid, proxy in view.scopes.get(history.scope, {}).items():
            merged.setdefault(uid, []).append(proxy)
    standings: list[_Standing] = []
    rejections: list[ProxyView] = []
    for seen in merged.values():
        if not any(view.connected for view in seen):
            continue
        number = max(history.number(view.applied) for view in seen)
        standings.append(_Standing(number, seen[0].pod))
        if number != history.number(history.current):
            rejections.extend([view for view in seen if view.rejected == history.current][:1])
    standings.sort(key=lambda standing: (standing.number, standing.pod))
    rejections.sort(key=lambda view: view.pod)
    return _ScopeFleet(tuple(standings), tuple(standing.number for standing in standings), tuple(rejections))


def _rejection(
    key: ResourceKey, scope: Scope, history: ScopeHistory, fleet: _ScopeFleet, behind: int
) -> Rejection | None:
    blamed = [view for view in fleet.rejections if _blames(view.path, key, history)]
    if not blamed and not behind:
        return None
    first = (blamed or fleet.rejections)[0]
    if scope not in (GATEWAY_SCOPE, sidecar_scope(key.namespace)):
        # What a sidecar says is its namespace's word: it must not write into the status of another namespace.
        return Rejection(path="", reason="sidecars of another namespace cannot build it", proxies=len(fleet.rejections))
    if not blamed and not _names_namespace(first.path, key.namespace):
        return Rejection(path="", reason="another resource spoils the snapshot", proxies=len(fleet.rejections))
    return Rejection(path=first.path, reason=first.reason, proxies=len(blamed or fleet.rejections))


def _blames(path: str, key: ResourceKey, history: ScopeHistory) -> bool:
    """Whether `path` lies in the resource's entry, or in that of a provider which the route uses."""
    table = "routes" if key.kind is Kind.ROUTE else "quotas"
    own = f"{table}.{key.namespace}/{key.name}"
    if path == own or path.startswith((f"{own}.", f"{own}[")):
        return True
    if history.snapshot is None or key.kind is not Kind.ROUTE:
        return False
    for target in history.snapshot.routes[RouteKey(f"{key.namespace}/{key.name}")].targets:
        for entry in (f"providers.{target.provider}", f"credentials.{target.provider}"):
            if path == entry or path.startswith((f"{entry}.", f"{entry}[")):
                return True
    return False


def _names_namespace(path: str, namespace: str) -> bool:
    _, _, entry = path.partition(".")
    return not entry or entry.startswith(f"{namespace}/")


def _sum(one: Rollout, other: Rollout) -> Rollout:
    return Rollout(
        applied=one.applied + other.applied,
        total=one.total + other.total,
        laggards=(one.laggards + other.laggards)[:_LAGGARDS],
        rejection=one.rejection or other.rejection,
        unreachable=one.unreachable,
    )
