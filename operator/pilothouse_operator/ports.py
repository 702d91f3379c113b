"""Interfaces with more than one implementation; they stand below all of these."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pilothouse_api.conditions import Problem
from pilothouse_api.names import Scope
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import Credential
from pilothouse_api.snapshot.identity import Identity
from pilothouse_api.snapshot.stream import Subject
from pilothouse_operator.compile.world import SecretRef, World

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

    def issue(self, spec: object, read: Callable[[SecretRef], Secret | Problem]) -> Credential | Problem:
        """`spec` is the provider's parsed `auth`."""
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


class Clock(Protocol):
    """Time as the shell hands it in."""

    def monotonic(self) -> float: ...

    def wall(self) -> float: ...
