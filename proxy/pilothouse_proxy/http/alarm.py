"""A timer that is cheap to put off."""

import asyncio
from collections.abc import Callable
from typing import Final

_NEVER: Final = float("inf")


class Alarm:
    """One deadline of one connection.

    Moving the deadline later, or clearing it, only writes an attribute: the timer underneath fires at its old time,
    sees that nothing is due and arms itself anew. Only an earlier deadline costs a new timer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring: Callable[[], None] | None = ring
        self._deadline = _NEVER
        self._due = _NEVER
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Ring in so many seconds, whatever was set before."""
        self._deadline = deadline = self._loop.time() + seconds
        if deadline < self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._due = deadline
            self._timer = self._loop.call_at(deadline, self._fire)

    def clear(self) -> None:
        """Do not ring."""
        self._deadline = _NEVER

    def stop(self) -> None:
        """Never ring again. Breaks the reference cycle with the owner."""
        self._deadline = _NEVER
        self._ring = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self._due = _NEVER
        if self._ring is None or self._deadline == _NEVER:
            return
        left = self._deadline - self._loop.time()
        # The loop's clock has a resolution of 1 ms and may fire that much early.
        if left > 0.001:
            self.set(left)
        else:
            self._deadline = _NEVER
            self._ring()
