"""What the compiler is given: every resource seen, and what was gathered for them. Frozen values."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pilothouse_api.conditions import Condition, Problem
from pilothouse_api.names import ProviderKey, Scope
from pilothouse_api.snapshot.credentials import Credential, ProxyCredential
from pilothouse_api.snapshot.identity import Identity
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_operator.compile.discovered import Catalogue, Discovered, knows_nothing
from pilothouse_operator.compile.identities import Address, Grant


class Kind(enum.StrEnum):
    """Our kinds."""

    PROVIDER = "LLMProvider"
    ROUTE = "ModelRoute"
    QUOTA = "UsageQuota"

    @property
    def plural(self) -> str:
        """As in URLs."""
        return _PLURALS[self]


_PLURALS = {Kind.PROVIDER: "llmproviders", Kind.ROUTE: "modelroutes", Kind.QUOTA: "usagequotas"}


@dataclass(frozen=True, slots=True, order=True)
class ResourceKey:
    """Identifies a resource."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource as the source saw it, unparsed: parsing is the compiler's, so that faults become verdicts."""

    key: ResourceKey
    uid: str
    resource_version: str
    generation: int
    created: str
    """RFC 3339."""
    spec: Mapping[str, Any]
    status: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    problem: Problem | None = None
    """Set by a source that could read the resource's name but not its content; the compiler reports it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that a source sees, complete, without what is being deleted. `seen`: highest resourceVersion per plural."""

    resources: Mapping[ResourceKey, Resource]
    namespaces: Mapping[str, Mapping[str, str]]
    """Labels by namespace."""
    seen: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class SecretRef:
    """One key of one Secret. A provider refers to Secrets of its own namespace only."""

    namespace: str
    name: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRef:
    """One value of one secret in a store outside the cluster. `key`: a member of its JSON object; empty = all of it.

    `sign_in` by the value's name in `address.identity`: Secrets that signing in to the store takes. Its path is
    `sign_in_path`. `refresh_s`: how often the store is asked.
    """

    address: Address
    key: str = ""
    refresh_s: int = 300
    sign_in: tuple[tuple[str, SecretRef], ...] = ()
    sign_in_path: str = ""


Reference = SecretRef | StoredRef


def value_path(path: str, name: str) -> str:
    """Field path of the value `name` of the sign-in at `path`. A sign-in of one value is that value's own field."""
    return path if name in _ALONE else f"{path}.{name}"


_ALONE = frozenset({"apiKey", "token", "key"})


class SignInKind(enum.StrEnum):
    """How a provider is signed in to; the values are the manifest's."""

    ACCESS_KEY = "accessKey"
    API_KEY = "apiKey"
    DEFAULT = "default"
    SERVICE_PRINCIPAL = "servicePrincipal"
    MANAGED_IDENTITY = "managedIdentity"
    WORKLOAD_IDENTITY = "workloadIdentity"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A provider's `auth` without its manifest: the kind, and where each value is kept.

    `values` by field name: `accessKeyId`, `secretAccessKey`, `sessionToken`; `apiKey`; `clientSecret`, `certificate`,
    `password`. `path` is the field path of the kind (`spec.bedrock.auth.accessKey`). `uid` is the provider's: a
    recreated one inherits no credential.
    """

    uid: str
    kind: SignInKind
    path: str = ""
    values: Mapping[str, Reference] = field(default_factory=dict)
    proxy: Mapping[str, Reference] = field(default_factory=dict)
    """What the forward proxy asks for: `username` and `password`, or nothing."""
    grant: Grant | None = None
    """What a cloud is asked to issue; None where `values` are sent as they stand."""
    problem: Problem | None = None
    """Why it may not be signed in so: the namespace must not use the operator's own identity."""

    @property
    def references(self) -> tuple[Reference, ...]:
        """Every value that it needs, the proxy's too."""
        return (*self.values.values(), *self.proxy.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityAccess:
    """Who may make use of what the operator itself is to the clouds.

    `namespaces` whose providers may; None = all. `endpoints`: URLs (scheme, host, port) beside the clouds' public ones
    that may be shown the operator's identity or what was issued with it; None = all that a manifest names.
    """

    namespaces: frozenset[str] | None = None
    endpoints: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialState:
    """Either or both: a `problem` beside a credential means that the last good one still serves."""

    credential: Credential | None
    problem: Problem | None = None
    proxy: ProxyCredential | None = None
    """Beside a credential: what the forward proxy asks for, if it does."""
    issued: bool = False
    """The credential ends, and another will take its place: it travels beside the snapshot, never in it.

    Also without a credential: none has been issued yet or any more, and proxies may have one that lives. Their snapshot
    keeps the provider, so that they keep that.
    """
    note: str = ""
    """What the reader should know of a good credential: that it opens more than was asked for, and why."""
    whole: bool = False
    """It is all that the operator itself is to the cloud: it goes no further than a key that lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that a compilation depends on."""

    world: World
    credentials: Mapping[ProviderKey, CredentialState]
    identity: Identity
    scopes: frozenset[Scope]
    """The scopes to build snapshots for: those that some proxy has, or may soon ask for."""
    discovered: Mapping[ProviderKey, Discovered] = field(default_factory=dict)
    """Of the providers whose manifest asks for it."""
    catalogue: Catalogue = knows_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the compiler finds of one resource: conditions that follow from the inputs alone (not Programmed or usage).

    `facts` are further status fields (camelCase, JSON values): `kind`, resolved `targets`, …
    """

    generation: int
    conditions: tuple[Condition, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """The whole outcome."""

    snapshots: Mapping[Scope, Snapshot]
    verdicts: Mapping[ResourceKey, Verdict]
    renewed: Mapping[Scope, frozenset[ProviderKey]] = field(default_factory=dict)
    """The providers of each scope whose credentials travel beside the snapshot."""
