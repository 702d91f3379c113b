"""Which route serves the name that a client asks."""

from collections.abc import Iterator, Mapping
from typing import Final

from pilothouse_api.names import RouteKey
from pilothouse_api.snapshot.routes import Route

_Rank = tuple[int, str, str]
"""Lower is better: minus the length of the fixed part (exact names before all), creation time, key."""

_EXACT: Final = -1_000_000


class Match:
    """A route that serves a name, and the pattern by which it does."""

    def __init__(self, *, route: RouteKey, pattern: str, rank: _Rank) -> None:
        self.route = route
        self.pattern = pattern
        self.rank = rank


class _Names:
    """The names of some routes: exact ones, and prefixes with the longest first."""

    def __init__(self) -> None:
        self._exact: dict[str, Match] = {}
        self._prefixes: dict[str, Match] = {}
        self._lengths: list[int] = []

    def add(self, key: RouteKey, route: Route) -> None:
        for pattern in route.models:
            table, name, weight = self._exact, pattern, _EXACT
            if pattern.endswith("*"):
                table, name = self._prefixes, pattern[:-1]
                weight = -len(name)
                if len(name) not in self._lengths:
                    self._lengths = sorted([*self._lengths, len(name)], reverse=True)
            match = Match(route=key, pattern=pattern, rank=(weight, route.created, key))
            known = table.get(name)
            if known is None or match.rank < known.rank:
                table[name] = match

    def find(self, name: str) -> Match | None:
        found = self._exact.get(name)
        if found is None:
            for length in self._lengths:
                found = self._prefixes.get(name[:length])
                if found is not None and length <= len(name):
                    return found
            return None
        return found

    def __iter__(self) -> Iterator[Match]:
        yield from self._exact.values()
        yield from self._prefixes.values()


class Table:
    """All routes of a snapshot, indexed by who may call them.

    The routes of the caller's own namespace come first, then those that other namespaces open to it. In each step an
    exact name beats a prefix, a longer prefix a shorter, the older route the younger, then the lower key.
    """

    def __init__(self, routes: Mapping[RouteKey, Route]) -> None:
        self._own: dict[str, _Names] = {}
        self._opened: dict[str, _Names] = {}
        self._public = _Names()
        for key, route in routes.items():
            self._own.setdefault(namespace_of(key), _Names()).add(key, route)
            if route.access is None:
                self._public.add(key, route)
                continue
            for namespace in route.access:
                self._opened.setdefault(namespace, _Names()).add(key, route)

    def find(self, *, namespace: str, name: str) -> Match | None:
        """The route that serves `name` to callers of `namespace`, or None."""
        own = self._own.get(namespace)
        if own is not None and (found := own.find(name)) is not None:
            return found
        opened = self._opened.get(namespace)
        candidates = (self._public.find(name), opened.find(name) if opened is not None else None)
        return min((match for match in candidates if match is not None), key=_rank, default=None)

    def visible(self, *, namespace: str) -> Iterator[Match]:
        """Every pattern that callers of `namespace` can ask for, each once, with the route that serves it."""
        seen: set[str] = set()
        own, opened = self._own.get(namespace), self._opened.get(namespace)
        shared = sorted([*self._public, *(opened or ())], key=_rank)
        for match in [*(own or ()), *shared]:
            if match.pattern not in seen:
                seen.add(match.pattern)
                yield match


def _rank(match: Match) -> _Rank:
    return match.rank


def namespace_of(key: str) -> str:
    """The namespace of a `namespace/name`."""
    return key.partition("/")[0]
