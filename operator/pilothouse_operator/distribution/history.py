"""Which published version of a scope runs which form of a resource. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from pilothouse_api.names import Scope, SnapshotVersion
from pilothouse_api.snapshot.quotas import Quota
from pilothouse_api.snapshot.routes import Route
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_operator.compile.world import Kind, ResourceKey

Form = Route | Quota
"""More than its generation: one that was deleted and made anew under its name begins with generation 1 again."""

_VERSIONS_KEPT = 1_024
_NEVER = -1


@dataclass(frozen=True, slots=True)
class Standing:
    """A resource in the present snapshot: its form, and the first publication in a row that had it so."""

    form: Form
    since: int


class ScopeHistory:
    """Publications of one scope, numbered as they come.

    A proxy runs the present form of a resource if the number of its version is not below the resource's `since`.
    That needs one number a version and one a resource, however many versions there were.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.current: SnapshotVersion | None = None
        self.snapshot: Snapshot | None = None
        self.standings: dict[ResourceKey, Standing] = {}
        self._numbers: dict[SnapshotVersion, int] = {}
        self._last = _NEVER

    def record(self, version: SnapshotVersion, snapshot: Snapshot) -> None:
        """A new publication. A version that comes back (an edit undone) gets a new number."""
        self._last += 1
        self._numbers.pop(version, None)
        self._numbers[version] = self._last
        if len(self._numbers) > _VERSIONS_KEPT:
            del self._numbers[next(iter(self._numbers))]
        before = self.standings
        self.standings = {}
        for key, form in _forms(snapshot):
            old = before.get(key)
            self.standings[key] = old if old is not None and old.form == form else Standing(form, self._last)
        self.current, self.snapshot = version, snapshot

    def knows(self, version: SnapshotVersion) -> bool:
        """Whether this version has been published here (and is not long past)."""
        return version in self._numbers

    def number(self, version: SnapshotVersion | None) -> int:
        """Of a version; below every resource's `since` if it is unknown."""
        return _NEVER if version is None else self._numbers.get(version, _NEVER)


def _forms(snapshot: Snapshot) -> Iterable[tuple[ResourceKey, Form]]:
    """Without what follows from others' labels and routes, which comes and goes in the whole cluster at once."""
    for route_key, route in snapshot.routes.items():
        namespace, _, name = route_key.partition("/")
        yield ResourceKey(Kind.ROUTE, namespace, name), msgspec.structs.replace(route, access=())
    for quota_key, quota in snapshot.quotas.items():
        namespace, _, name = quota_key.partition("/")
        yield ResourceKey(Kind.QUOTA, namespace, name), msgspec.structs.replace(quota, routes=())
