"""The World of a cluster: kopf's events make it quick, lists of our own make it right.

Lists: at the start (nothing is served before), whenever the watch ended, after each of its relists, after an outage of
the API server, and every five minutes. What they lack is gone, unless its CRD is gone too. After an outage the watch is
begun anew as well: its own line may have gone dead meanwhile, which kopf would notice more than a minute later.
"""

import asyncio
import logging
import random

from pilothouse_operator.compile.world import Kind, Resource, ResourceKey, World
from pilothouse_operator.kube.connection import Connection
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import Changed, Clock
from pilothouse_operator.sources.collection import Collection
from pilothouse_operator.sources.ledger import Move
from pilothouse_operator.sources.namespaces import Namespaces
from pilothouse_operator.sources.watch import Heard, Watch, WatchScope

_log = logging.getLogger(__name__)

_VERIFY_S = 300.0
_RELIST_LAG_S = 1.0
_REMIND_S = 60.0
_RESTART_S = (0.5, 30.0)
# Of an API server that comes and goes, each return begins the watch anew, but not more often.
_RENEWED_AT_MOST_EACH_S = 10.0
_STEADY_S = 300.0
# After a list, kopf lists for itself before it watches. What has gone between the two it never tells of, and of a list
# that is empty nothing at all.
_SETTLING_S = (1.0, 3.0, 10.0)
# Reasons for a restart that are ours; the others are names of what kopf raised.
_KINDS_CHANGED = "KindsChanged"
_RECOVERED = "Recovered"


