"""Keys by a number each, the smallest first: what is due when, or who comes before whom. Pure."""

import heapq
import itertools
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Agenda(Generic[K]):
    """A heap whose keys can be moved and taken out. Equal numbers keep the order in which they were put.

    All in O(log n), amortised: what was moved or taken out stays in the heap until it comes up, or until most of the
    heap is of that kind.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._current: dict[K, tuple[float, int, K]] = {}
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._current)

    def __contains__(self, key: K) -> bool:
        return key in self._current

    def put(self, key: K, at: float) -> None:
        """Adds the key, or moves it."""
        item = self._current[key] = (at, next(self._order), key)
        heapq.heappush(self._heap, item)
        self._clean()

    def discard(self, key: K) -> None:
        """Takes the key out, if it is there."""
        self._current.pop(key, None)
        self._clean()

    def first(self) -> float | None:
        """The smallest number; None without keys."""
        return self._heap[0][0] if self._heap else None

    def take(self, *, until: float = float("inf")) -> K | None:
        """Takes out the first key, unless its number is greater than `until`."""
        if not self._heap or self._heap[0][0] > until:
            return None
        _, _, key = heapq.heappop(self._heap)
        del self._current[key]
        self._clean()
        return key

    def _clean(self) -> None:
        """The head of the heap is always a key that counts."""
        if len(self._heap) > 2 * len(self._current) + 16:
            self._heap = list(self._current.values())
            heapq.heapify(self._heap)
        while self._heap and self._current.get(self._heap[0][2]) is not self._heap[0]:
            heapq.heappop(self._heap)
