"""A sliding window that never grants too much. Pure: `now` is an argument, in seconds of a clock that never goes back.

Time is cut into buckets of a sixtieth of the window. What was taken counts until its whole bucket has left the window,
so that no interval as long as the window, wherever it starts, holds more than the amount.
"""

from collections import deque
from typing import Final, NewType

BUCKETS: Final = 60

Bucket = NewType("Bucket", int)
"""The index of a bucket since time 0; a reservation remembers its own, to give back there what was not used."""


class Window:
    """The counter of one caller for one limit. At most 61 pairs, however busy."""

    def __init__(self, *, window_s: float) -> None:
        self._width_s = window_s / BUCKETS
        self._buckets: deque[list[int]] = deque()
        self._total = 0

    def used(self, *, now: float) -> int:
        """What counts at `now`."""
        buckets = self._buckets
        if buckets and buckets[0][0] < int(now / self._width_s) - BUCKETS:
            self._forget(int(now / self._width_s))
        return self._total

    def take(self, amount: int, *, now: float) -> Bucket:
        """Count `amount`. Whether it fits was asked before: several limits are taken together or not at all."""
        bucket = int(now / self._width_s)
        buckets = self._buckets
        if buckets and buckets[-1][0] >= bucket:
            buckets[-1][1] += amount
            bucket = buckets[-1][0]
        else:
            buckets.append([bucket, amount])
        self._total += amount
        return Bucket(bucket)

    def give_back(self, bucket: Bucket, amount: int, *, now: float) -> None:
        """So much of what was taken in `bucket` was not used. No effect once the bucket has left the window."""
        self._forget(int(now / self._width_s))
        for entry in reversed(self._buckets):
            if entry[0] == bucket:
                amount = min(amount, entry[1])
                entry[1] -= amount
                self._total -= amount
                return

    def wait_s(self, amount: int, *, limit: int, now: float) -> float | None:
        """Seconds until `amount` fits under `limit` if nothing else is taken: 0 = now; None = it never will."""
        if amount > limit:
            return None
        excess = self.used(now=now) + amount - limit
        if excess <= 0:
            return 0.0
        for bucket, taken in self._buckets:
            excess -= taken
            if excess <= 0:
                return self._leaves_at(bucket) - now
        return 0.0

    def empty_in_s(self, *, now: float) -> float:
        """Seconds until nothing counts any more if nothing else is taken."""
        self._forget(int(now / self._width_s))
        return self._leaves_at(self._buckets[-1][0]) - now if self._buckets else 0.0

    def _leaves_at(self, bucket: int) -> float:
        return (bucket + BUCKETS + 1) * self._width_s

    def _forget(self, bucket: int) -> None:
        buckets = self._buckets
        oldest = bucket - BUCKETS
        while buckets and buckets[0][0] < oldest:
            self._total -= buckets.popleft()[1]
