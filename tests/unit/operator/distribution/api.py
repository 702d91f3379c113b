"""An API server's objects in memory: as much of `Api` as this room calls, with its conflicts."""

import asyncio
import copy
from collections.abc import Mapping
from typing import Any

from pilothouse_operator.kube import errors
from pilothouse_operator.kube.requests import Force, Listing
from pilothouse_operator.kube.resources import ApiResource


class Objects:
    """Objects by collection, namespace and name. `fail` is raised by the next calls for a collection until removed."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.managers: dict[tuple[str, str, str], str] = {}
        self.fail: dict[str, errors.KubeError] = {}
        self.writes: list[tuple[str, str, str]] = []
        self._version = 0

    def _check(self, kind: ApiResource) -> None:
        if kind.plural in self.fail:
            raise self.fail[kind.plural]

    def _put(self, key: tuple[str, str, str], body: Mapping[str, Any]) -> dict[str, Any]:
        self._version += 1
        made = copy.deepcopy(dict(body))
        made["metadata"] = {**made.get("metadata", {}), "resourceVersion": str(self._version)}
        self.stored[key] = made
        self.writes.append(key)
        return made

    async def get(self, kind: ApiResource, *, name: str, namespace: str = "") -> dict[str, Any]:
        await asyncio.sleep(0)
        self._check(kind)
        try:
            return copy.deepcopy(self.stored[kind.plural, namespace, name])
        except KeyError:
            raise errors.NotFound(f"no {kind.plural} {namespace}/{name}") from None

    async def create(self, kind: ApiResource, *, body: Mapping[str, Any], namespace: str = "") -> dict[str, Any]:
        await asyncio.sleep(0)
        self._check(kind)
        key = (kind.plural, namespace, body["metadata"]["name"])
        if key in self.stored:
            raise errors.AlreadyExists(f"{key} is there")
        return self._put(key, body)

    async def replace(
        self, kind: ApiResource, *, name: str, body: Mapping[str, Any], namespace: str = ""
    ) -> dict[str, Any]:
        await asyncio.sleep(0)
        self._check(kind)
        key = (kind.plural, namespace, name)
        if self.stored[key]["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise errors.Conflict("an older version")
        return self._put(key, body)

    async def apply(
        self,
        kind: ApiResource,
        *,
        name: str,
        body: Mapping[str, Any],
        field_manager: str,
        namespace: str = "",
        force: Force = Force.NO,
    ) -> dict[str, Any]:
        await asyncio.sleep(0)
        self._check(kind)
        key = (kind.plural, namespace, name)
        owner = self.managers.get(key, field_manager)
        changes = key in self.stored and self.stored[key].get("data") != body.get("data")
        if owner != field_manager and changes and force is Force.NO:
            raise errors.Conflict("owned by another", frozenset({owner}))
        self.managers[key] = field_manager
        return self._put(key, body)

    async def list(self, kind: ApiResource, *, namespace: str = "", labels: str = "") -> Listing:
        await asyncio.sleep(0)
        self._check(kind)
        name, _, value = labels.partition("=")
        items = [
            copy.deepcopy(item)
            for (plural, where, _), item in self.stored.items()
            if plural == kind.plural
            and (not namespace or where == namespace)
            and item["metadata"].get("labels", {}).get(name) == value
        ]
        return Listing(items=items, version=str(self._version))

    def add(self, kind: ApiResource, namespace: str, name: str, **body: Any) -> None:
        """Somebody else creates it."""
        labels = body.pop("labels", {})
        metadata = {"name": name, "namespace": namespace, "labels": labels}
        self._put((kind.plural, namespace, name), {"metadata": metadata, **body})
