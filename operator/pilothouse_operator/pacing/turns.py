"""Whose turn it is: keys that come up at a time each, call their services, and come up again.

One call a key at a time. Of the keys that are due the most urgent goes first, at the pace of its target.
"""

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pilothouse_operator.pacing.agenda import Agenda
from pilothouse_operator.pacing.frames import frames
from pilothouse_operator.pacing.limiter import Answer, Call, Limiter
from pilothouse_operator.ports import Clock

_log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

# Over all targets: each call may hold a thread and some connections.
_AT_ONCE = 64
_AGAIN_S = 60.0
# Without success for longer than that, a service with failures counts as down.
_DOWN_S = 10.0
# A service's trouble is everybody's: one line for all, now and then.
_TOLD_EVERY_S = 300.0
_TROUBLE = {Answer.UNAVAILABLE: "does not answer as it should", Answer.THROTTLED: "asks to slow down"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """How a call went, and when the key comes up again (seconds of the monotonic clock)."""

    answer: Answer
    again_at: float
    urgency: float
    """The smaller, the sooner it goes when it is due."""
    retry_after_s: float | None = None


@dataclass(slots=True, eq=False)
class _Lane(Generic[K]):
    target: Hashable
    limiter: Limiter = field(default_factory=Limiter)
    due: Agenda[K] = field(default_factory=Agenda)
    members: int = 0
    unanswered: set[K] = field(default_factory=set)
    """Those whose last call found the service not well."""
    good_at: float = float("-inf")
    told_at: float = float("-inf")


@dataclass(slots=True)
class _Place(Generic[K]):
    lane: _Lane[K]
    urgency: float


@dataclass(slots=True, eq=False)
class _Flight(Generic[K]):
    lane: _Lane[K]
    call: Call
    task: asyncio.Task[Turn]
    outdated: bool = False
    """The key was taken out meanwhile: it may be back, but this call was not for it."""
    again_at: float | None = None
    """When the key was asked for meanwhile."""


class Turns(Generic[K]):
    """Runs `call` for each key when its turn has come. It bounds its own time, and its exceptions are mistakes."""

    def __init__(self, *, clock: Clock, call: Callable[[K], Coroutine[Any, Any, Turn]]) -> None:
        self._clock = clock
        self._call = call
        self._places: dict[K, _Place[K]] = {}
        self._waiting: Agenda[K] = Agenda()
        self._lanes: dict[Hashable, _Lane[K]] = {}
        self._openings: Agenda[_Lane[K]] = Agenda()
        self._flights: dict[K, _Flight[K]] = {}
        self._wake = asyncio.Event()

    def put(self, key: K, *, target: Hashable, at: float, urgency: float) -> None:
        """From now on, or anew: the key's next turn. If it is being called just now, the one after that."""
        place = self._places.get(key)
        if place is not None and place.lane.target != target:
            self.drop(key)
            place = None
        if place is None:
            lane = self._lanes.setdefault(target, _Lane(target))
            lane.members += 1
            place = self._places[key] = _Place(lane, urgency)
        place.urgency = urgency
        place.lane.due.discard(key)
        if key in self._flights:
            self._flights[key].again_at = at
        else:
            self._waiting.put(key, at)
        self._wake.set()

    def restart(self, key: K, *, target: Hashable, at: float, urgency: float) -> None:
        """The same for a key that stands for something else from now on: what a call under way gives counts no more."""
        lane = self._lanes.setdefault(target, _Lane(target))
        lane.members += 1  # so that the last of a lane does not take with it what was learnt of the target
        self.drop(key)
        self.put(key, target=target, at=at, urgency=urgency)
        lane.members -= 1

    def drop(self, key: K) -> None:
        """No more turns; a call that is under way is cancelled, and what it gives counts no more."""
        place = self._places.pop(key, None)
        if place is None:
            return
        self._waiting.discard(key)
        place.lane.due.discard(key)
        place.lane.unanswered.discard(key)
        place.lane.members -= 1
        if not place.lane.members:
            del self._lanes[place.lane.target]
            self._openings.discard(place.lane)
        flight = self._flights.get(key)
        if flight is not None:
            flight.outdated, flight.again_at = True, None
            flight.task.cancel()

    def under_way(self, key: K) -> bool:
        """Whether it is being called just now."""
        flight = self._flights.get(key)
        return flight is not None and not flight.outdated and not flight.task.done()

    async def run(self) -> None:
        """Until cancelled. Calls that this cuts off come up again when it runs again."""
        try:
            while True:
                self._wake.clear()
                self._step(self._clock.monotonic())
                await self._sleep()
        finally:
            tasks = [flight.task for flight in self._flights.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _step(self, now: float) -> None:
        while (key := self._waiting.take(until=now)) is not None:
            place = self._places[key]
            place.lane.due.put(key, place.urgency)
            self._plan(place.lane, now)
        while len(self._flights) < _AT_ONCE and (lane := self._openings.take(until=now)) is not None:
            due = lane.due.take()
            if due is not None:
                self._start(due, lane, now)
            self._plan(lane, now)

    def _plan(self, lane: _Lane[K], now: float) -> None:
        """When the lane may start its next call, if it has one to start."""
        opens_at = lane.limiter.opens_at(now) if len(lane.due) else None
        if opens_at is None:
            self._openings.discard(lane)
        else:
            self._openings.put(lane, opens_at)

    async def _sleep(self) -> None:
        full = len(self._flights) >= _AT_ONCE
        moments = [at for at in (self._waiting.first(), None if full else self._openings.first()) if at is not None]
        pause = max(min(moments) - self._clock.monotonic(), 0.0) if moments else None
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _start(self, key: K, lane: _Lane[K], now: float) -> None:
        call = lane.limiter.start(now, waiting=len(lane.due))
        task = asyncio.get_running_loop().create_task(self._call(key))
        self._flights[key] = _Flight(lane, call, task)
        # Not a `finally` of the coroutine: one that is cancelled before its first step never gets there.
        task.add_done_callback(functools.partial(self._landed, key))

    def _landed(self, key: K, task: asyncio.Task[Turn]) -> None:
        flight = self._flights.pop(key)
        now = self._clock.monotonic()
        turn = self._turn_of(flight, task, now)
        place = self._places.get(key)
        if flight.again_at is not None:
            self._waiting.put(key, flight.again_at)
        elif place is not None and not flight.outdated:
            place.urgency = turn.urgency if turn is not None else place.urgency
            self._waiting.put(key, turn.again_at if turn is not None else now if task.cancelled() else now + _AGAIN_S)
        if turn is not None and place is not None and not flight.outdated:
            self._learn(flight.lane, key, turn.answer, now)
        if flight.lane.members:
            self._plan(flight.lane, now)
        self._wake.set()

    def _turn_of(self, flight: _Flight[K], task: asyncio.Task[Turn], now: float) -> Turn | None:
        """What the call has come to; None: it was cut off, or failed by a mistake."""
        limiter = flight.lane.limiter
        if task.cancelled():
            limiter.cancelled()
            return None
        if (error := task.exception()) is not None:
            _log.error("a turn has failed, which it should not; the next is in %g s: %s", _AGAIN_S, frames(error))
            limiter.cancelled()
            return None
        turn = task.result()
        limiter.ended(flight.call, turn.answer, now=now, retry_after_s=turn.retry_after_s)
        return turn

    def _learn(self, lane: _Lane[K], key: K, answer: Answer, now: float) -> None:
        """Where a service was down, its first success is for all: nobody sits out a pause that was for the outage."""
        if answer in _TROUBLE and now - lane.told_at > _TOLD_EVERY_S:
            lane.told_at = now
            _log.warning("%s %s; calls to it are spaced out", lane.target, _TROUBLE[answer])
        if answer is Answer.UNAVAILABLE:
            lane.unanswered.add(key)
            return
        lane.unanswered.discard(key)
        if answer is not Answer.GOOD:
            return
        if now - lane.good_at > _DOWN_S:
            for other in lane.unanswered:
                if other in self._waiting:
                    self._waiting.put(other, now)
            lane.unanswered.clear()
        lane.good_at = now
