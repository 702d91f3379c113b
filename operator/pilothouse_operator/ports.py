"""Interfaces with more than one implementation; they stand below all of these."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NewType, Protocol

from pilothouse_api.conditions import Problem
from pilothouse_api.names import Scope
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import Credential
from pilothouse_api.snapshot.identity import Identity
from pilothouse_api.snapshot.stream import LimitUse, Subject
from pilothouse_operator.compile.world import ResourceKey, SecretRef, SignIn, Verdict, World

FieldPath = NewType("FieldPath", str)
"""Where in a resource: `spec.targets[1].model`."""

Changed = Callable[[], None]
"""Called, on the main loop, whenever something may have changed. Cheap; the reconciler debounces."""


class Source(Protocol):
    """Keeps a World current: a cluster, or a directory of manifests."""

    @property
    def world(self) -> World | None:
        """The newest complete view; None until there is one. Never an incomplete one: it would erase the fleet."""
        ...

    async def run(self, changed: Changed) -> None:
        """Until cancelled. Survives every outage of what it watches."""
        ...


class SecretState(enum.StrEnum):
    """Why a Secret has no value."""

    PENDING = "pending"
    NOT_FOUND = "not found"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretContent:
    """One Secret as last read: keys and decoded values. A value that is not UTF-8 is None."""

    values: Mapping[str, Secret | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretAbsent:
    """No content, and why; `message` is for the condition."""

    state: SecretState
    message: str


class SecretStore(Protocol):
    """Secrets by reference: those that are wanted are read and watched, nothing else enters memory."""

    def want(self, references: frozenset[tuple[str, str]]) -> None:
        """The (namespace, name) pairs to hold from now on; watches of others end."""
        ...

    def read(self, namespace: str, name: str) -> SecretContent | SecretAbsent:
        """As last seen, without I/O. PENDING until first read."""
        ...

    async def run(self, changed: Changed) -> None:
        """Until cancelled."""
        ...


class CallerDirectory(Protocol):
    """Who may call a shared gateway: issuers of ServiceAccount tokens, and API keys from labelled Secrets."""

    @property
    def identity(self) -> Identity | None:
        """None until read once."""
        ...

    @property
    def problems(self) -> tuple[Problem, ...]:
        """API key Secrets that cannot be used, and why."""
        ...

    async def run(self, changed: Changed) -> None:
        """Until cancelled."""
        ...


class Issuer(Protocol):
    """Turns what Secrets hold into a credential that a proxy may have."""

    def issue(self, sign_in: SignIn, read: Callable[[SecretRef, FieldPath], Secret | Problem]) -> Credential | Problem:
        """`read` finds the value of one reference, or says what is wrong with the field that holds it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyIdentity:
    """Who is at the other end of a control stream, from its token alone. `expires` in Unix seconds."""

    scope: Scope
    subject: Subject
    pod: str
    pod_uid: str
    expires: float


class ProxyVerifier(Protocol):
    """Checks the bearer token of a control stream."""

    async def verify(self, token: str) -> ProxyIdentity | None:
        """None: refused. Raises ConnectionError while nobody can tell (the API server is away)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """What proxies say of a configuration that they could not build: the first one's words."""

    path: str
    reason: str
    proxies: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """How far the present generation of one route or quota has come, over all replicas.

    `total` counts the connected proxies whose scope has the resource, `applied` those that run this generation.
    `laggards`: at most five pods that do not. `unreachable`: replicas that did not answer, whose proxies are unknown.
    """

    applied: int
    total: int
    laggards: tuple[str, ...] = ()
    rejection: Rejection | None = None
    unreachable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUsage:
    """What the proxies report of one quota, put together: each counts alone, so that equal counters are added up."""

    limits: tuple[LimitUse, ...]
    proxies: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All that status is made of. A resource without a rollout is in no snapshot."""

    world: World
    verdicts: Mapping[ResourceKey, Verdict]
    rollouts: Mapping[ResourceKey, Rollout]
    usage: Mapping[ResourceKey, QuotaUsage]


class StatusSink(Protocol):
    """Where verdicts go: the status of resources in a cluster, the terminal of `pilothouse up`."""

    def update(self, observation: Observation) -> None:
        """Replaces what was to be shown before; without I/O."""
        ...

    async def run(self) -> None:
        """Until cancelled."""
        ...


class Clock(Protocol):
    """Time as the shell hands it in."""

    def monotonic(self) -> float: ...

    def wall(self) -> float: ...
