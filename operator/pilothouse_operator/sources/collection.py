"""One kind in a cluster: its ledgers, its CRD, and what is wrong with either."""

import logging
from collections.abc import Mapping
from typing import Any

from pilothouse_api.conditions import Problem, Reason
from pilothouse_operator.compile.world import Kind, Resource, ResourceKey
from pilothouse_operator.kube import resources
from pilothouse_operator.kube.errors import Forbidden, KubeError, NotFound
from pilothouse_operator.kube.requests import Api, Listing
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import Clock
from pilothouse_operator.sources.crds import Crds
from pilothouse_operator.sources.ledger import Item, Ledger, Move, Sight
from pilothouse_operator.sources.standing import REFILL_S, Belief, Crd, Service, Standing
from pilothouse_operator.sources.watch import WatchScope

_log = logging.getLogger(__name__)

_LIST_DEADLINE_S = 5.0
_AWAY_S = 1.5
_REFUSED_S = REFILL_S / 6


class Collection:
    """Everything of one kind that `scope` chooses."""

    def __init__(self, kind: Kind, *, api: Api, scope: WatchScope, clock: Clock, metrics: Metrics) -> None:
        self._kind = kind
        self._api = api
        self._crds = Crds(api)
        self._selector = scope.selector
        self._clock = clock
        self._metrics = metrics
        self._name = resources.of(kind).full_name
        self._ledgers = {
            namespace: Ledger(read=lambda item: _resource(kind, item), same=_alike)
            for namespace in scope.namespaces or ("",)
        }
        self._standing = Standing()
        self._doubts: list[Mapping[str, Any]] = []
        self.listed = False
        """Whether there is a complete view."""
        self.served = False
        """Whether the API has the kind and we may list it: whether a watch makes sense."""
        self.fault = f"{self._name}: not listed yet"
        """What cannot be seen at the moment, and what to do; empty when all is well."""
        self.retry_s: float | None = _AWAY_S
        """When to list again because of a fault; None without one."""

    @property
    def newest(self) -> int:
        """Highest resourceVersion heard of."""
        return max(0, *(ledger.newest for ledger in self._ledgers.values()))

    def resources(self) -> dict[ResourceKey, Resource]:
        """What is there, or stands although its CRD is gone."""
        return {found.key: found for ledger in self._ledgers.values() for found in ledger.values().values()}

    def see(self, event: Mapping[str, Any]) -> Move:
        """One event. A deletion waits for `confirm`: it may be its CRD that somebody deleted."""
        if event["type"] == "DELETED" or event["object"]["metadata"].get("deletionTimestamp"):
            self._doubts.append(event)
            return Move.NOTHING
        return self._settle(event)

    @property
    def doubtful(self) -> bool:
        """Whether deletions wait for `confirm`."""
        return bool(self._doubts)

    async def confirm(self) -> Move | None:
        """Settles the deletions heard of. None: only a list can tell."""
        doubts, self._doubts = self._doubts, []
        try:
            crd = await self._crds.look(self._kind)
        except KubeError as error:
            _log.debug("deletions are left to the next list: %s", error)
            return None
        if not self._standing.deletion_belief(crd):
            return None
        return max((self._settle(event) for event in doubts), default=Move.NOTHING)

    async def list(self) -> Move:
        """Compares with what the API server has."""
        try:
            listings = [await self._page(namespace) for namespace in self._ledgers]
            # After the lists: a CRD that still stands now has not taken the objects along that they lack.
            crd = await self._crds.look(self._kind)
        except NotFound:
            return self._unserved(Crd(Service.GONE))
        except Forbidden as error:
            self.served = False
            return self._fail(f"{self._name}: the right to list and watch them is missing: {error}", _REFUSED_S)
        except KubeError as error:
            return self._fail(f"{self._name} cannot be listed: {error}", _AWAY_S)
        if crd.service is not Service.SERVED:
            return self._unserved(crd)
        self.served = True
        listed = sum(len(listing.items) for listing in listings)
        belief = self._believe(crd, listed)
        try:
            moves = [_take(ledger, new, belief) for ledger, new in zip(self._ledgers.values(), listings, strict=True)]
        except ValueError as error:
            return self._fail(
                f"{self._name}: resource versions of this API server cannot be ordered: {error}", _REFUSED_S
            )
        if self._standing.held:
            until = "a while longer, unless it comes back" if self._standing.refilling else "until it is back"
            self._fail(f"the CRD {self._name} was deleted: what it last held stays in force {until}", _REFUSED_S)
        else:
            self.fault, self.retry_s = "", None
        first, self.listed = not self.listed, True
        self._measure()
        return Move.CONTENT if first else max(moves)

    async def _page(self, namespace: str) -> Listing:
        return await self._api.list(
            resources.of(self._kind),
            namespace=namespace or None,
            labels=self._selector,
            deadline_s=_LIST_DEADLINE_S,
        )

    def _believe(self, crd: Crd, listed: int) -> Belief:
        known, now = len(self.resources()), self._clock.monotonic()
        return self._standing.list_belief(crd, listed=listed, known=known, now=now)

    def _unserved(self, crd: Crd) -> Move:
        self.served = False
        self._believe(crd, 0)
        self._measure()
        state = "is not installed" if crd.service is Service.GONE else "is being deleted"
        stands = "; what it last held stays in force until it is back" if self._standing.held else ""
        return self._fail(f"the CRD {self._name} {state}: install the CRDs of the chart{stands}", _REFUSED_S)

    def _fail(self, fault: str, retry_s: float) -> Move:
        self.fault, self.retry_s = fault, retry_s
        return Move.NOTHING

    def _settle(self, event: Mapping[str, Any]) -> Move:
        item = event["object"]
        ledger = self._ledgers.get("") or self._ledgers.get(item["metadata"]["namespace"])
        if ledger is None:
            return Move.NOTHING
        return ledger.see(item, Sight.ABSENT if event["type"] == "DELETED" else Sight.PRESENT)

    def _measure(self) -> None:
        self._metrics.source_held.labels(self._kind).set(self._standing.held)
        self._metrics.source_objects.labels(self._kind).set(len(self.resources()))


def _take(ledger: Ledger[Resource], listing: Listing, belief: Belief) -> Move:
    if belief is Belief.NOTHING:
        return Move.NOTHING
    if belief is Belief.ADDITIONS:
        return max((ledger.see(item, Sight.PRESENT) for item in listing.items), default=Move.NOTHING)
    return ledger.take(listing.items, int(listing.version))


def _resource(kind: Kind, item: Item) -> Resource:
    metadata, spec, status = item["metadata"], item.get("spec"), item.get("status")
    key = ResourceKey(kind, metadata["namespace"], metadata["name"])
    problem = Problem(reason=Reason.INVALID, message=f"{key} has no spec", field="spec")
    return Resource(
        key=key,
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        generation=metadata.get("generation", 0),
        created=metadata["creationTimestamp"],
        spec=spec if isinstance(spec, dict) else {},
        status=status if isinstance(status, dict) else {},
        labels=metadata.get("labels") or {},
        problem=None if isinstance(spec, dict) else problem,
    )


def _alike(before: Resource, after: Resource) -> bool:
    return (before.uid, before.generation, before.labels, before.spec) == (
        after.uid,
        after.generation,
        after.labels,
        after.spec,
    )
