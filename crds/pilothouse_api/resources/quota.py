"""UsageQuota: who may use how much of what, in which window."""

import enum
from typing import Annotated

from pydantic import Field, Strict

from pilothouse_api.resources.durations import Window
from pilothouse_api.resources.refs import VISIBLE, ModelPattern, ObjectName
from pilothouse_api.resources.rules import Atomic, Distinct, Part, Rule, UniqueBy
from pilothouse_api.resources.status import Count, Programmed, Status, Timestamp

CallerName = Annotated[str, Field(min_length=1, max_length=253, pattern=VISIBLE)]
CallerNames = Annotated[tuple[CallerName, ...], Field(max_length=64), Distinct()]


class LimitedResource(enum.StrEnum):
    """What a limit counts."""

    REQUESTS = "Requests"
    TOKENS = "Tokens"


class Per(enum.StrEnum):
    """Who has a counter of its own."""

    SUBJECT = "Subject"
    NAMESPACE = "Namespace"


class LimitSpec(Part):
    """At most so much in any window of that length."""

    resource: LimitedResource = Field(
        description="What is counted: requests, or tokens of prompts and answers together."
    )
    amount: Annotated[int, Strict(), Field(ge=1, le=2**53 - 1, json_schema_extra={"format": "int64"})] = Field(
        description="How much may be used in one window."
    )
    window: Window = Field(description="Length of the sliding window: minutes, hours or days, `1m` to `30d`.")


class SubjectsSpec(Part):
    """Narrows a quota to some callers; a caller must fit every list that is given."""

    service_accounts: CallerNames = Field(
        default=(), description="ServiceAccounts: `name` in this namespace, `namespace/name` in any."
    )
    users: CallerNames = Field(default=(), description="Users of API keys.")
    teams: CallerNames = Field(default=(), description="Teams of API keys.")
    tiers: CallerNames = Field(default=(), description="Tiers of API keys.")


class UsageQuotaSpec(Part):
    """Limits, whom they bind, and what they count."""

    per: Per = Field(
        description="`Subject`: every caller has a counter of its own. `Namespace`: the callers of one namespace share "
        "one."
    )
    limits: Annotated[tuple[LimitSpec, ...], Field(min_length=1, max_length=16), UniqueBy("resource", "window")] = (
        Field(description="What may be used; a request must fit all of them.")
    )
    subjects: SubjectsSpec | None = Field(default=None, description="Which callers; all if absent.")
    models: Annotated[tuple[ModelPattern, ...], Field(max_length=64), Distinct()] = Field(
        default=(), description="Names that clients ask for, a trailing `*` matches any rest; all if empty."
    )
    routes: Annotated[tuple[ObjectName, ...], Field(max_length=64), Distinct()] = Field(
        default=(),
        description="ModelRoutes of this namespace. If given, the quota binds every caller of these routes, whatever "
        "its namespace; if empty, the callers of this namespace.",
    )

    rules = (
        Rule(
            cel="self.per == oldSelf.per",
            message="per cannot change, since its counters would lie: create a new UsageQuota",
            holds=None,
        ),
    )


class TopCounter(Part):
    """One of the fullest counters."""

    name: Annotated[str, Field(max_length=512)] = Field(description="The subject or namespace that it counts.")
    used: Count = Field(description="Used in the current window.")


class LimitStatus(Part):
    """How much of one limit is used, by the fullest counter."""

    resource: Annotated[str, Field(max_length=32)] = Field(description="What is counted.")
    window: Annotated[str, Field(max_length=8)] = Field(description="Length of the window.")
    amount: Count | None = Field(default=None, description="How much may be used in one window.")
    used: Count = Field(description="Used in the current window, by the fullest counter.")
    remaining: Count = Field(description="Left in the current window, to the fullest counter.")
    used_percent: Count | None = Field(default=None, description="`used` in per cent of `amount`.")
    counters: Count | None = Field(default=None, description="How many subjects or namespaces have used something.")
    exceeded: Count | None = Field(default=None, description="How many of them are at the limit.")
    resets_at: Timestamp | None = Field(
        default=None, description="When the fullest counter is empty again if nothing more is used."
    )
    top: Annotated[tuple[TopCounter, ...], Field(max_length=10), Atomic()] = Field(
        default=(), description="The fullest counters, the fullest first."
    )


class UsageQuotaStatus(Status):
    """How much is used."""

    used: Annotated[str, Field(max_length=8)] | None = Field(
        default=None, description="Use of the fullest limit, in per cent (`82%`)."
    )
    resets_at: Timestamp | None = Field(default=None, description="When the fullest limit is free again.")
    limits: Annotated[tuple[LimitStatus, ...], Field(max_length=16), UniqueBy("resource", "window")] = Field(
        default=(), description="Use of each limit."
    )
    programmed: Programmed | None = Field(default=None, description="How many proxies run this generation.")


class UsageQuota(Part):
    """Limits how much callers may use in a sliding window."""

    spec: UsageQuotaSpec = Field(description="Limits and whom they bind.")
    status: UsageQuotaStatus | None = Field(default=None, description="How much is used.")
