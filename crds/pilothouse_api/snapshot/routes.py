"""A route as a proxy sees it. All times in milliseconds."""

import enum

import msgspec

from pilothouse_api.names import ProviderKey


class FailureClass(enum.StrEnum):
    """Why an attempt failed, as coarse as a route's policy names it. The values are those of the manifest."""

    CONNECT_FAILURE = "ConnectFailure"
    TIMEOUT = "Timeout"
    RATE_LIMITED = "RateLimited"
    UNAVAILABLE = "Unavailable"
    PROVIDER_ERROR = "ProviderError"
    SIGN_IN = "SignIn"
    CONTEXT_WINDOW = "ContextWindow"
    CONTENT_FILTER = "ContentFilter"
    MODEL_NOT_FOUND = "ModelNotFound"


DEFAULT_RETRY_ON = (
    FailureClass.CONNECT_FAILURE,
    FailureClass.RATE_LIMITED,
    FailureClass.UNAVAILABLE,
    FailureClass.PROVIDER_ERROR,
)
DEFAULT_FALLBACK_ON = (
    FailureClass.CONNECT_FAILURE,
    FailureClass.TIMEOUT,
    FailureClass.RATE_LIMITED,
    FailureClass.UNAVAILABLE,
    FailureClass.PROVIDER_ERROR,
    FailureClass.SIGN_IN,
    FailureClass.MODEL_NOT_FOUND,
)


class Target(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One (provider, model) that the route may choose.

    Lower `priority` first; `weight` shares out within one priority, 0 = only a fallback.
    """

    provider: ProviderKey
    model: str | None = None
    """A name of the provider's model table; None passes the name that the client asked."""
    weight: int = 1
    priority: int = 0


class Retry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Another try of the same target. `attempts` counts the first; the delay is uniform in 0 … min(max, base·2ⁿ)."""

    attempts: int = 2
    on: tuple[FailureClass, ...] = DEFAULT_RETRY_ON
    backoff_base_ms: int = 100
    backoff_max_ms: int = 2_000
    budget_percent: int = 20
    """Retries may be at most this share of the route's requests (with a small floor): no storm."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`first_token`: to the first byte of an answer; `idle`: between two reads of a stream; `total`: all of it."""

    first_token_ms: int = 120_000
    idle_ms: int = 60_000
    total_ms: int = 600_000


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`models` are the names that clients ask; a trailing `*` matches any rest.

    Which route serves a name: the caller's own namespace first, then routes that `access` opens to it; in each step an
    exact name before a prefix, a longer prefix before a shorter, then the lower (`created`, key).
    """

    models: tuple[str, ...]
    created: str
    """RFC 3339, as the API server wrote it."""
    generation: int
    access: tuple[str, ...] | None = ()
    """Further namespaces that may use it; None = all."""
    targets: tuple[Target, ...] = ()
    withheld: int = 0
    """Targets left out of this scope: the provider's `delivery` does not let its proxies have the credential."""
    retry: Retry = Retry()
    fallback_on: tuple[FailureClass, ...] = DEFAULT_FALLBACK_ON
    timeouts: Timeouts = Timeouts()
