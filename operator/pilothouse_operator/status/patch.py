"""What the status of a resource should say, and whether that is worth a write. Pure.

`observed` is the status as last seen, `now` Unix seconds. A condition's time moves only when its status does, and what
is only counted is written only when it moved: each write wakes every watcher.
"""

import enum
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pilothouse_api.conditions import Condition, ConditionStatus, ConditionType, Reason
from pilothouse_api.snapshot.stream import LimitUse
from pilothouse_operator.compile.world import Kind, Resource, Verdict
from pilothouse_operator.ports import QuotaUsage, Rollout
from pilothouse_operator.timestamps import timestamp

LARGEST_BYTES = 8192
_LONGEST_MESSAGE = 1024
_SHORT_MESSAGE_BYTES = 300
_LAGGARDS = 5
_TOP = 10
_MOST_PERCENT = 999_999

_TRUE, _FALSE, _UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN

# The order in which they are shown, and in which Ready looks for the first that is not true.
_ORDER = tuple(ConditionType)
_ROLLOUT_TYPES = {Kind.ROUTE: ConditionType.PROGRAMMED, Kind.QUOTA: ConditionType.ENFORCED}

Status = dict[str, Any]


class Urgency(enum.Enum):
    """How soon a write is due."""

    NOW = "now"
    """A condition, or what it rests on, has changed."""
    LATER = "later"
    """Only counts have."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A condition whose status or reason changed; `before` is None where there was none."""

    after: Condition
    before: ConditionStatus | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """The whole status that we own, as server-side apply wants it."""

    status: Status
    urgency: Urgency
    transitions: tuple[Transition, ...]


def patch(
    resource: Resource,
    verdict: Verdict,
    *,
    rollout: Rollout | None,
    usage: QuotaUsage | None,
    observed: Mapping[str, Any],
    now: float,
) -> Patch | None:
    """None when what is observed says all that matters."""
    found = conditions(resource.key.kind, verdict, rollout=rollout, usage=usage)
    seen = _by_type(observed)
    status: Status = dict(verdict.facts)
    status["observedGeneration"] = verdict.generation
    status["conditions"] = [_entry(condition, verdict.generation, seen, now) for condition in found]
    counts = _counts(resource, rollout, usage, now)
    fitted = fit(status | counts)
    urgency = _urgency(fitted, counts, observed)
    if urgency is None:
        return None
    return Patch(status=fitted, urgency=urgency, transitions=tuple(_transitions(found, seen)))


def conditions(
    kind: Kind, verdict: Verdict, *, rollout: Rollout | None, usage: QuotaUsage | None
) -> tuple[Condition, ...]:
    """The verdict's own, those that follow from the fleet, and Ready, which sums up; Ready first."""
    found = {condition.type: condition for condition in verdict.conditions}
    rollout_type = _ROLLOUT_TYPES.get(kind)
    if rollout_type is not None and rollout_type not in found:
        found[rollout_type] = _rolled_out(rollout_type, rollout)
    if kind is Kind.QUOTA and ConditionType.EXCEEDED not in found:
        found[ConditionType.EXCEEDED] = _exceeded(usage)
    found[ConditionType.READY] = _ready(found)
    return tuple(_bounded(found[type_]) for type_ in _ORDER if type_ in found)


def _rolled_out(type_: ConditionType, rollout: Rollout | None) -> Condition:
    if rollout is None:
        return Condition(type=type_, status=_FALSE, reason=Reason.NOT_ACCEPTED, message="It is in no configuration.")
    if rollout.rejection is not None:
        said = f"{rollout.rejection.path}: {rollout.rejection.reason}"
        message = f"A proxy could not build it and keeps what it ran before: {said}"
        return Condition(type=type_, status=_FALSE, reason=Reason.REJECTED_BY_PROXY, message=message)
    if rollout.unreachable:
        message = f"The operator's replica {rollout.unreachable[0]} does not tell what its proxies run."
        return Condition(type=type_, status=_UNKNOWN, reason=Reason.REPLICA_UNREACHABLE, message=message)
    if rollout.total == 0:
        return Condition(type=type_, status=_UNKNOWN, reason=Reason.NO_PROXIES, message="No proxy is connected.")
    if rollout.applied < rollout.total:
        message = "Some proxies do not run this generation yet; status.programmed counts them."
        return Condition(type=type_, status=_FALSE, reason=Reason.PROGRESSING, message=message)
    if type_ is ConditionType.PROGRAMMED:
        message = "Every proxy runs this generation."
        return Condition(type=type_, status=_TRUE, reason=Reason.PROGRAMMED, message=message)
    if rollout.total > 1:
        message = (
            "Every proxy counts by it, each for itself: with several, a caller may use up to the limit at each of them."
        )
        return Condition(type=type_, status=_TRUE, reason=Reason.COUNTED_APART, message=message)
    return Condition(type=type_, status=_TRUE, reason=Reason.ENFORCED, message="The proxy counts by it.")


