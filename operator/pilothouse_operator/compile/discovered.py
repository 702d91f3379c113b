"""What was found out about an account, and what is known of models at large. Frozen values, and a function of them."""

from collections.abc import Callable
from dataclasses import dataclass

from pilothouse_api.conditions import Problem
from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.facts import Facts

UNKNOWN = Facts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What the account may use of a model in a minute; None: nobody tells. A hint: nothing is decided by it."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


UNTOLD = Quota()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """One model that an account lists. `name`: by which routes choose it.

    `base`: the model behind an upstream name that says nothing (an ARN, a deployment), by the name that its maker
    gives it. `obstacle`: why it cannot be called; empty: it can.
    """

    name: str
    upstream: UpstreamModel
    base: str = ""
    facts: Facts = UNKNOWN
    quota: Quota = UNTOLD
    obstacle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What an account has. `notes`: what could not be learned beside it, and what that takes."""

    models: tuple[FoundModel, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """Either, both or (not asked yet) neither: a `problem` beside models means that the last list stands."""

    models: tuple[FoundModel, ...] | None = None
    notes: tuple[str, ...] = ()
    problem: Problem | None = None


Catalogue = Callable[[str, str], Facts]
"""(place, name of a model) → what is known of it at large. A place is a kind of provider, or the URL of a server."""


def knows_nothing(place: str, name: str) -> Facts:
    """A catalogue without entries."""
    return UNKNOWN
