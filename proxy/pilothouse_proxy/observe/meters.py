"""Counters and histograms as plain numbers: counting is one addition, the text is made when somebody scrapes.

The children of a family are bound when a snapshot is built and dropped with it; their labels are names of the
configuration, never a client's own words, so that nobody can make them grow.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""From an answer out of memory to the longest generation."""


class Counter:
    """One series."""

    def __init__(self) -> None:
        self.value = 0.0


class Histogram:
    """One series: `counts[i]` are the values in (bound i-1, bound i], the last one those above all bounds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds


Series = TypeVar("Series", bound=Counter | Histogram)


class Family(Generic[Series]):
    """All series of one metric, by their label values."""

    def __init__(self, kind: type[Series], name: str, description: str, labels: tuple[str, ...]) -> None:
        self.kind = kind
        self.name = name
        self.description = description
        self.labels = labels
        self._series: dict[tuple[str, ...], Series] = {}

    def series(self, *values: str) -> Series:
        """The one with these label values, made at 0 on first use."""
        found = self._series.get(values)
        if found is None:
            found = self._series[values] = self.kind()
        return found

    def items(self) -> Iterator[tuple[tuple[str, ...], Series]]:
        """(label values, series), sorted."""
        return iter(sorted(self._series.items()))

    def keep(self, first_labels: set[str]) -> None:
        """Drop the series whose first label is none of these: its route or provider is gone."""
        self._series = {values: series for values, series in self._series.items() if values[0] in first_labels}
