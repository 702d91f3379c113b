"""Secrets of the cluster: one watch, by name, for each that is referred to.

So nothing that nobody refers to enters memory, and RBAC may name the Secrets (`resourceNames` is honoured for a list or
watch with exactly this field selector).
"""

import asyncio
import base64
import binascii
import logging
import random
from collections.abc import Mapping
from typing import Any

from pilothouse_api.secret import Secret
from pilothouse_operator.kube import follow, resources
from pilothouse_operator.kube.errors import Forbidden, KubeError
from pilothouse_operator.kube.requests import Api, Listing
from pilothouse_operator.kube.stream import Event, EventType
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import Changed, SecretAbsent, SecretContent, SecretState

_log = logging.getLogger(__name__)

_Name = tuple[str, str]

# A Secret that changes a hundred times a second is told of four times.
_COALESCED_S = 0.25
_AGAIN_S = 10.0


class KubernetesSecrets:
    """Reads and watches what is wanted, as soon as it runs."""

    def __init__(self, *, api: Api, rng: random.Random, metrics: Metrics) -> None:
        self._api = api
        self._rng = rng
        self._metrics = metrics
        self._wanted: frozenset[_Name] = frozenset()
        self._states: dict[_Name, SecretContent | SecretAbsent] = {}
        self._watches: dict[_Name, asyncio.Task[None]] = {}
        self._changed: Changed | None = None
        self._due: asyncio.TimerHandle | None = None
        self._told = float("-inf")

    def want(self, references: frozenset[_Name]) -> None:
        """The (namespace, name) pairs to hold from now on; the others are forgotten."""
        self._wanted = references
        if self._changed is not None:
            self._adjust()

    def read(self, namespace: str, name: str) -> SecretContent | SecretAbsent:
        """As last seen, without I/O. During an outage of the API server that is what was seen before it."""
        pending = SecretAbsent(state=SecretState.PENDING, message=f"Secret {namespace}/{name} has not been read yet")
        return self._states.get((namespace, name), pending)

    async def run(self, changed: Changed) -> None:
        """Until cancelled."""
        self._changed = changed
        try:
            self._adjust()
            await asyncio.Event().wait()
        finally:
            self._changed = None
            watches, self._watches = self._watches, {}
            for task in watches.values():
                task.cancel()
            await asyncio.gather(*watches.values(), return_exceptions=True)
            if self._due:
                self._due.cancel()
                self._due = None

    def _adjust(self) -> None:
        for name in self._watches.keys() - self._wanted:
            self._watches.pop(name).cancel()
            self._states.pop(name, None)
        for name in sorted(self._wanted - self._watches.keys()):
            self._watches[name] = asyncio.get_running_loop().create_task(self._watch(name))
        self._metrics.secret_watches.set(len(self._watches))

    async def _watch(self, name: _Name) -> None:
        """Until cancelled: one that ended by a mistake of ours would leave a Secret as it is for ever."""
        while True:
            try:
                await self._follow(name)
            except Exception:
                _log.exception("the watch of Secret %s/%s has failed; starting it again in %g s", *name, _AGAIN_S)
            await asyncio.sleep(_AGAIN_S)

    async def _follow(self, name: _Name) -> None:
        following = follow.Following(kind=resources.SECRETS, namespace=name[0], fields=f"metadata.name={name[1]}")
        async for news in follow.follow(self._api, following, self._rng):
            state = _state(name, news)
            before = self._states.get(name)
            self._metrics.secret_reads.labels(_outcome(state)).inc()
            unknown = isinstance(state, SecretAbsent) and state.state is SecretState.UNAVAILABLE
            if unknown:
                _log.info("Secret %s/%s: %s", *name, news)
            if state != before and not (unknown and before is not None):
                self._states[name] = state
                self._tell()

    def _tell(self) -> None:
        loop = asyncio.get_running_loop()
        if self._due is None:
            self._due = loop.call_at(max(loop.time(), self._told + _COALESCED_S), self._tell_now)

    def _tell_now(self) -> None:
        self._due = None
        self._told = asyncio.get_running_loop().time()
        if self._changed is not None:
            self._changed()


def _state(name: _Name, news: Listing | Event | KubeError) -> SecretContent | SecretAbsent:
    where = f"Secret {name[0]}/{name[1]}"
    match news:
        case Forbidden():
            message = (
                f"the operator may not read {where}: bind a Role with the verbs get, list, watch on secrets "
                f"(resourceNames: [{name[1]}]) in the namespace {name[0]} to the operator's ServiceAccount"
            )
            return SecretAbsent(state=SecretState.FORBIDDEN, message=message)
        case KubeError():
            message = f"{where} cannot be read, the API server does not answer; it is tried again"
            return SecretAbsent(state=SecretState.UNAVAILABLE, message=message)
        case Listing(items=[found]):
            return SecretContent(values=decoded(found))
        case Event(type=EventType.ADDED | EventType.MODIFIED):
            return SecretContent(values=decoded(news.object))
        case _:
            return SecretAbsent(state=SecretState.NOT_FOUND, message=f"there is no {where}; create it")


def decoded(secret: Mapping[str, Any]) -> dict[str, Secret | None]:
    """The values of a Secret object; one that is not UTF-8 is None."""
    return {key: _text(value) for key, value in (secret.get("data") or {}).items()}


def _text(value: str) -> Secret | None:
    try:
        return Secret(base64.b64decode(value).decode())
    except (binascii.Error, UnicodeDecodeError):
        return None


def _outcome(state: SecretContent | SecretAbsent) -> str:
    return "ok" if isinstance(state, SecretContent) else state.state.value.replace(" ", "")