def _exceeded(usage: QuotaUsage | None) -> Condition:
    type_ = ConditionType.EXCEEDED
    if usage is None or usage.proxies == 0:
        message = "No proxy has reported what is used."
        return Condition(type=type_, status=_UNKNOWN, reason=Reason.USAGE_UNKNOWN, message=message)
    reached = [f"{limit.resource} in {limit.window}" for limit in usage.limits if limit.exceeded]
    if reached:
        message = f"Somebody is at the limit of {', '.join(reached)}; status.limits says who and until when."
        return Condition(type=type_, status=_TRUE, reason=Reason.LIMIT_REACHED, message=message)
    return Condition(type=type_, status=_FALSE, reason=Reason.WITHIN_LIMITS, message="Nobody is at a limit.")


def _ready(found: Mapping[ConditionType, Condition]) -> Condition:
    positive = [found[type_] for type_ in _ORDER if type_ in found and type_ is not ConditionType.EXCEEDED]
    for status in (_FALSE, _UNKNOWN):
        for condition in positive:
            if condition.status is status:
                return replace(condition, type=ConditionType.READY)
    return Condition(type=ConditionType.READY, status=_TRUE, reason=Reason.READY, message="All is well.")


def _bounded(condition: Condition) -> Condition:
    if len(condition.message) <= _LONGEST_MESSAGE:
        return condition
    return replace(condition, message=condition.message[: _LONGEST_MESSAGE - 1] + "…")


def _entry(condition: Condition, generation: int, seen: Mapping[str, Mapping[str, Any]], now: float) -> dict[str, Any]:
    before = seen.get(condition.type, {})
    same = before.get("status") == condition.status and before.get("lastTransitionTime")
    return {
        "type": condition.type.value,
        "status": condition.status.value,
        "reason": condition.reason.value,
        "message": condition.message,
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if same else timestamp(now),
    }


def _counts(resource: Resource, rollout: Rollout | None, usage: QuotaUsage | None, now: float) -> Status:
    counts: Status = {}
    if rollout is not None and resource.key.kind in _ROLLOUT_TYPES:
        counts["programmed"] = {
            "applied": rollout.applied,
            "total": rollout.total,
            "summary": f"{rollout.applied}/{rollout.total}",
            "laggards": list(rollout.laggards[:_LAGGARDS]),
        }
    if usage is not None and usage.proxies:
        used = {(limit.resource, limit.window): limit for limit in usage.limits}
        limits = [_limit(wanted, used, now) for wanted in _declared_limits(resource)]
        if limits:
            fullest = max(limits, key=lambda limit: limit["usedPercent"])
            counts |= {"limits": limits, "used": f"{min(fullest['usedPercent'], _MOST_PERCENT)}%"}
            if "resetsAt" in fullest:
                counts["resetsAt"] = fullest["resetsAt"]
    return counts


def _declared_limits(resource: Resource) -> list[tuple[str, str, int]]:
    """Resource, window, amount. What is not of that shape was refused, and is not counted by anybody."""
    limits = resource.spec.get("limits")
    return [
        (limit["resource"], limit["window"], limit["amount"])
        for limit in (limits if isinstance(limits, list) else ())
        if isinstance(limit, dict) and isinstance(limit.get("amount"), int) and {"resource", "window"} <= limit.keys()
    ]


