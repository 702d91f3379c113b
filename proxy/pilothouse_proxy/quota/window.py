"""A sliding window that never grants too much. Pure: `now` is an argument, in seconds of a clock that never goes back.

Time is cut into buckets of a sixtieth of the window. What was taken counts until its whole bucket has left the window,
so that no interval as long as the window, wherever it starts, holds more than the amount.
"""

from collections import deque
from typing import Final, NewType

BUCKETS: Final = 60

Bucket = NewType("Bucket", int)
"""The index of a bucket since time 0; a reservation remembers its own, to give back there what was not used."""


_NONE: Final = -1
_NEVER: Final = 1 << 60


class Window:
    """The counter of one caller for one limit. At most 61 pairs, however busy.

    The two ends are kept beside the pairs: every request asks for them several times.
    """

    def __init__(self, *, window_s: float) -> None:
        self._width_s = window_s / BUCKETS
        self._buckets: deque[list[int]] = deque()
        self._oldest = _NEVER
        self._newest = _NONE
        self._last: list[int] = []
        self._total = 0

    def used(self, *, now: float) -> int:
        """What counts at `now`."""
        self._forget(now)
        return self._total

    def take(self, amount: int, *, now: float) -> Bucket:
        """Count `amount`. Whether it fits was asked before: several limits are taken together or not at all."""
        bucket = int(now / self._width_s)
        if bucket <= self._newest:
            self._last[1] += amount
        else:
            self._last = [bucket, amount]
            self._buckets.append(self._last)
            self._newest = bucket
            if self._oldest == _NEVER:
                self._oldest = bucket
        self._total += amount
        return Bucket(self._newest)

    def give_back(self, bucket: Bucket, amount: int, *, now: float) -> None:
        """So much of what was taken in `bucket` was not used. No effect once the bucket has left the window."""
        self._forget(now)
        entry = self._last if bucket == self._newest else self._find(bucket)
        if entry is not None:
            amount = min(amount, entry[1])
            entry[1] -= amount
            self._total -= amount

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
        self._forget(now)
        return 0.0 if self._newest == _NONE else self._leaves_at(self._newest) - now

    def _leaves_at(self, bucket: int) -> float:
        return (bucket + BUCKETS + 1) * self._width_s

    def _find(self, bucket: Bucket) -> list[int] | None:
        for entry in reversed(self._buckets):
            if entry[0] == bucket:
                return entry
        return None

    def _forget(self, now: float) -> None:
        oldest = int(now / self._width_s) - BUCKETS
        if self._oldest >= oldest:
            return
        buckets = self._buckets
        while buckets and buckets[0][0] < oldest:
            self._total -= buckets.popleft()[1]
        if buckets:
            self._oldest = buckets[0][0]
        else:
            self._oldest, self._newest = _NEVER, _NONE
