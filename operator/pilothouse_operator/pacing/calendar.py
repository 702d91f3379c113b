"""Spreads what is planned: of some random moments the one at which the least is planned already. Pure."""

import random

_SLOT_S = 1.0
_CHOICES = 4


class Calendar:
    """How much is planned in each second.

    The fullest second of n plans in n seconds that were drawn blindly has about ln n / ln ln n of them, that of the
    best of d draws ln ln n / ln d (Azar, Broder, Karlin, Upfal: Balanced Allocations, 1994).
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._planned: dict[int, int] = {}

    def plan(self, *, earliest: float, latest: float) -> float:
        """A moment between the two; it counts until it is given back."""
        drawn = [self._rng.uniform(earliest, latest) for _ in range(_CHOICES)]
        at = min(drawn, key=lambda moment: self._planned.get(_slot(moment), 0))
        self._planned[_slot(at)] = self._planned.get(_slot(at), 0) + 1
        return at

    def give_back(self, at: float) -> None:
        """What was planned then has been done, or will not be."""
        left = self._planned[_slot(at)] - 1
        if left:
            self._planned[_slot(at)] = left
        else:
            del self._planned[_slot(at)]

    def __len__(self) -> int:
        return sum(self._planned.values())


def _slot(moment: float) -> int:
    return int(moment // _SLOT_S)
