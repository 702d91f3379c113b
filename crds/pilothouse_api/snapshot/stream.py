"""The control stream between operator and proxy.

`GET /v1/snapshots` (NDJSON, these lines), `POST /v1/acks`, `POST /v1/reports`, `POST /v1/refusals`. Bodies are JSON of
these structs. The operator learns who speaks (pod, namespace, scope) from the token alone.
"""

import enum
from typing import Annotated

import msgspec

from pilothouse_api.names import ProviderKey, QuotaKey, Scope, SnapshotVersion
from pilothouse_api.snapshot.credentials import Credential

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""What a status can hold: a reader of JSON may take it for a double."""

HEARTBEAT_S = 15
"""A proxy that hears nothing for three heartbeats reconnects."""


class Subject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The caller of a sidecar: the ServiceAccount of its pod."""

    namespace: str
    service_account: str


class Hello(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="hello"):
    """First line of a stream."""

    scope: Scope
    subject: Subject
    replica: str


class Publication(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="snapshot"):
    """A snapshot, whole. `version` is the hash of `snapshot`'s bytes as they stand in the line.

    `seen` holds the highest resourceVersion per kind that went into it (integers as text). A proxy refuses, for 30 s,
    one that is older in some kind and newer in none: a replica that lags must not roll it back.
    """

    version: SnapshotVersion
    snapshot: msgspec.Raw
    seen: dict[str, str] = {}


class Renewal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="renewal"):
    """Credentials that end, as they were issued: each takes the place of its provider's former one.

    They are in no snapshot. Those that a snapshot needs come before it; those of providers that it has not are dropped
    when it is applied. Replicas issue for themselves, so that two may send different ones, both good.
    """

    credentials: dict[ProviderKey, Credential]


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="heartbeat"):
    """Nothing has changed; the line is alive."""


StreamLine = Hello | Renewal | Publication | Heartbeat


class AckState(enum.StrEnum):
    """What became of a snapshot."""

    APPLIED = "applied"
    REJECTED = "rejected"


class Ack(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`path` names the key of the snapshot that could not be built (`routes.team-a/chat.targets[0]`), `reason` why."""

    version: SnapshotVersion
    state: AckState
    path: str = ""
    reason: str = ""


class Refusal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A provider has refused a renewed credential as expired or not valid (any more): another is needed.

    `fingerprint` says which (`canonical.fingerprint`): one that has been replaced meanwhile is no reason.
    """

    provider: ProviderKey
    fingerprint: Annotated[str, msgspec.Meta(max_length=64)]


class LimitUse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much of one limit the counters of one proxy have used in the current window."""

    resource: str
    window: str
    used: Count
    """Of the fullest counter."""
    counters: Count
    """How many subjects or namespaces have one."""
    exceeded: Count = 0
    """How many of them are at their limit."""
    resets_in_s: Count = 0
    """Until the fullest counter is empty again if nothing more is used."""
    top: Annotated[
        tuple[tuple[Annotated[str, msgspec.Meta(max_length=512)], Count], ...], msgspec.Meta(max_length=10)
    ] = ()
    """At most ten (counter, used), the fullest first."""


class Unknown(msgspec.Struct, frozen=True, order=True, kw_only=True, omit_defaults=True):
    """Something in a provider's answers that no other format has a word for: it was left out of the translation."""

    dialect: Annotated[str, msgspec.Meta(max_length=64)]
    what: Annotated[str, msgspec.Meta(max_length=128)]


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A proxy's view of itself: a whole state, not an increment, so that a repeated or lost one does no harm.

    `boot` is new with every start of the process; `sequence` rises within it: an older one is dropped.
    """

    boot: str
    sequence: int
    applied: SnapshotVersion | None = None
    """What it runs: heals an ack that was lost, or that met a replica which did not know the version yet."""
    quotas: dict[QuotaKey, tuple[LimitUse, ...]] = {}
    unknown: dict[ProviderKey, Annotated[tuple[Unknown, ...], msgspec.Meta(max_length=64)]] = {}
    """What has been met since the process began; how often is the metrics' to tell."""
