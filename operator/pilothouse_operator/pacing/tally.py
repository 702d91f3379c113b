"""How many of the things that are kept are in which state."""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from prometheus_client import Gauge

K = TypeVar("K", bound=Hashable)


class Tally(Generic[K]):
    """Keeps a gauge with the one label `state` current, one change at a time."""

    def __init__(self, gauge: Gauge, states: Iterable[str]) -> None:
        self._gauge = gauge
        self._states: dict[K, str] = {}
        for state in states:
            gauge.labels(state).set(0)

    def move(self, key: K, state: str | None) -> None:
        """It is in this state now; None: it is gone."""
        before = self._states.pop(key, None)
        if state is not None:
            self._states[key] = state
        if before == state:
            return
        if before is not None:
            self._gauge.labels(before).dec()
        if state is not None:
            self._gauge.labels(state).inc()