class ClusterSource:
    """Keeps a World of the resources in a cluster that `scope` chooses. Writes nothing."""

    def __init__(
        self,
        *,
        api: Api,
        connection: Connection,
        scope: WatchScope,
        clock: Clock,
        rng: random.Random,
        metrics: Metrics,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._namespaces = Namespaces(api=api, names=scope.namespaces, rng=rng)
        self._collections = {
            kind: Collection(kind, api=api, scope=scope, clock=clock, metrics=metrics) for kind in Kind
        }
        self._watch = Watch(connection=connection, scope=scope, deliver=self._heard)
        self._world: World | None = None
        self._stale = True
        self._changed: Changed | None = None
        self._doubt = asyncio.Event()
        self._listing = asyncio.Lock()
        self._served_changed = asyncio.Event()
        self._returned = asyncio.Event()
        self._relisted: asyncio.TimerHandle | None = None
        self._confirming: set[asyncio.Task[None]] = set()
        api.on_recovery(self._recovered)

    @property
    def world(self) -> World | None:
        """None until every kind was listed once; from then on never less than a complete view."""
        if self._stale and self._complete:
            self._world, self._stale = self._build(), False
        return self._world

    @property
    def missing(self) -> tuple[str, ...]:
        """What cannot be seen at the moment, and what to do about it. Empty: all is well."""
        faults = tuple(collection.fault for collection in self._collections.values() if collection.fault)
        return faults if self._namespaces.answered else (*faults, "namespaces: not listed yet")

    async def run(self, changed: Changed) -> None:
        """Until cancelled."""
        self._changed = changed
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._namespaces.run(self._announce))
                group.create_task(self._list_forever())
                group.create_task(self._watch_forever())
                group.create_task(self._remind())
        finally:
            for task in self._confirming:
                task.cancel()

    @property
    def _complete(self) -> bool:
        return self._namespaces.answered and all(collection.listed for collection in self._collections.values())

    @property
    def _served(self) -> frozenset[Kind]:
        return frozenset(kind for kind, collection in self._collections.items() if collection.served)

    def _build(self) -> World:
        found: dict[ResourceKey, Resource] = {}
        for collection in self._collections.values():
            found |= collection.resources()
        seen = {kind.plural: str(collection.newest) for kind, collection in self._collections.items()}
        return World(resources=found, namespaces=dict(self._namespaces.labels), seen=seen)

    def _moved(self, move: Move) -> None:
        if move is not Move.NOTHING:
            self._stale = True
        if move is Move.CONTENT:
            self._announce()

    def _announce(self) -> None:
        self._stale = True
        if self._complete and self._changed:
            self._metrics.source_synced.set(1)
            self._changed()

    def _heard(self, events: list[Heard]) -> None:
        self._metrics.source_last_event.set(self._clock.wall())
        self._moved(max(self._collections[kind].see(event) for kind, event in events))
        if any(event["type"] is None for _, event in events) and self._relisted is None:
            # The watch lists anew: it may have missed deletions, and would never tell.
            self._relisted = asyncio.get_running_loop().call_later(_RELIST_LAG_S, self._relist)
        for collection in self._collections.values():
            if collection.doubtful:
                task = asyncio.get_running_loop().create_task(self._confirm(collection))
                self._confirming.add(task)
                task.add_done_callback(self._confirming.discard)

    def _recovered(self) -> None:
        self._doubt.set()
        self._returned.set()

    def _relist(self) -> None:
        self._relisted = None
        self._doubt.set()

    async def _confirm(self, collection: Collection) -> None:
        move = await collection.confirm()
        if move is None:
            self._doubt.set()
        else:
            self._moved(move)

    async def _list_forever(self) -> None:
        while True:
            self._doubt.clear()
            await self._list()
            retries = [one.retry_s for one in self._collections.values() if one.retry_s is not None]
            pause = min(retries, default=_VERIFY_S) * self._rng.uniform(0.8, 1.2)
            try:
                async with asyncio.timeout(pause):
                    await self._doubt.wait()
            except TimeoutError:
                pass

    async def _list(self) -> None:
        async with self._listing:
            served = self._served
            moves = await asyncio.gather(*(collection.list() for collection in self._collections.values()))
            self._metrics.source_last_event.set(self._clock.wall())
            if self._served != served:
                self._served_changed.set()
            self._moved(max(moves))

    async def _watch_forever(self) -> None:
        backoff = _RESTART_S[0]
        while True:
            while not (kinds := self._served):
                await self._served_changed.wait()
                self._served_changed.clear()
            began = self._clock.monotonic()
            reason = await self._watch_while(kinds)
            self._metrics.source_restarts.labels(reason).inc()
            if reason == _RECOVERED:
                # The return of the API server is no fault of the watch, and brings a list of its own.
                continue
            # An edit is not to be late by the restart, and what ended the watch may have been a CRD that is gone.
            await self._list()
            if self._clock.monotonic() - began > _STEADY_S:
                backoff = _RESTART_S[0]
            if self._served == kinds:
                await asyncio.sleep(self._rng.uniform(backoff / 2, backoff))
                backoff = min(backoff * 2, _RESTART_S[1])

    async def _watch_while(self, kinds: frozenset[Kind]) -> str:
        """Watches `kinds` until kopf ends, they are not the ones any more or an outage is over; says which."""
        self._served_changed.clear()
        self._returned.clear()
        if self._served != kinds:
            return _KINDS_CHANGED
        watching = asyncio.create_task(self._watch.run(kinds))
        changing = asyncio.create_task(self._served_changed.wait())
        recovering = asyncio.create_task(self._recovery())
        settling = asyncio.create_task(self._settle())
        tasks = (watching, changing, recovering)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                return watching.result()
            return _KINDS_CHANGED if changing.done() else _RECOVERED
        finally:
            for task in (*tasks, settling):
                task.cancel()
            await asyncio.gather(*tasks, settling, return_exceptions=True)

    async def _settle(self) -> None:
        """Lists again while the watch begins, however long that takes on a busy machine."""
        for pause in _SETTLING_S:
            await asyncio.sleep(pause)
            self._doubt.set()

    async def _recovery(self) -> None:
        began = self._clock.monotonic()
        await self._returned.wait()
        await asyncio.sleep(began + _RENEWED_AT_MOST_EACH_S - self._clock.monotonic())

    async def _remind(self) -> None:
        """Tells what is missing when it changes, and once a minute while it lasts."""
        told: tuple[str, ...] = ()
        since = self._clock.monotonic()
        while True:
            await asyncio.sleep(1)
            missing, now = self.missing, self._clock.monotonic()
            if missing and (now - since >= _REMIND_S or (missing != told and now - since >= 5)):
                _log.warning("%s: %s", "not ready" if self.world is None else "not up to date", "; ".join(missing))
                told, since = missing, now
            elif told and not missing:
                _log.info("every resource is seen again")
                told, since = (), now
