"""What is known of one collection, from lists and events that may come late, twice or in any order. Pure.

An object's resourceVersion orders everything: etcd gives each write of the cluster a higher one, and since KEP-5504
clients may compare those of one kind as integers. A deletion has a version too.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Name = tuple[str, str]
"""Namespace (empty for what has none) and name."""

Item = Mapping[str, Any]
"""An object as the API server writes it."""


class Move(enum.IntEnum):
    """What a piece of news changed, the least first."""

    NOTHING = 0
    SURFACE = 1
    """Only what decisions do not rest on: status, annotations, managed fields."""
    CONTENT = 2


class Sight(enum.Enum):
    """Whether an event tells that an object is there, or that it is gone."""

    PRESENT = "present"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    """`value` is None for what was deleted, or is being: the user has asked, whatever finalizers hold it."""

    version: int
    value: T | None


class Ledger(Generic[T]):
    """One collection in one scope (all namespaces, or one; one selector)."""

    def __init__(self, *, read: Callable[[Item], T], same: Callable[[T, T], bool]) -> None:
        """`read` makes a value of an object; `same` says whether two values differ on the surface only."""
        self._read = read
        self._same = same
        self._entries: dict[Name, _Entry[T]] = {}
        self._floor = -1
        self._newest = -1

    @property
    def newest(self) -> int:
        """Highest version heard of; -1 before anything."""
        return self._newest

    @property
    def floor(self) -> int:
        """Version of the newest list; what is not here and not newer is gone."""
        return self._floor

    def values(self) -> dict[Name, T]:
        """What is there and not being deleted."""
        return {name: entry.value for name, entry in self._entries.items() if entry.value is not None}

    def see(self, item: Item, sight: Sight) -> Move:
        """One event. Raises ValueError when its version is no integer."""
        name, version = name_of(item), version_of(item)
        self._newest = max(self._newest, version)
        return self._settle(name, version, None if sight is Sight.ABSENT else self._value(item), newer_than=self._floor)

    def listed(self, items: Sequence[Item], version: int) -> Move:
        """A whole list: what it lacks and what is not newer than it is gone."""
        # A list older than the last one cannot bring back what that one lacked.
        newer_than = self._floor if version <= self._floor else -1
        self._newest = max(self._newest, version)
        move = Move.NOTHING
        for item in items:
            move = max(move, self._settle(name_of(item), version_of(item), self._value(item), newer_than=newer_than))
        names = {name_of(item) for item in items}
        for name, entry in list(self._entries.items()):
            if name not in names and entry.version <= version:
                move = max(move, Move.NOTHING if entry.value is None else Move.CONTENT)
                del self._entries[name]
        self._floor = max(self._floor, version)
        return move

    def take(self, items: Sequence[Item], version: int) -> Move:
        """A consistent list, made after the one before it: a lower version means that etcd was set back."""
        return self.rewound(items, version) if version < self._floor else self.listed(items, version)

    def rewound(self, items: Sequence[Item], version: int) -> Move:
        """A list after the cluster's history was set back (etcd restored from a backup): versions begin anew."""
        before = self.values()
        self._entries.clear()
        self._floor = self._newest = -1
        self.listed(items, version)
        after = self.values()
        same = before.keys() == after.keys() and all(self._same(before[name], after[name]) for name in before)
        return Move.SURFACE if same else Move.CONTENT

    def _value(self, item: Item) -> T | None:
        return None if item["metadata"].get("deletionTimestamp") else self._read(item)

    def _settle(self, name: Name, version: int, value: T | None, *, newer_than: int) -> Move:
        held = self._entries.get(name)
        if held is None and version <= newer_than:
            return Move.NOTHING
        # Of one version, gone is the later word: it is how an object leaves a label selection.
        if held is not None and (version < held.version or (version == held.version and value is not None)):
            return Move.NOTHING
        self._entries[name] = _Entry(version, value)
        before = held.value if held is not None else None
        if before is None or value is None:
            return Move.NOTHING if before is value else Move.CONTENT
        return Move.SURFACE if self._same(before, value) else Move.CONTENT


def name_of(item: Item) -> Name:
    """Namespace and name of an object."""
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def version_of(item: Item) -> int:
    """The resourceVersion. Raises ValueError when it is no integer."""
    return int(item["metadata"]["resourceVersion"])
