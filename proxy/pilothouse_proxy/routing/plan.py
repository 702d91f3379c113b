"""The order in which the targets of a route are tried."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from pilothouse_api.snapshot.routes import Target


class Order:
    """The targets of one route, by priority and weight; targets are named by their index.

    The first choice is weighted among the lowest priority. When that fails, the rest of its priority follows, weighted
    too, then those of weight 0 as they are listed, then the next priority.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        self._size = len(targets)
        self._weights = tuple(target.weight for target in targets)
        tiers: dict[tuple[int, bool], list[int]] = {}
        for index, target in enumerate(targets):
            tiers.setdefault((target.priority, target.weight == 0), []).append(index)
        self._tiers = tuple(tuple(tiers[rank]) for rank in sorted(tiers))
        self._first = self._tiers[0] if self._tiers else ()
        self._cumulative = tuple(accumulate(self._weights[index] for index in self._first))
        self._total = self._cumulative[-1] if self._cumulative else 0

    def choose(self, *, tried: int, shunned: int, point: float) -> int | None:
        """The target to try next, or None when all have been tried.

        Args:
            tried: bit mask of the targets that this request has tried.
            shunned: bit mask of those that are ejected or cooling down. They are taken only if nothing else is left.
            point: uniform in [0, 1).
        """
        if not tried and not shunned and self._total:
            return self._first[bisect_right(self._cumulative, point * self._total)]
        avoided = tried | shunned
        chosen = self._among(avoided, point)
        if chosen is None and shunned:
            chosen = self._among(tried, point)
        return chosen

    def _among(self, avoided: int, point: float) -> int | None:
        for tier in self._tiers:
            left = [index for index in tier if not avoided >> index & 1]
            if left:
                return self._weighted(left, point)
        return None

    def _weighted(self, left: list[int], point: float) -> int:
        cumulative = list(accumulate(self._weights[index] for index in left))
        if not cumulative[-1]:
            return left[0]
        return left[bisect_right(cumulative, point * cumulative[-1])]
