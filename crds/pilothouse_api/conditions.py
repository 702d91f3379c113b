"""Verdicts on resources: condition types and reasons are closed sets, documented from here."""

import enum
from dataclasses import dataclass


class ConditionType(enum.StrEnum):
    """What a condition is about."""

    READY = "Ready"
    ACCEPTED = "Accepted"
    CREDENTIALS_READY = "CredentialsReady"
    RESOLVED_REFS = "ResolvedRefs"
    PROGRAMMED = "Programmed"
    ENFORCED = "Enforced"
    EXCEEDED = "Exceeded"


class ConditionStatus(enum.StrEnum):
    """As the Kubernetes API conventions spell it."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(enum.StrEnum):
    """Why a condition has its status."""

    ACCEPTED = "Accepted"
    INVALID = "Invalid"
    CONFLICTED = "Conflicted"
    ISSUED = "Issued"
    NOT_NEEDED = "NotNeeded"
    SECRET_NOT_FOUND = "SecretNotFound"
    SECRET_KEY_MISSING = "SecretKeyMissing"
    SECRET_MALFORMED = "SecretMalformed"
    SECRET_FORBIDDEN = "SecretForbidden"
    STORE_UNAVAILABLE = "StoreUnavailable"
    RESOLVED_REFS = "ResolvedRefs"
    REF_NOT_PERMITTED = "RefNotPermitted"
    PROVIDER_NOT_FOUND = "ProviderNotFound"
    MODEL_NOT_FOUND = "ModelNotFound"
    PROVIDER_NOT_ACCEPTED = "ProviderNotAccepted"
    CREDENTIALS_NOT_READY = "CredentialsNotReady"
    PROGRAMMED = "Programmed"
    PROGRESSING = "Progressing"
    REJECTED_BY_PROXY = "RejectedByProxy"
    NO_USABLE_TARGET = "NoUsableTarget"
    NOT_ACCEPTED = "NotAccepted"
    NO_PROXIES = "NoProxies"
    REPLICA_UNREACHABLE = "ReplicaUnreachable"
    ENFORCED = "Enforced"
    COUNTED_APART = "CountedApart"
    LIMIT_REACHED = "LimitReached"
    WITHIN_LIMITS = "WithinLimits"
    USAGE_UNKNOWN = "UsageUnknown"
    PENDING = "Pending"
    READY = "Ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong, where, and what to do. `field` is a path in the resource (`spec.targets[1].model`) or empty."""

    reason: Reason
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition without its times: these come with the write, from what was observed before."""

    type: ConditionType
    status: ConditionStatus
    reason: Reason
    message: str
