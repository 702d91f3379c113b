"""What can go wrong with a request, as one table: kind → status, OpenAI type and code, policy."""

import enum
from dataclasses import dataclass

from pilothouse_api.snapshot.routes import FailureClass


class Kind(enum.StrEnum):
    """Every way in which a request fails. Who is to blame stands in the table."""

    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED = "unsupported"
    UNAUTHENTICATED = "unauthenticated"
    MODEL_NOT_FOUND = "model_not_found"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TOO_LARGE = "too_large"
    QUOTA_EXCEEDED = "quota_exceeded"
    CONTEXT_LENGTH = "context_length"
    CONTENT_FILTER = "content_filter"
    RATE_LIMITED = "rate_limited"
    UPSTREAM_QUOTA = "upstream_quota"
    UPSTREAM_AUTH = "upstream_auth"
    UPSTREAM_PERMISSION = "upstream_permission"
    UPSTREAM_MODEL_MISSING = "upstream_model_missing"
    MISCONFIGURED = "misconfigured"
    CONNECT = "connect"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    NOT_READY = "not_ready"
    PROVIDER_ERROR = "provider_error"
    STREAM_BROKEN = "stream_broken"
    NO_CONFIGURATION = "no_configuration"
    NO_TARGET = "no_target"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed attempt, classified. `message` is the provider's own and goes to the client; never a credential."""

    kind: Kind
    message: str
    status: int = 0
    """The provider's, 0 where none came."""
    code: str | None = None
    """The provider's own code or exception name."""
    param: str | None = None
    retry_after_s: float | None = None
    request_id: str | None = None
    """The provider's."""
    detail: dict[str, object] | None = None
    """Kept as the provider sent it, for the client (Azure's `innererror`)."""

    @property
    def failure_class(self) -> FailureClass | None:
        """What a route's policy calls it; None where no policy applies (the client's own mistake)."""
        raise NotImplementedError


class GatewayError(Exception):
    """Raised once, at the edge, with what the client is told."""

    def __init__(
        self, kind: Kind, message: str, *, param: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s


class UpstreamBroken(Exception):
    """A provider's answer does not hold to its own dialect."""
