"""A clock that can be put forward."""

from __future__ import annotations

import time


class Ahead:
    """The machine's clock, `by_s` later."""

    def __init__(self) -> None:
        self.by_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.by_s

    def wall(self) -> float:
        return time.time() + self.by_s
