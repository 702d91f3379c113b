"""Applies what `patch` decides to `…/status`: one write a second for a resource, twenty a second for all.

Server-side apply leaves an object alone that says so already, keeps other managers' conditions, and tells who owns a
field that we want (409). https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pilothouse_api.names import API_VERSION
from pilothouse_operator.compile.world import Resource, ResourceKey, Verdict
from pilothouse_operator.kube import resources
from pilothouse_operator.kube.errors import Conflict, Forbidden, Invalid, KubeError, NotFound
from pilothouse_operator.kube.requests import Api, Force
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import Clock, Observation, QuotaUsage, Rollout
from pilothouse_operator.status import patch
from pilothouse_operator.status.events import Events
from pilothouse_operator.status.patch import Patch, Urgency
from pilothouse_operator.status.rivals import Rivals

_log = logging.getLogger(__name__)

_SPACING_S = {Urgency.NOW: 1.0, Urgency.LATER: 10.0}
_ALL_SPACING_S = 0.05
_ALL_BURST_S = 1.0
_YIELD_S = 16.0
_FAILED_S = 5.0
_REFUSED_S = 60.0
_IDLE_S = 30.0

_Inputs = tuple[str, Verdict, Rollout | None, QuotaUsage | None]


@dataclass(frozen=True, slots=True)
class Release:
    """An installation of Pilothouse: its namespace and name."""

    namespace: str
    name: str

    @property
    def field_manager(self) -> str:
        """Who owns the status fields that it applies."""
        return f"pilothouse/{self.namespace}/{self.name}"


@dataclass(slots=True)
class _Written:
    """What the API server answered to the last write: until a watch brings it, it is the newest that is known."""

    uid: str
    version: int
    status: Mapping[str, Any]


class StatusWriter:
    """Writes while this replica leads; otherwise it forgets."""

    def __init__(
        self,
        *,
        api: Api,
        release: Release,
        is_leader: Callable[[], bool],
        clock: Clock,
        metrics: Metrics,
        replica: str,
    ) -> None:
        """`replica` is named in events."""
        self._api = api
        self._release = release
        self._is_leader = is_leader
        self._clock = clock
        self._metrics = metrics
        self._rivals = Rivals(api=api, clock=clock)
        self._events = Events(api=api, clock=clock, metrics=metrics, replica=replica)
        self._observation: Observation | None = None
        self._settled: dict[ResourceKey, _Inputs] = {}
        self._written: dict[ResourceKey, _Written] = {}
        self._last: dict[ResourceKey, float] = {}
        self._not_before: dict[ResourceKey, tuple[str, float]] = {}
        self._yielded: dict[ResourceKey, str] = {}
        self._slot = float("-inf")
        self._updated = asyncio.Event()

    @property
    def yielded(self) -> Mapping[ResourceKey, str]:
        """Resources whose status another living release writes, and its field manager."""
        return self._yielded

    def update(self, observation: Observation) -> None:
        """Replaces what was to be shown before; without I/O."""
        self._observation = observation
        self._updated.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run())
            group.create_task(self._write_forever())

    async def _write_forever(self) -> None:
        while True:
            self._updated.clear()
            pause = await self._round()
            try:
                async with asyncio.timeout(pause):
                    await self._updated.wait()
            except TimeoutError:
                pass

    async def _round(self) -> float:
        """Writes what is due; returns the seconds until something else is."""
        observation = self._observation
        if observation is None or not self._is_leader():
            self._settled.clear()
            return _IDLE_S
        self._forget(observation)
        pause = _IDLE_S
        for key, verdict in observation.verdicts.items():
            resource = observation.world.resources.get(key)
            if resource is None:
                continue
            rollout, usage = observation.rollouts.get(key), observation.usage.get(key)
            inputs = (resource.resource_version, verdict, rollout, usage)
            if self._settled.get(key) == inputs:
                continue
            now = self._clock.monotonic()
            wait = self._put_off_s(resource, now)
            found = self._patch(resource, inputs) if wait <= 0 else None
            if wait <= 0 and found is None:
                self._settled[key] = inputs
                continue
            if found is not None:
                wait = self._last.get(key, float("-inf")) + _SPACING_S[found.urgency] - now
            if found is None or wait > 0:
                pause = min(pause, wait)
                continue
            await self._pace()
            if not self._is_leader():
                return _IDLE_S
            await self._write(resource, found, inputs)
            pause = min(pause, _SPACING_S[Urgency.NOW])
            if self._observation is not observation:
                # Something newer has come: what is left of this round would be written twice.
                return 0.0
        return pause

    def _put_off_s(self, resource: Resource, now: float) -> float:
        uid, until = self._not_before.get(resource.key, ("", now))
        return until - now if uid == resource.uid else 0.0

    def _patch(self, resource: Resource, inputs: _Inputs) -> Patch | None:
        _, verdict, rollout, usage = inputs
        try:
            return patch.patch(
                resource,
                verdict,
                rollout=rollout,
                usage=usage,
                observed=self._observed(resource),
                now=self._clock.wall(),
            )
        except Exception:
            # What stands in one status, written by whomever, must not keep all others from being written.
            _log.exception("the status of %s cannot be made up", resource.key)
            self._put_off(resource, _REFUSED_S, "failed")
            return None

    def _observed(self, resource: Resource) -> Mapping[str, Any]:
        written = self._written.get(resource.key)
        if written and written.uid == resource.uid and written.version > int(resource.resource_version):
            return written.status
        self._written.pop(resource.key, None)
        return resource.status

    async def _pace(self) -> None:
        now = self._clock.monotonic()
        self._slot = max(self._slot, now - _ALL_BURST_S) + _ALL_SPACING_S
        if self._slot > now:
            await asyncio.sleep(self._slot - now)

    async def _write(self, resource: Resource, found: Patch, inputs: _Inputs) -> None:
        key, now = resource.key, self._clock.monotonic()
        self._last[key] = now
        try:
            answer = await self._apply(resource, found)
        except NotFound:
            # Deleted meanwhile; the world will tell.
            self._settled[key] = inputs
            self._metrics.status_writes.labels("gone").inc()
        except (Forbidden, Invalid) as error:
            _log.error("the status of %s cannot be written: %s", key, error)
            self._put_off(resource, _REFUSED_S, "refused")
        except KubeError as error:
            _log.info("the status of %s was not written: %s", key, error)
            self._put_off(resource, _FAILED_S, "failed")
        else:
            if answer is not None:
                self._accept(resource, found, inputs, answer)

    def _accept(self, resource: Resource, found: Patch, inputs: _Inputs, answer: Mapping[str, Any]) -> None:
        key, metadata = resource.key, answer["metadata"]
        version, before = int(metadata["resourceVersion"]), self._written.get(key)
        if version == (before.version if before else int(resource.resource_version)):
            # The server left it as it was (it drops what its schema does not know): saying it again changes nothing.
            self._settled[key] = inputs
        self._written[key] = _Written(metadata["uid"], version, answer.get("status") or {})
        self._metrics.status_writes.labels("ok").inc()
        if self._yielded.pop(key, None):
            _log.info("the status of %s is ours again", key)
            self._metrics.status_yielded.set(len(self._yielded))
        for transition in found.transitions:
            self._events.record(resource, transition)

    async def _apply(self, resource: Resource, found: Patch) -> dict[str, Any] | None:
        """The answer, or None when we yielded to another release."""
        try:
            return await self._apply_once(resource, found, Force.NO)
        except Conflict as error:
            rival = await self._rivals.living(error.managers - {self._release.field_manager})
            if rival is None:
                return await self._apply_once(resource, found, Force.YES)
        self._yield_to(resource, rival)
        return None

    async def _apply_once(self, resource: Resource, found: Patch, force: Force) -> dict[str, Any]:
        key = resource.key
        body = {
            "apiVersion": API_VERSION,
            "kind": key.kind.value,
            "metadata": {"name": key.name, "namespace": key.namespace},
            "status": found.status,
        }
        # Only the subresource: applying the resource itself would create one that is gone.
        return await self._api.apply(
            resources.of(key.kind),
            namespace=key.namespace,
            name=key.name,
            body=body,
            field_manager=self._release.field_manager,
            subresource="status",
            force=force,
        )

    def _yield_to(self, resource: Resource, rival: str) -> None:
        key = resource.key
        if self._yielded.get(key) != rival:
            _log.warning(
                "the status of %s is left to %s, another release that is alive: give the two releases different "
                "namespaces (--watch-namespaces) or label selectors (--selector)",
                key,
                rival,
            )
        self._yielded[key] = rival
        self._metrics.status_yielded.set(len(self._yielded))
        self._put_off(resource, _YIELD_S, "yielded")

    def _put_off(self, resource: Resource, pause_s: float, outcome: str) -> None:
        self._not_before[resource.key] = (resource.uid, self._clock.monotonic() + pause_s)
        self._metrics.status_writes.labels(outcome).inc()

    def _forget(self, observation: Observation) -> None:
        """What is known of resources that are gone."""
        known = observation.world.resources.keys()
        for held in (self._settled, self._written, self._last, self._not_before, self._yielded):
            for key in held.keys() - known:
                held.pop(key)
