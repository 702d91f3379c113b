"""Counters in the memory of this process."""

from typing import NamedTuple

from pilothouse_api.names import QuotaKey
from pilothouse_proxy.quota.window import Window

CROWD = 1_024
"""Fewer callers than that are not worth looking through."""


class LimitKey(NamedTuple):
    """What identifies a limit through all changes of the configuration. Its amount may change: what was used stays."""

    quota: QuotaKey
    resource: str
    window: str


class Counters:
    """The counters of one limit, by caller."""

    def __init__(self, *, window_s: int) -> None:
        self.window_s = window_s
        self._windows: dict[str, Window] = {}
        self._sweep_at = CROWD

    def of(self, caller: str, *, now: float) -> Window:
        """The caller's counter, made on first use. Idle ones make room before there are twice as many as are busy."""
        window = self._windows.get(caller)
        if window is None:
            if len(self._windows) >= self._sweep_at:
                self.sweep(now=now)
                self._sweep_at = max(CROWD, 2 * len(self._windows))
            window = self._windows[caller] = Window(window_s=self.window_s)
        return window

    def sweep(self, *, now: float) -> dict[str, int]:
        """Drop the counters that count nothing any more; what is used of the others."""
        used = {caller: window.used(now=now) for caller, window in self._windows.items()}
        for caller, amount in used.items():
            if not amount:
                del self._windows[caller]
        return {caller: amount for caller, amount in used.items() if amount}


class Store:
    """All counters. They outlive the snapshot whose quotas made them, as long as the limit is still in the next one."""

    def __init__(self) -> None:
        self._limits: dict[LimitKey, Counters] = {}

    def counters(self, key: LimitKey, *, window_s: int) -> Counters:
        """Those of one limit, made on first use."""
        found = self._limits.get(key)
        if found is None or found.window_s != window_s:
            found = self._limits[key] = Counters(window_s=window_s)
        return found

    def keep(self, keys: set[LimitKey]) -> None:
        """Forget the limits that no snapshot names any more."""
        self._limits = {key: counters for key, counters in self._limits.items() if key in keys}
