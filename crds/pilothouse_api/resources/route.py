"""ModelRoute: which model name goes where, and what happens when that fails."""

import enum
from typing import Annotated

from pydantic import Field, Strict

from pilothouse_api.resources.durations import AnswerTimeout, Backoff, guarded, milliseconds
from pilothouse_api.resources.refs import Access, ModelPattern, ModelText, ProviderRef
from pilothouse_api.resources.rules import Atomic, Distinct, Part, Rule
from pilothouse_api.resources.status import Count, Programmed, Status


class FailureClass(enum.StrEnum):
    """Why an attempt failed."""

    CONNECT_FAILURE = "ConnectFailure"
    TIMEOUT = "Timeout"
    RATE_LIMITED = "RateLimited"
    UNAVAILABLE = "Unavailable"
    PROVIDER_ERROR = "ProviderError"
    SIGN_IN = "SignIn"
    CONTEXT_WINDOW = "ContextWindow"
    CONTENT_FILTER = "ContentFilter"
    MODEL_NOT_FOUND = "ModelNotFound"


FailureClasses = Annotated[tuple[FailureClass, ...], Field(min_length=1, max_length=16), Distinct()]


class TargetSpec(Part):
    """One provider and model that the route may choose."""

    provider_ref: ProviderRef = Field(description="The provider.")
    model: ModelText | None = Field(
        default=None,
        description="Name of the model in the provider's `models`. If absent, the name that the client asked.",
    )
    weight: Annotated[int, Strict(), Field(ge=0, le=1_000_000)] = Field(
        default=1,
        description="Share of the requests, relative to the other targets of the same priority. 0: only a fallback.",
    )
    priority: Annotated[int, Strict(), Field(ge=0, le=100)] = Field(
        default=0, description="Targets of a lower number are tried first."
    )


class BackoffSpec(Part):
    """The wait before another try: uniform between 0 and min(max, base·2ⁿ)."""

    base: Backoff = Field(default="100ms", description="Longest wait before the first retry (`100ms`, `1s`).")
    max: Backoff = Field(default="2s", description="Longest wait before any retry.")

    rules = (
        Rule(
            cel=guarded("duration(self.base) <= duration(self.max)", "self.base", "self.max"),
            message="base must not be longer than max",
            holds=lambda it: milliseconds(it.base) <= milliseconds(it.max),
        ),
    )


class RetrySpec(Part):
    """Another try of the same target, before anything was sent to the client."""

    attempts: Annotated[int, Strict(), Field(ge=1, le=10)] = Field(
        default=2, description="Tries of one target, the first included. 1: no retry."
    )
    on_failures: FailureClasses | None = Field(
        default=None,
        description="Failures that are tried again; if absent ConnectFailure, RateLimited, Unavailable, ProviderError.",
    )
    backoff: BackoffSpec | None = Field(
        default=None, description="The wait before another try; a provider's `Retry-After` is honoured beside it."
    )
    budget_percent: Annotated[int, Strict(), Field(ge=0, le=100)] = Field(
        default=20, description="Retries may be at most this many per cent of the route's requests."
    )


class TimeoutsSpec(Part):
    """How long an answer may take."""

    first_token: AnswerTimeout = Field(
        default="2m", description="From sending the request to the first byte of an answer."
    )
    idle: AnswerTimeout = Field(default="1m", description="Between two reads of an answer.")
    total: AnswerTimeout = Field(
        default="10m",
        description="For the whole request, over all tries, until the answer is complete; it bounds the others.",
    )


class FallbackSpec(Part):
    """When the next target is tried."""

    on_failures: FailureClasses | None = Field(
        default=None,
        description="Failures after which the next target is tried; if absent all but ContextWindow and ContentFilter.",
    )


class ModelRouteSpec(Part):
    """Model names that clients ask for, and the targets that serve them."""

    models: Annotated[tuple[ModelPattern, ...], Field(min_length=1, max_length=64), Distinct()] = Field(
        description="Names that clients ask for. A trailing `*` matches any rest; an exact name beats a prefix, a "
        "longer prefix a shorter one."
    )
    targets: Annotated[tuple[TargetSpec, ...], Field(min_length=1, max_length=32), Atomic()] = Field(
        description="Where requests go."
    )
    retry: RetrySpec | None = Field(default=None, description="Another try of the same target.")
    timeouts: TimeoutsSpec | None = Field(
        default=None, description="How long an answer may take (`500ms`, `30s`, `1m30s`)."
    )
    fallback: FallbackSpec | None = Field(default=None, description="When the next target is tried.")
    access: Access | None = Field(
        default=None,
        description="Which namespaces' workloads may call this route, besides its own namespace's; none if absent.",
    )

    rules = (
        Rule(
            cel="self.targets.exists(t, t.weight > 0)",
            message="at least one target needs a weight above 0",
            holds=lambda it: any(target.weight > 0 for target in it.targets),
        ),
    )


class TargetsStatus(Part):
    """How many targets can serve."""

    usable: Count = Field(description="Targets that can serve.")
    total: Count = Field(description="Targets of the spec.")
    summary: Annotated[str, Field(max_length=24)] = Field(description="Both as `usable/total`.")


class ModelRouteStatus(Status):
    """What the operator found out about the route."""

    targets: TargetsStatus | None = Field(default=None, description="How many targets can serve.")
    programmed: Programmed | None = Field(default=None, description="How many proxies run this generation.")


class ModelRoute(Part):
    """Sends the model names that clients ask for to providers, by weight and priority."""

    spec: ModelRouteSpec = Field(description="Model names and where requests for them go.")
    status: ModelRouteStatus | None = Field(default=None, description="What the operator found out about it.")
