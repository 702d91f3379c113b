"""Retries as a share of requests: when everything fails, retries must not double the load."""

FLOOR_RETRIES_PER_S = 1.0
"""What a route may always retry, else a quiet one never could."""
RESERVE = 10.0
"""Retries that can be saved up."""


class Budget:
    """Fills with each request and, slowly, with time; each retry takes one out. Times in seconds, monotonic."""

    def __init__(self, *, percent: int, now: float) -> None:
        self._share = percent / 100
        self._balance = RESERVE if percent else 0.0
        self._at = now

    def deposit(self) -> None:
        """A request has come."""
        self._balance += self._share

    def withdraw(self, *, now: float) -> bool:
        """Whether one more retry may be made; it counts if so. A share of 0 allows none at all."""
        if not self._share:
            return False
        gained = max(0.0, now - self._at) * FLOOR_RETRIES_PER_S
        self._at = now
        # The ceiling is applied here only, so that a deposit stays one addition on the request path.
        self._balance = min(self._balance + gained, RESERVE + self._share * 1_000)
        if self._balance < 1.0:
            return False
        self._balance -= 1.0
        return True
