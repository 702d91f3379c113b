"""Secrets that take the place of others: made, stored, and the former ones revoked when the store has shown them."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster import sign_ins
from tests.cluster.estate import Estate, Ledger
from tests.cluster.sign_ins import KUBERNETES, Kind

_LOOK_S = 0.2


@dataclass(slots=True, eq=False)
class Rotation:
    """`secret` in place of `former`. `stored`: when it had been put into its store, in Unix seconds."""

    kind: Kind
    turn: int
    secret: str
    former: str
    stored: float
    revoked: bool = False

    def shown(self, ledger: Ledger) -> float | None:
        """When its store first gave it out. The API server tells everybody at once."""
        return self.stored if self.kind.store == KUBERNETES else ledger.shown.get(self.secret)


class Turns:
    """`done`: all rotations so far. A former secret is revoked `grace_s` after its successor was shown."""

    def __init__(self, estate: Estate, apply: Callable[..., None], *, grace_s: float) -> None:
        self._estate = estate
        self._apply = apply
        self._grace_s = grace_s
        self.done: list[Rotation] = []

    def rotate(self, kind: Kind, turn: int) -> None:
        """One secret, for the `turn`th time."""
        secret = sign_ins.rotate(kind, turn, self._estate, self._apply)
        self.done.append(Rotation(kind, turn, secret, f"{kind.name}/{turn - 1}", time.time()))

    def until(self, end: float) -> None:
        """Revokes what is due, until `end` (monotonic)."""
        while True:
            self.settled()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _LOOK_S))

    def settled(self) -> bool:
        """Revokes what is due; whether nothing is left to revoke."""
        waiting = [rotation for rotation in self.done if not rotation.revoked]
        ledger = self._estate.ledger()
        for rotation in waiting:
            shown = rotation.shown(ledger)
            if shown is not None and time.time() - shown >= self._grace_s:
                self._estate.revoke_key(rotation.former)
                rotation.revoked = True
        return all(rotation.revoked for rotation in waiting)
