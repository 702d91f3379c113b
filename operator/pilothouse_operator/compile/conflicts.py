"""Which of several routes that claim one name wins: the older, always, and never a merge.

Within a namespace the loser is left out whole. Between namespaces both stay: each serves its own namespace first, and
in a third one that both open to, the proxies let the older win by the same order (`Lowered.age`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.names import RouteKey
from pilothouse_operator.compile.routes import Lowered


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """`serving` are the routes of the snapshots; `problems` (Conflicted) those of the losers, serving or not."""

    serving: Mapping[RouteKey, Lowered]
    problems: Mapping[RouteKey, Problem]


def settle(routes: Iterable[Lowered]) -> Settled:
    """Decides by age, then namespace and name."""
    by_age = sorted(routes, key=lambda route: route.age)
    serving, problems = _within_namespaces(by_age)
    for key, problem in _between_namespaces(serving):
        problems.setdefault(key, problem)
    return Settled(serving={route.key: route for route in sorted(serving, key=lambda it: it.key)}, problems=problems)


def _within_namespaces(by_age: Sequence[Lowered]) -> tuple[list[Lowered], dict[RouteKey, Problem]]:
    owners: dict[tuple[str, str], Lowered] = {}
    serving: list[Lowered] = []
    problems: dict[RouteKey, Problem] = {}
    for route in by_age:
        lost = next((name for name in route.route.models if (route.namespace, name) in owners), None)
        if lost is None:
            serving.append(route)
            owners.update({(route.namespace, name): route for name in route.route.models})
            continue
        winner = owners[route.namespace, lost]
        problems[route.key] = Problem(
            reason=Reason.CONFLICTED,
            message=f"{lost} is served by ModelRoute {winner.key}, which is older; this route is left out: delete "
            "one of them, or take the name out of one",
            field=f"spec.models[{route.route.models.index(lost)}]",
        )
    return serving, problems


@dataclass(slots=True)
class _Claim:
    """The namespaces in which older routes serve one name as shared routes."""

    named: set[str] = field(default_factory=set)
    open_owners: set[str] = field(default_factory=set)
    """Owners of routes that are open to all: such a route is shared everywhere but at home."""

    def meets(self, route: Lowered) -> bool:
        """Whether `route` is shared in one of them, too."""
        if route.route.access is None:
            return bool(self.open_owners or self.named - {route.namespace})
        shared = set(route.route.access) - {route.namespace}
        if shared & self.named:
            return True
        return (
            bool(self.open_owners) and (len(self.open_owners) > 1 or bool(shared - self.open_owners)) and bool(shared)
        )

    def add(self, route: Lowered) -> None:
        if route.route.access is None:
            self.open_owners.add(route.namespace)
        else:
            self.named |= set(route.route.access) - {route.namespace}


def _between_namespaces(by_age: Sequence[Lowered]) -> Iterable[tuple[RouteKey, Problem]]:
    claims: dict[str, _Claim] = {}
    for route in by_age:
        if route.route.access == ():
            continue
        for index, name in enumerate(route.route.models):
            claim = claims.setdefault(name, _Claim())
            if claim.meets(route):
                yield (
                    route.key,
                    Problem(
                        reason=Reason.CONFLICTED,
                        message=f"in other namespaces {name} is served by a route of another namespace, which is "
                        "older; this route serves it in its own namespace and where only this one is open",
                        field=f"spec.models[{index}]",
                    ),
                )
            claim.add(route)
