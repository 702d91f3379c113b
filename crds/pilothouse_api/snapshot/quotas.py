"""A quota as a proxy sees it."""

import enum

import msgspec

from pilothouse_api.names import RouteKey


class Resource(enum.StrEnum):
    """What a limit counts."""

    REQUESTS = "Requests"
    TOKENS = "Tokens"


class Per(enum.StrEnum):
    """Who has a counter of its own."""

    SUBJECT = "Subject"
    NAMESPACE = "Namespace"


class Limit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """At most `amount` of `resource` in any `window_s` seconds (a sliding window)."""

    resource: Resource
    amount: int
    window: str
    """As the manifest says it (`1m`, `24h`, `30d`); with `resource` it names the limit."""
    window_s: int


class Subjects(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Narrows a quota to some callers. An empty tuple does not narrow; several filled ones must all fit."""

    service_accounts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()


class Quota(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Applies to callers of its own namespace; with `routes` (of its own namespace) to every caller of these."""

    namespace: str
    generation: int
    per: Per
    limits: tuple[Limit, ...]
    subjects: Subjects = Subjects()
    models: tuple[str, ...] = ()
    """Names that clients ask, a trailing `*` matches any rest; empty = all."""
    routes: tuple[RouteKey, ...] = ()
