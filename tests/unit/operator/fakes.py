"""An API server in memory: what its callers need of it, with faults on demand."""

import asyncio
import copy
from collections.abc import AsyncIterator, Mapping
from typing import Any

from pilothouse_operator.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from pilothouse_operator.kube.requests import Force, Listing
from pilothouse_operator.kube.resources import ApiResource
from pilothouse_operator.kube.stream import Event, EventType

Place = tuple[ApiResource, str, str]


class Hands:
    """A clock that moves when told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now


class FakeApi:
    """Objects with versions; `faults` are raised by every call to a kind until they are taken away."""

    def __init__(self) -> None:
        self.objects: dict[Place, dict[str, Any]] = {}
        self.faults: dict[ApiResource, KubeError] = {}
        self.documents: dict[str, dict[str, Any] | KubeError] = {}
        self.calls: list[tuple[str, ApiResource, str, Mapping[str, Any]]] = []
        self.watching: list[tuple[ApiResource, str | None, str]] = []
        self._version = 0
        self._log: list[tuple[int, ApiResource, Event]] = []
        self._stirred = asyncio.Event()

    def put(self, kind: ApiResource, namespace: str, name: str, /, **fields: Any) -> dict[str, Any]:
        """Writes an object whole, as `kubectl replace` would."""
        self._version += 1
        before = self.objects.get((kind, namespace, name))
        metadata = {
            "name": name,
            "namespace": namespace,
            "uid": before["metadata"]["uid"] if before else f"uid-{self._version}",
            "resourceVersion": str(self._version),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            **fields.pop("metadata", {}),
        }
        made = {"metadata": metadata, **copy.deepcopy(fields)}
        self.objects[kind, namespace, name] = made
        self._tell(kind, Event(EventType.MODIFIED if before else EventType.ADDED, made))
        return made

    def remove(self, kind: ApiResource, namespace: str, name: str) -> None:
        """Deletes an object."""
        self._version += 1
        gone = copy.deepcopy(self.objects.pop((kind, namespace, name)))
        gone["metadata"]["resourceVersion"] = str(self._version)
        self._tell(kind, Event(EventType.DELETED, gone))

    def break_watches(self) -> None:
        """Every stream ends."""
        self._log.clear()
        self._tell(None, None)

    def _tell(self, kind: ApiResource | None, event: Event | None) -> None:
        if kind is not None and event is not None:
            self._log.append((self._version, kind, copy.deepcopy(event)))
        self._stirred.set()
        self._stirred = asyncio.Event()

    def _check(self, kind: ApiResource) -> None:
        if kind in self.faults:
            raise self.faults[kind]

    async def list(
        self,
        kind: ApiResource,
        *,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        deadline_s: float = 0,
    ) -> Listing:
        await asyncio.sleep(0)
        self._check(kind)
        found = [
            copy.deepcopy(made)
            for (of, _, _), made in self.objects.items()
            if of == kind and _chosen(made, namespace, labels, fields)
        ]
        return Listing(items=found, version=str(self._version))

    async def watch(
        self, kind: ApiResource, *, version: str, namespace: str | None = None, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Event]:
        since = int(version)
        self.watching.append((kind, namespace, fields or labels))
        try:
            while True:
                self._check(kind)
                stirred = self._stirred
                for at, of, event in list(self._log):
                    if at > since and of == kind and _chosen(event.object, namespace, labels, fields):
                        since = at
                        yield event
                await stirred.wait()
                if not self._log:
                    return
        finally:
            self.watching.remove((kind, namespace, fields or labels))

    async def get(
        self, kind: ApiResource, *, name: str, namespace: str | None = None, deadline_s: float = 0
    ) -> dict[str, Any]:
        await asyncio.sleep(0)
        self._check(kind)
        try:
            return copy.deepcopy(self.objects[kind, namespace or "", name])
        except KeyError:
            raise NotFound(f"no {kind.plural} {name}") from None

    async def raw(self, path: str, *, deadline_s: float = 0) -> dict[str, Any]:
        await asyncio.sleep(0)
        document = self.documents.get(path, NotFound(path))
        if isinstance(document, KubeError):
            raise document
        return document

    async def create(
        self, kind: ApiResource, *, body: Mapping[str, Any], namespace: str | None = None, deadline_s: float = 0
    ) -> dict[str, Any]:
        await asyncio.sleep(0)
        self._check(kind)
        name = body["metadata"]["name"]
        self.calls.append(("create", kind, name, copy.deepcopy(body)))
        if (kind, namespace or "", name) in self.objects:
            raise AlreadyExists(name)
        fields = {key: value for key, value in body.items() if key != "metadata"}
        return copy.deepcopy(self.put(kind, namespace or "", name, **fields))

    async def replace(
        self,
        kind: ApiResource,
        *,
        name: str,
        body: Mapping[str, Any],
        namespace: str | None = None,
        deadline_s: float = 0,
    ) -> dict[str, Any]:
        await asyncio.sleep(0)
        self._check(kind)
        self.calls.append(("replace", kind, name, copy.deepcopy(body)))
        held = self.objects.get((kind, namespace or "", name))
        if held is None:
            raise NotFound(name)
        if body["metadata"]["resourceVersion"] != held["metadata"]["resourceVersion"]:
            raise Conflict(name)
        fields = {key: value for key, value in body.items() if key != "metadata"}
        return copy.deepcopy(self.put(kind, namespace or "", name, **fields))

    async def apply(
        self,
        kind: ApiResource,
        *,
        name: str,
        body: Mapping[str, Any],
        field_manager: str,
        namespace: str | None = None,
        subresource: str = "",
        force: Force = Force.NO,
    ) -> dict[str, Any]:
        await asyncio.sleep(0)
        call = "apply" if force is Force.NO else "force"
        self.calls.append((call, kind, name, copy.deepcopy(body)))
        if force is Force.NO:
            self._check(kind)
        held = self.objects.get((kind, namespace or "", name))
        if held is None:
            raise NotFound(name)
        fields = {key: value for key, value in held.items() if key != "metadata"} | {"status": body["status"]}
        return copy.deepcopy(self.put(kind, namespace or "", name, **fields))

    async def merge(
        self, kind: ApiResource, *, name: str, body: Mapping[str, Any], namespace: str | None = None
    ) -> dict[str, Any]:
        await asyncio.sleep(0)
        self._check(kind)
        self.calls.append(("merge", kind, name, copy.deepcopy(body)))
        return {}


def _chosen(found: Mapping[str, Any], namespace: str | None, labels: str, fields: str) -> bool:
    metadata = found["metadata"]
    if namespace and metadata["namespace"] != namespace:
        return False
    if fields and metadata["name"] != fields.removeprefix("metadata.name="):
        return False
    wanted = [pair.split("=") for pair in labels.split(",") if pair]
    return all((metadata.get("labels") or {}).get(key) == value for key, value in wanted)


async def settled(rounds: int = 50) -> None:
    """Lets everything that can happen at once happen."""
    for _ in range(rounds):
        await asyncio.sleep(0)
