"""Hours in an instant: an event loop whose clock jumps to whatever is due next.

`run(scenario)` instead of `asyncio.run`, `clock()` within it. Nothing outside the loop (threads, sockets) can be waited
for: when nothing is due, nothing will ever be, and that is an error.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

WALL = 1_800_000_000.0
"""Unix time at which the loop's clock began, at 0."""


class _Jumping(selectors.SelectSelector):
    """Instead of waiting, the clock is moved by as much."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing is due, and nobody else will wake the loop")
            self.now += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time is that of the jumping clock."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        # What is due at 0.1 + 0.2 is due at 0.3 too.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._jumping.now


class VirtualClock:
    """The port `Clock`: the running loop's time. `skew_s` sets the wall clock forward or back."""

    def __init__(self) -> None:
        self.skew_s = 0.0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return WALL + self.monotonic() + self.skew_s


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """What the scenario gives. Tasks that it leaves behind are cancelled; what they failed of is raised."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        unhandled: list[dict[str, Any]] = []
        runner.get_loop().set_exception_handler(lambda _, context: unhandled.append(context))
        result = runner.run(scenario)
    assert not unhandled, unhandled
    return result
