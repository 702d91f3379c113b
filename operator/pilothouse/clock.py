"""The machine's clocks, for whoever is started from the command line."""

import time


class SystemClock:
    """Time as the operating system tells it, in seconds."""

    def monotonic(self) -> float:
        """For spans: never goes back."""
        return time.monotonic()

    def wall(self) -> float:
        """Unix time."""
        return time.time()
