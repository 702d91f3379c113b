"""Interfaces with more than one implementation; they stand below all of these."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NewType, Protocol

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.names import ProviderKey, Scope
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import Credential
from pilothouse_api.snapshot.identity import Identity
from pilothouse_api.snapshot.stream import LimitUse, Subject
from pilothouse_operator.compile.discovered import FoundModel, Listed
from pilothouse_operator.compile.identities import Account, Address, Grant
from pilothouse_operator.compile.world import Reference, ResourceKey, SignIn, Verdict, World

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


class Fault(Exception):
    """Why a store or a cloud did not give what was asked. Its text is for a condition: no value, no token.

    `field` is a member of the sign-in or the reference (`roles[1].roleArn`), or empty. `throttled`: it asks us to slow
    down, for `retry_after_s` where it says so. `passing`: it may be over at the next try; otherwise somebody has to
    mend something first, and it is tried rarely.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: Reason,
        passing: bool,
        field: str = "",
        throttled: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.passing = passing
        self.field = field
        self.throttled = throttled
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a store holds: text (a JSON object where it has members), and which version of it."""

    value: Secret
    version: str


class Store(Protocol):
    """One kind of store outside the cluster."""

    async def fetch(self, address: Address, sign_in: Mapping[str, Secret], *, known: str | None) -> Fetched | None:
        """None: the version is `known` still. `sign_in` as `address.identity` names its values. Raises Fault."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A secret to hold, however many refer to it: asked for every `refresh_s`, signed in with `sign_in`."""

    address: Address
    refresh_s: int
    sign_in: tuple[tuple[str, Secret], ...] = ()


class StoredSecrets(Protocol):
    """Secrets of the stores outside the cluster: those that are wished for are polled, nothing else enters memory."""

    def want(self, wishes: frozenset[Wish]) -> None:
        """What to hold from now on. Of wishes that differ in `refresh_s` alone the shortest counts."""
        ...

    def read(self, address: Address, sign_in: tuple[tuple[str, Secret], ...]) -> "Stored":
        """As last fetched, without I/O."""
        ...

    async def run(self, changed: Changed) -> None:
        """Until cancelled. `changed`: a value is another, or a fault came or went."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Either, both or (not asked yet) neither. A fault beside a value: the last good one, since `since` (Unix s)."""

    value: Secret | None = None
    fault: Fault | None = None
    since: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What a cloud is asked to issue, and the values that signing in there takes, by field name."""

    grant: Grant
    values: Mapping[str, Secret]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A credential that ends, and when (Unix s). `note` and `whole` as of CredentialState."""

    credential: Credential
    expires_at: float
    note: str = ""
    whole: bool = False


class CredentialService(Protocol):
    """One cloud's issue of credentials."""

    async def issue(self, application: Application) -> Issued:
        """Raises Fault. Never waits longer than some seconds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Brokered:
    """Either, both or (not asked yet) neither. A fault beside a credential: it serves until it ends."""

    issued: Issued | None = None
    issued_at: float = 0.0
    fault: Fault | None = None
    since: float = 0.0
    """Unix seconds of the first failure in a row."""


class Broker(Protocol):
    """Keeps a credential for every application, and renews it ahead of its end."""

    def want(self, applications: Mapping[ProviderKey, Application]) -> None:
        """From now on. What another identity was issued is forgotten; with other values or models it serves on.

        So a long-lived value is rotated, and a provider edited, without a gap: it is issued anew at once.
        """
        ...

    def read(self, provider: ProviderKey) -> Brokered:
        """As it stands, without I/O. A credential past its end is none."""
        ...

    def refused(self, provider: ProviderKey, fingerprint: str) -> None:
        """A provider refuses this credential: another is issued at once, unless it has been replaced already."""
        ...

    async def run(self, changed: Changed, renewed: Callable[[ProviderKey], None]) -> None:
        """Until cancelled. `renewed`: another credential in place of a good one. `changed`: all else."""
        ...


class Lister(Protocol):
    """One kind of account, asked for the models that it has."""

    async def models(self, account: Account, values: Mapping[str, Secret]) -> Listed:
        """All of them, in an order that stays. `values` as `account.identity` names them. Raises Fault."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """Whose models are wanted, how often they are asked for, and the values that signing in there takes."""

    account: Account
    interval_s: int
    values: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """Either, both or (not asked yet) neither. A fault beside models: the last list, of `listed_at` (Unix s)."""

    models: tuple[FoundModel, ...] | None = None
    notes: tuple[str, ...] = ()
    listed_at: float = 0.0
    fault: Fault | None = None
    since: float = 0.0
    """Unix seconds of the first failure in a row."""


class Discovery(Protocol):
    """Lists accounts at intervals. What was listed last stands until there is another list."""

    def want(self, inquiries: Mapping[ProviderKey, Inquiry]) -> None:
        """From now on. The list of another account is forgotten."""
        ...

    def read(self, provider: ProviderKey) -> Surveyed:
        """As last listed, without I/O."""
        ...

    async def run(self, changed: Changed, moved: Changed) -> None:
        """Until cancelled. `moved`: an equal list was made anew. `changed`: all else."""
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

    def issue(self, sign_in: SignIn, read: Callable[[Reference, FieldPath], Secret | Problem]) -> Credential | Problem:
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
