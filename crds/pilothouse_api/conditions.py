"""Verdicts on resources: condition types and reasons are closed sets, documented from here."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class ConditionType(enum.StrEnum):
    """What a condition is about."""

    READY = "Ready"
    ACCEPTED = "Accepted"
    CREDENTIALS_READY = "CredentialsReady"
    DISCOVERED = "Discovered"
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
    IDENTITY_NOT_PERMITTED = "IdentityNotPermitted"
    SIGN_IN_REFUSED = "SignInRefused"
    SIGN_IN_UNAVAILABLE = "SignInUnavailable"
    DISCOVERED = "Discovered"
    DISCOVERY_REFUSED = "DiscoveryRefused"
    DISCOVERY_UNAVAILABLE = "DiscoveryUnavailable"
    NOT_DISCOVERABLE = "NotDiscoverable"
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


MEANINGS: Mapping[ConditionType, str] = {
    ConditionType.READY: "Sums up: True when every other condition that promises something is. The reason is that of "
    "the first which is not.",
    ConditionType.ACCEPTED: "The resource is valid in itself and has its place among the others.",
    ConditionType.CREDENTIALS_READY: "LLMProvider: proxies can sign in.",
    ConditionType.DISCOVERED: "LLMProvider with `discovery`: the list of its models is that of its account.",
    ConditionType.RESOLVED_REFS: "ModelRoute: every target can serve. Where it is False, the other targets do.",
    ConditionType.PROGRAMMED: "ModelRoute: every proxy runs this generation.",
    ConditionType.ENFORCED: "UsageQuota: every proxy counts by this generation.",
    ConditionType.EXCEEDED: "UsageQuota: some caller is at a limit. Not a fault of the resource: Ready leaves it out.",
}
"""What each condition is about."""

_TRUE, _FALSE, _UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN

OUTCOMES: Mapping[ConditionType, Mapping[tuple[ConditionStatus, Reason], str]] = {
    ConditionType.ACCEPTED: {
        (_TRUE, Reason.ACCEPTED): "It is in force. The message names fields that have no effect.",
        (_FALSE, Reason.INVALID): "The message names every field that is wrong. The resource is left out everywhere.",
        (_FALSE, Reason.CONFLICTED): "An older route serves one of its names. Within a namespace this one is left out; "
        "against another namespace's it still serves its own namespace.",
    },
    ConditionType.CREDENTIALS_READY: {
        (_TRUE, Reason.ISSUED): "There is a credential.",
        (_TRUE, Reason.NOT_NEEDED): "The provider asks for none.",
        (_FALSE, Reason.SECRET_NOT_FOUND): "There is no such Secret. The last good credential serves, if there is one.",
        (_FALSE, Reason.SECRET_KEY_MISSING): "The Secret lacks the key.",
        (_FALSE, Reason.SECRET_MALFORMED): "The value cannot be a credential of that kind.",
        (_FALSE, Reason.SECRET_FORBIDDEN): "The operator may not read the Secret.",
        (_FALSE, Reason.STORE_UNAVAILABLE): "Secrets cannot be read at the moment; the message says since when.",
        (_FALSE, Reason.IDENTITY_NOT_PERMITTED): "The operator's own identity is not for this namespace, or not for an "
        "endpoint that the manifest names.",
        (_FALSE, Reason.SIGN_IN_REFUSED): "The cloud has refused to issue a credential. The last one serves until it "
        "ends, if there is one.",
        (_FALSE, Reason.SIGN_IN_UNAVAILABLE): "The cloud's sign-in does not answer, or asks us to slow down.",
        (_UNKNOWN, Reason.PENDING): "The Secrets have not been read yet, or the resource is not accepted.",
    },
    ConditionType.DISCOVERED: {
        (_TRUE, Reason.DISCOVERED): "The account was listed; the message says what of it is not served.",
        (_FALSE, Reason.DISCOVERY_REFUSED): "The account may not be listed so: the message names the right that is "
        "missing. The last list stands, if there is one.",
        (_FALSE, Reason.DISCOVERY_UNAVAILABLE): "The cloud does not answer as it should. The last list stands, if "
        "there is one.",
        (_FALSE, Reason.SIGN_IN_REFUSED): "The cloud has refused to sign the operator in. The last list stands, if "
        "there is one.",
        (_FALSE, Reason.SIGN_IN_UNAVAILABLE): "The cloud's sign-in does not answer, or asks us to slow down.",
        (_FALSE, Reason.NOT_DISCOVERABLE): "With this sign-in, or without a field that the message names, there is no "
        "list.",
        (_UNKNOWN, Reason.PENDING): "Nothing has been listed yet, or the resource is not accepted.",
    },
    ConditionType.RESOLVED_REFS: {
        (_TRUE, Reason.RESOLVED_REFS): "Every target can serve.",
        (_FALSE, Reason.REF_NOT_PERMITTED): "A provider of another namespace is not there, or its access does not "
        "permit this namespace.",
        (_FALSE, Reason.PROVIDER_NOT_FOUND): "There is no such provider in this namespace.",
        (_FALSE, Reason.MODEL_NOT_FOUND): "The provider does not list the model.",
        (_FALSE, Reason.PROVIDER_NOT_ACCEPTED): "The provider is not accepted.",
        (_FALSE, Reason.CREDENTIALS_NOT_READY): "The provider has no credential.",
        (_UNKNOWN, Reason.PENDING): "Credentials have not been read yet, or the resource is not accepted.",
    },
    ConditionType.PROGRAMMED: {
        (_TRUE, Reason.PROGRAMMED): "Every proxy runs it.",
        (_FALSE, Reason.PROGRESSING): "Some proxies do not run it yet; `status.programmed` counts them.",
        (_FALSE, Reason.REJECTED_BY_PROXY): "A proxy could not build it and keeps what it ran before.",
        (_FALSE, Reason.NO_USABLE_TARGET): "No target can serve: its names are answered with 503.",
        (_FALSE, Reason.NOT_ACCEPTED): "It is left out: Accepted says why.",
        (_UNKNOWN, Reason.NO_PROXIES): "No proxy is connected.",
        (_UNKNOWN, Reason.REPLICA_UNREACHABLE): "A replica of the operator does not tell what its proxies run.",
    },
    ConditionType.ENFORCED: {
        (_TRUE, Reason.ENFORCED): "Every proxy counts by it.",
        (_TRUE, Reason.COUNTED_APART): "Every proxy counts by it, each for itself: with several, callers get the limit "
        "from each of them.",
        (_FALSE, Reason.PROGRESSING): "Some proxies do not count by it yet.",
        (_FALSE, Reason.REJECTED_BY_PROXY): "A proxy could not build it and keeps what it ran before.",
        (_FALSE, Reason.NOT_ACCEPTED): "It is left out: Accepted says why.",
        (_UNKNOWN, Reason.NO_PROXIES): "No proxy is connected.",
        (_UNKNOWN, Reason.REPLICA_UNREACHABLE): "A replica of the operator does not tell what its proxies run.",
    },
    ConditionType.EXCEEDED: {
        (_TRUE, Reason.LIMIT_REACHED): "A caller is at a limit.",
        (_FALSE, Reason.WITHIN_LIMITS): "Nobody is.",
        (_UNKNOWN, Reason.USAGE_UNKNOWN): "No proxy has reported what is used.",
    },
}
"""What each condition may say, and what it means; Ready borrows its reason from the others, or says Ready."""


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