def _limit(wanted: tuple[str, str, int], found: Mapping[tuple[str, str], LimitUse], now: float) -> dict[str, Any]:
    resource, window, amount = wanted
    use = found.get((resource, window)) or LimitUse(resource=resource, window=window, used=0, counters=0)
    limit: dict[str, Any] = {
        "resource": resource,
        "window": window,
        "amount": amount,
        "used": use.used,
        "remaining": max(0, amount - use.used),
        "usedPercent": use.used * 100 // amount if amount > 0 else 100,
        "counters": use.counters,
        "exceeded": use.exceeded,
    }
    if use.used and use.resets_in_s:
        limit["resetsAt"] = timestamp(now + use.resets_in_s)
    if use.top:
        limit["top"] = [{"name": name, "used": used} for name, used in use.top[:_TOP]]
    return limit


def _urgency(status: Status, counts: Status, observed: Mapping[str, Any]) -> Urgency | None:
    settled = {key: value for key, value in status.items() if key not in counts and key != "conditions"}
    if any(observed.get(key) != value for key, value in settled.items()):
        return Urgency.NOW
    if any(not _told(entry, _by_type(observed)) for entry in status["conditions"]):
        return Urgency.NOW
    if status.get("programmed") != observed.get("programmed"):
        return Urgency.LATER
    return Urgency.LATER if _moved(status.get("limits"), observed.get("limits")) else None


def _told(entry: Mapping[str, Any], seen: Mapping[str, Mapping[str, Any]]) -> bool:
    return entry == seen.get(entry["type"])


def _moved(limits: object, before: object) -> bool:
    """Whether some use moved by a hundredth of its limit, ended, or concerns other limits than before."""
    now_used, then_used = _used(limits), _used(before)
    if now_used.keys() != then_used.keys():
        return True
    return any(
        abs(used - then_used[key][0]) * 100 >= amount or (used == 0) != (then_used[key][0] == 0)
        for key, (used, amount) in now_used.items()
        if used != then_used[key][0]
    )


def _used(limits: object) -> dict[tuple[str, str, int], tuple[int, int]]:
    found: dict[tuple[str, str, int], tuple[int, int]] = {}
    for limit in limits if isinstance(limits, list) else ():
        amount = limit.get("amount", 0)
        found[limit.get("resource", ""), limit.get("window", ""), amount] = (limit.get("used", 0), amount)
    return found


def _by_type(observed: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    entries = observed.get("conditions")
    return {entry["type"]: entry for entry in (entries if isinstance(entries, list) else ()) if "type" in entry}


def _transitions(found: Iterable[Condition], seen: Mapping[str, Mapping[str, Any]]) -> Iterable[Transition]:
    for condition in found:
        before = seen.get(condition.type)
        if before is None:
            yield Transition(condition, None)
        elif (before.get("status"), before.get("reason")) != (condition.status, condition.reason):
            known = before.get("status") in list(ConditionStatus)
            yield Transition(condition, ConditionStatus(before["status"]) if known else None)


def fit(status: Status) -> Status:
    """Within LARGEST_BYTES, whatever the fleet's size: least needed first, what is counted, then what is explained."""
    for shrink in (_without_quotas, _without_top, _without_laggards, _with_short_messages, _without_facts):
        if _size(status) <= LARGEST_BYTES:
            break
        status = shrink(status)
    return status


def _size(status: Status) -> int:
    return len(json.dumps(status, ensure_ascii=False, separators=(",", ":")).encode())


def _without_quotas(status: Status) -> Status:
    listed = {key: value for key, value in status.get("discovery", {}).items() if key != "quotas"}
    return status | ({"discovery": listed} if listed else {})


def _without_top(status: Status) -> Status:
    limits = [{key: value for key, value in limit.items() if key != "top"} for limit in status.get("limits", ())]
    return status | ({"limits": limits} if limits else {})


def _without_laggards(status: Status) -> Status:
    programmed = status.get("programmed")
    return status | {"programmed": programmed | {"laggards": []}} if programmed else status


def _with_short_messages(status: Status) -> Status:
    entries = [entry | {"message": cut(entry["message"], _SHORT_MESSAGE_BYTES)} for entry in status["conditions"]]
    return status | {"conditions": entries}


def _without_facts(status: Status) -> Status:
    ours = ("observedGeneration", "conditions", "programmed", "limits", "used", "resetsAt")
    return {key: value for key, value in status.items() if key in ours}


def cut(text: str, longest_bytes: int) -> str:
    """`text` in at most so many bytes of UTF-8."""
    encoded = text.encode()
    if len(encoded) <= longest_bytes:
        return text
    return encoded[: longest_bytes - 3].decode(errors="ignore") + "…"
