"""What the tests of this room are made of."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pilothouse_api.conditions import Condition, ConditionStatus, ConditionType, Reason
from pilothouse_api.snapshot.stream import LimitUse
from pilothouse_operator.compile.world import Kind, Resource, ResourceKey, Verdict
from pilothouse_operator.ports import QuotaUsage, Rollout

NOW = 1_700_000_000.0
NOW_TEXT = "2023-11-14T22:13:20Z"

ACCEPTED = Condition(
    type=ConditionType.ACCEPTED, status=ConditionStatus.TRUE, reason=Reason.ACCEPTED, message="It is in force."
)
RESOLVED = Condition(
    type=ConditionType.RESOLVED_REFS, status=ConditionStatus.TRUE, reason=Reason.RESOLVED_REFS, message="All resolved."
)


def resource(kind: Kind, *, name: str = "x", version: str = "1", **spec: Any) -> Resource:
    return Resource(
        key=ResourceKey(kind, "ns", name),
        uid=f"uid-{name}",
        resource_version=version,
        generation=3,
        created="2026-01-01T00:00:00Z",
        spec=spec,
    )


def route(**options: Any) -> Resource:
    return resource(Kind.ROUTE, **options)


def quota(*limits: tuple[str, str, int]) -> Resource:
    spec = [{"resource": name, "window": window, "amount": amount} for name, window, amount in limits]
    return resource(Kind.QUOTA, limits=spec or [{"resource": "Requests", "window": "1m", "amount": 100}])


def verdict(*conditions: Condition, **facts: Any) -> Verdict:
    return Verdict(generation=3, conditions=conditions or (ACCEPTED, RESOLVED), facts=facts)


def rollout(applied: int = 4, total: int = 4, **options: Any) -> Rollout:
    return Rollout(applied=applied, total=total, **options)


def usage(used: int, *, exceeded: int = 0, proxies: int = 1, **options: Any) -> QuotaUsage:
    limit = LimitUse(resource="Requests", window="1m", used=used, counters=1, exceeded=exceeded, **options)
    return QuotaUsage(limits=(limit,), proxies=proxies)


def condition(status: Mapping[str, Any], type_: str) -> dict[str, Any]:
    (found,) = (entry for entry in status["conditions"] if entry["type"] == type_)
    return dict(found)


def renamed(before: Condition, status: ConditionStatus, reason: Reason, message: str) -> Condition:
    return replace(before, status=status, reason=reason, message=message)
