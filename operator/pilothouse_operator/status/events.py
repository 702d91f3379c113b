"""Kubernetes Events on transitions. All that they tell is in a condition too: they expire after an hour.

https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pilothouse_api.conditions import ConditionStatus, ConditionType, Reason
from pilothouse_api.names import API_VERSION, GROUP
from pilothouse_operator.compile.world import Resource, ResourceKey
from pilothouse_operator.kube import resources
from pilothouse_operator.kube.errors import AlreadyExists, KubeError
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import Clock
from pilothouse_operator.status.patch import Transition, cut

_log = logging.getLogger(__name__)

_BURST = 10
_ONE_EACH_S = 300.0
_SERIES_S = 360.0
_WAITING = 500
_LONGEST_NOTE_BYTES = 1024
# Passing states of every rollout: conditions and counts show them.
_PASSING = frozenset({Reason.PROGRESSING, Reason.PENDING, Reason.NO_PROXIES})


@dataclass(slots=True)
class _Budget:
    """A bucket of one resource."""

    left: float
    at: float


@dataclass(slots=True)
class _Series:
    """An event that may be repeated."""

    name: str
    count: int
    at: float


@dataclass(frozen=True, slots=True)
class _Note:
    """What is to be told."""

    resource: Resource
    type: str
    action: ConditionType
    reason: Reason
    text: str


class Events:
    """Posts in the background; what cannot be posted is counted and forgotten."""

    def __init__(self, *, api: Api, clock: Clock, metrics: Metrics, replica: str) -> None:
        """`replica` stands in each event as its reporting instance."""
        self._api = api
        self._clock = clock
        self._metrics = metrics
        self._replica = replica[:128]
        self._budgets: dict[ResourceKey, _Budget] = {}
        self._series: dict[tuple[str, ConditionType, Reason, str], _Series] = {}
        self._waiting: asyncio.Queue[_Note] = asyncio.Queue(_WAITING)

    def record(self, resource: Resource, transition: Transition) -> None:
        """Tells of a transition that somebody wants to know of; without I/O."""
        type_ = _type(transition)
        if type_ is None:
            return
        after = transition.after
        note = _Note(resource, type_, after.type, after.reason, cut(after.message, _LONGEST_NOTE_BYTES))
        if not self._spend(resource.key):
            self._metrics.events.labels("overbudget").inc()
            return
        try:
            self._waiting.put_nowait(note)
        except asyncio.QueueFull:
            self._metrics.events.labels("dropped").inc()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            note = await self._waiting.get()
            try:
                await self._post(note)
            except KubeError as error:
                # A namespace that is being deleted takes no events, and a missing right is no reason to stop.
                _log.info("an event on %s was not posted: %s", note.resource.key, error)
                self._metrics.events.labels("failed").inc()
            else:
                self._metrics.events.labels("ok").inc()

    def _spend(self, key: ResourceKey) -> bool:
        now = self._clock.monotonic()
        budget = self._budgets.setdefault(key, _Budget(_BURST, now))
        budget.left = min(_BURST, budget.left + (now - budget.at) / _ONE_EACH_S)
        budget.at = now
        if budget.left < 1:
            return False
        budget.left -= 1
        if len(self._budgets) > 4 * _WAITING:
            self._budgets = {of: kept for of, kept in self._budgets.items() if now - kept.at < _BURST * _ONE_EACH_S}
        return True

    async def _post(self, note: _Note) -> None:
        now = self._clock.monotonic()
        self._series = {key: series for key, series in self._series.items() if now - series.at < _SERIES_S}
        key = (note.resource.uid, note.action, note.reason, note.text)
        series = self._series.get(key)
        if series is not None:
            series.count, series.at = series.count + 1, now
            repeat = {"series": {"count": series.count, "lastObservedTime": self._time()}}
            await self._api.merge(
                resources.EVENTS, namespace=note.resource.key.namespace, name=series.name, body=repeat
            )
            return
        body = self._body(note)
        try:
            await self._api.create(resources.EVENTS, namespace=note.resource.key.namespace, body=body)
        except AlreadyExists:
            pass  # a first try went through, its answer was lost
        self._series[key] = _Series(body["metadata"]["name"], 1, now)

    def _body(self, note: _Note) -> dict[str, Any]:
        key, time = note.resource.key, self._time()
        digest = hashlib.sha256(f"{note.resource.uid} {note.reason} {note.text} {time}".encode()).hexdigest()[:16]
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{key.name[:236]}.{digest}", "namespace": key.namespace},
            "eventTime": time,
            "reportingController": f"{GROUP}/operator",
            "reportingInstance": self._replica,
            "action": note.action.value,
            "reason": note.reason.value,
            "type": note.type,
            "note": note.text,
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": key.kind.value,
                "namespace": key.namespace,
                "name": key.name,
                "uid": note.resource.uid,
            },
        }

    def _time(self) -> str:
        """A `MicroTime`: exactly six decimals."""
        now = datetime.fromtimestamp(self._clock.wall(), UTC)
        return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _type(transition: Transition) -> str | None:
    """Warning, Normal, or None where nobody needs to know."""
    after = transition.after
    if after.type is ConditionType.READY and after.reason not in _PASSING:
        if after.status is ConditionStatus.FALSE:
            return "Warning"
        return "Normal" if after.status is ConditionStatus.TRUE else None
    if after.type is ConditionType.EXCEEDED:
        if after.status is ConditionStatus.TRUE:
            return "Warning"
        ended = after.status is ConditionStatus.FALSE and transition.before is ConditionStatus.TRUE
        return "Normal" if ended else None
    return None
