"""What proxies report of quotas and of answers, put together. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping

from pilothouse_api.snapshot.stream import LimitUse, Report, Unknown
from pilothouse_operator.compile.world import Kind, ResourceKey
from pilothouse_operator.distribution.fleet import ReportsView
from pilothouse_operator.ports import QuotaUsage

_TOP = 10
_UNKNOWN = 20


def newest(views: Iterable[ReportsView]) -> dict[str, Report]:
    """One report a proxy, by pod uid. The same boot's higher sequence wins; of two boots the first replica's."""
    found: dict[str, Report] = {}
    for view in views:
        for uid, report in view.reports.items():
            known = found.get(uid)
            if known is None or (known.boot == report.boot and known.sequence < report.sequence):
                found[uid] = report
    return found


def usage(reports: Mapping[str, Report]) -> dict[ResourceKey, QuotaUsage]:
    """By quota. Each proxy counts alone, so equal counters of several are added up for display."""
    parts: dict[ResourceKey, list[tuple[LimitUse, ...]]] = {}
    for report in reports.values():
        for quota, limits in report.quotas.items():
            namespace, _, name = quota.partition("/")
            parts.setdefault(ResourceKey(Kind.QUOTA, namespace, name), []).append(limits)
    return {key: QuotaUsage(limits=_limits(all_limits), proxies=len(all_limits)) for key, all_limits in parts.items()}


def unknown(reports: Mapping[str, Report]) -> dict[ResourceKey, tuple[Unknown, ...]]:
    """By provider: what any proxy has met in its answers that could not be translated. Sorted, at most 20."""
    found: dict[ResourceKey, set[Unknown]] = {}
    for report in reports.values():
        for provider, things in report.unknown.items():
            namespace, _, name = provider.partition("/")
            found.setdefault(ResourceKey(Kind.PROVIDER, namespace, name), set()).update(things)
    return {key: tuple(sorted(things))[:_UNKNOWN] for key, things in found.items()}


def _limits(parts: list[tuple[LimitUse, ...]]) -> tuple[LimitUse, ...]:
    by_name: dict[tuple[str, str], list[LimitUse]] = {}
    for part in parts:
        for limit in part:
            by_name.setdefault((limit.resource, limit.window), []).append(limit)
    return tuple(_limit(uses) for uses in by_name.values())


def _limit(uses: list[LimitUse]) -> LimitUse:
    if len(uses) == 1:
        return uses[0]
    counters: Counter[str] = Counter()
    for use in uses:
        counters.update(dict(use.top))
    top = tuple(sorted(counters.items(), key=lambda item: (-item[1], item[0]))[:_TOP])
    return LimitUse(
        resource=uses[0].resource,
        window=uses[0].window,
        used=max([use.used for use in uses] + [used for _, used in top]),
        counters=max([use.counters for use in uses] + [len(counters)]),
        exceeded=max(use.exceeded for use in uses),
        resets_in_s=max(use.resets_in_s for use in uses),
        top=top,
    )
