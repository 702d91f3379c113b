"""Which replica writes: the holder of a Lease.

Whether a holder is alive is judged on our own monotonic clock, since its record last changed, never by comparing the
times in the record with ours. https://kubernetes.io/docs/concepts/architecture/leases/
"""

import asyncio
import logging
import random
from datetime import UTC, datetime
from typing import Any

from pilothouse_operator.kube import resources
from pilothouse_operator.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import Clock

_log = logging.getLogger(__name__)

DURATION_S = 15
"""How long a record that does not change keeps others away."""
_RENEWED_WITHIN_S = 10.0
_RETRY_S = 2.0
_RELEASE_S = 1.0


class Elector:
    """One candidate. Two leaders for a moment do no harm: both write the same function of the same world."""

    def __init__(
        self,
        *,
        api: Api,
        namespace: str,
        release: str,
        identity: str,
        clock: Clock,
        rng: random.Random,
        metrics: Metrics,
    ) -> None:
        """`identity` must be new with each start of the process."""
        self._api = api
        self._namespace = namespace
        self._name = resources.lease_name(release)
        self._identity = identity
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._renewed = float("-inf")
        self._record: tuple[str, dict[str, Any]] = ("", {})
        self._changed = 0.0
        self._led = False

    @property
    def is_leader(self) -> bool:
        """Asked before each write: a process that was frozen finds its time over before it writes again."""
        return self._clock.monotonic() - self._renewed < _RENEWED_WITHIN_S

    async def run(self) -> None:
        """Until cancelled; then the lease is released, so that another replica takes over at once."""
        try:
            while True:
                await self._turn()
                await asyncio.sleep(_RETRY_S * self._rng.uniform(0.8, 1.2))
        finally:
            if self.is_leader:
                self._renewed = float("-inf")
                # What is left of it when the process ends expires by itself.
                await asyncio.shield(self._release())

    async def _turn(self) -> None:
        try:
            await self._claim()
        except (Conflict, AlreadyExists):
            pass  # somebody was faster; the next turn sees who
        except KubeError as error:
            _log.warning("the lease %s/%s: %s", self._namespace, self._name, error)
        if self.is_leader != self._led:
            self._led = not self._led
            self._metrics.leader.set(self._led)
            if self._led:
                self._metrics.leader_transitions.inc()
            _log.info(
                "this replica %s", "leads: it writes status" if self._led else "leads no more: it writes no status"
            )

    async def _claim(self) -> None:
        # Counted from before the call: when the answer comes, others may already have waited that long.
        now = self._clock.monotonic()
        try:
            lease = await self._api.get(
                resources.LEASES, namespace=self._namespace, name=self._name, deadline_s=_RENEWED_WITHIN_S / 2
            )
        except NotFound:
            body = {"metadata": {"name": self._name}, "spec": self._spec({})}
            await self._api.create(
                resources.LEASES, namespace=self._namespace, body=body, deadline_s=_RENEWED_WITHIN_S / 2
            )
            self._renewed = now
            return
        spec = lease.get("spec") or {}
        record = (str(lease["metadata"]["uid"]), spec)
        if record != self._record:
            self._record, self._changed = record, now
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self._identity):
            if now - self._changed < (spec.get("leaseDurationSeconds") or DURATION_S):
                self._renewed = float("-inf")
                return
            _log.info("%s has not renewed the lease in time", holder)
        lease["spec"] = self._spec(spec)
        await self._replace(lease, _RENEWED_WITHIN_S / 2)
        self._renewed = now

    async def _release(self) -> None:
        try:
            lease = await self._api.get(
                resources.LEASES, namespace=self._namespace, name=self._name, deadline_s=_RELEASE_S
            )
            if (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                lease["spec"] = self._spec(lease["spec"]) | {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._replace(lease, _RELEASE_S)
        except KubeError as error:
            _log.info("the lease was not released, it expires in %d s: %s", DURATION_S, error)

    async def _replace(self, lease: dict[str, Any], deadline_s: float) -> None:
        """With the resourceVersion that was read: of two candidates one gets a conflict."""
        await self._api.replace(
            resources.LEASES, namespace=self._namespace, name=self._name, body=lease, deadline_s=deadline_s
        )

    def _spec(self, before: dict[str, Any]) -> dict[str, Any]:
        # The API takes exactly six decimals; a bare isoformat() leaves them out once in a million.
        now = datetime.fromtimestamp(self._clock.wall(), UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        same = before.get("holderIdentity") == self._identity
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": DURATION_S,
            "renewTime": now,
            "acquireTime": before.get("acquireTime", now) if same else now,
            "leaseTransitions": (before.get("leaseTransitions") or 0) + (0 if same or not before else 1),
        }
