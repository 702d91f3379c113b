"""How a manifest wants a provider to be signed in to, before it is known where values are kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pilothouse_api.resources.aws import AssumedRoleSpec
from pilothouse_api.resources.refs import ClusterSecret
from pilothouse_api.resources.secret_values import SecretValue
from pilothouse_operator.compile.identities import Address, AssumedRole, Grant
from pilothouse_operator.compile.world import SignInKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A URL of the manifest, and its field: whoever answers there sees an identity, or what was issued with it."""

    url: str
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnUse:
    """`field` makes use of what the operator itself is. `shown`: where to, beside the clouds' own endpoints."""

    field: str
    shown: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """As SignIn, its values as the manifest has them."""

    kind: SignInKind
    path: str = ""
    values: Mapping[str, SecretValue] = field(default_factory=dict)
    grant: Grant | None = None
    own: OwnUse | None = None


def assumed(chain: Iterable[AssumedRoleSpec]) -> tuple[AssumedRole, ...]:
    """The links of a chain. Tags are sorted: their order means nothing."""
    return tuple(
        AssumedRole(
            role_arn=role.role_arn,
            external_id=role.external_id or "",
            session_tags=tuple(sorted(role.session_tags.items())),
            transitive_tags=tuple(sorted(role.transitive_tags)),
        )
        for role in chain
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a store holds, and how it is signed in to: `values` by the names of `address.identity`, at `path`."""

    address: Address
    values: Mapping[str, ClusterSecret] = field(default_factory=dict)
    path: str = ""
    own: OwnUse | None = None
