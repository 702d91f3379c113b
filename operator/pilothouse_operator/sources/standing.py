"""Whether it can be believed that resources are gone. Pure.

When a CRD is deleted, the API server deletes every object of its kind first, and tells so, one by one. Nobody meant to
take the fleet's configuration away: the last good resources of the kind stand until the CRD is back and refilled.
"""

import enum
from dataclasses import dataclass

REFILL_S = 30.0
"""How long after the first object of a recreated CRD the others have to come back before they count as gone."""


class Service(enum.Enum):
    """What becomes of a kind in the API."""

    SERVED = "served"
    TERMINATING = "terminating"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Crd:
    """A CRD at one moment. `uid` is empty when we may not read it; a recreated one has another."""

    service: Service
    uid: str = ""


class Belief(enum.Enum):
    """What may be taken from a list."""

    WHOLE = "whole"
    ADDITIONS = "additions"
    NOTHING = "nothing"


class Standing:
    """One kind's CRD over time."""

    def __init__(self) -> None:
        self._uid: str | None = None
        self._held = False
        self._refilling_since: float | None = None

    @property
    def held(self) -> bool:
        """Whether last good resources stand although the API has them no more."""
        return self._held

    @property
    def refilling(self) -> bool:
        """Whether objects have begun to come back; a list is due when REFILL_S are over."""
        return self._refilling_since is not None

    def list_belief(self, crd: Crd, *, listed: int, known: int, now: float) -> Belief:
        """Of a list with `listed` objects, when `known` are held. `crd` was looked at after the list was made."""
        if crd.service is not Service.SERVED:
            self._held, self._refilling_since = known > 0, None
            return Belief.NOTHING
        same = self._uid is None or self._uid == crd.uid
        if known == 0 or (same and not self._held):
            return self._believe(crd)
        self._held = True
        if listed == 0:
            self._refilling_since = None
            return Belief.NOTHING
        if self._refilling_since is None:
            self._refilling_since = now
        return self._believe(crd) if now - self._refilling_since >= REFILL_S else Belief.ADDITIONS

    def deletion_belief(self, crd: Crd) -> bool:
        """Whether an event that an object was deleted means that somebody deleted it. `crd` was looked at after it."""
        if crd.service is not Service.SERVED or (self._uid is not None and self._uid != crd.uid):
            self._held = True
        return not self._held

    def _believe(self, crd: Crd) -> Belief:
        self._uid, self._held, self._refilling_since = crd.uid, False, None
        return Belief.WHOLE
