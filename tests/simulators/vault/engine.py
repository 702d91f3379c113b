"""KV version 2: versions, deleted and destroyed ones, metadata."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


def stamp(at: float) -> str:
    """RFC 3339 with nanoseconds, as Go writes it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


@dataclass
class Version:
    number: int
    data: dict[str, Any] | None
    created_at: float = field(default_factory=time.time)
    deleted_at: float | None = None
    destroyed: bool = False

    @property
    def readable(self) -> bool:
        return self.deleted_at is None and not self.destroyed

    def metadata(self) -> dict[str, Any]:
        return {
            "created_time": stamp(self.created_at),
            "custom_metadata": None,
            "deletion_time": "" if self.deleted_at is None else stamp(self.deleted_at),
            "destroyed": self.destroyed,
            "version": self.number,
        }


class Engine:
    """One mount; secrets by path."""

    def __init__(self) -> None:
        self._secrets: dict[str, list[Version]] = {}

    def write(self, path: str, data: dict[str, Any]) -> Version:
        versions = self._secrets.setdefault(path, [])
        versions.append(Version(len(versions) + 1, data))
        return versions[-1]

    def find(self, path: str, number: int) -> Version | None:
        """`number` 0: the newest."""
        versions = self._secrets.get(path, [])
        if not versions or number > len(versions):
            return None
        return versions[number - 1]

    def delete(self, path: str, numbers: list[int] | None = None) -> None:
        """Without numbers the newest; its data can be had back."""
        for version in self._chosen(path, numbers):
            version.deleted_at = time.time()

    def undelete(self, path: str, numbers: list[int]) -> None:
        for version in self._chosen(path, numbers):
            version.deleted_at = None

    def destroy(self, path: str, numbers: list[int]) -> None:
        for version in self._chosen(path, numbers):
            version.destroyed, version.data = True, None

    def forget(self, path: str) -> None:
        """Metadata and all versions; the next one is the first."""
        self._secrets.pop(path, None)

    def _chosen(self, path: str, numbers: list[int] | None) -> list[Version]:
        versions = self._secrets.get(path, [])
        return versions[-1:] if numbers is None else [v for v in versions if v.number in numbers]
