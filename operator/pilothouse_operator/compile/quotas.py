"""A UsageQuota → the quota of a snapshot."""

from pilothouse_api.names import RouteKey
from pilothouse_api.resources.durations import window_seconds
from pilothouse_api.resources.quota import LimitSpec, SubjectsSpec, UsageQuotaSpec
from pilothouse_api.snapshot.quotas import Limit, Per, Quota, Resource, Subjects
from pilothouse_operator.compile.reading import Reading


def lower(reading: Reading[UsageQuotaSpec]) -> Quota | None:
    """None where the manifest could not be read."""
    spec, resource = reading.spec, reading.resource
    if spec is None:
        return None
    namespace = resource.key.namespace
    return Quota(
        namespace=namespace,
        generation=resource.generation,
        per=Per(spec.per.value),
        limits=tuple(_limit(limit) for limit in spec.limits),
        subjects=_subjects(spec.subjects) if spec.subjects is not None else Subjects(),
        models=spec.models,
        routes=tuple(RouteKey(f"{namespace}/{name}") for name in spec.routes),
    )


def _limit(spec: LimitSpec) -> Limit:
    return Limit(
        resource=Resource(spec.resource.value),
        amount=spec.amount,
        window=spec.window,
        window_s=window_seconds(spec.window),
    )


def _subjects(spec: SubjectsSpec) -> Subjects:
    return Subjects(service_accounts=spec.service_accounts, users=spec.users, teams=spec.teams, tiers=spec.tiers)
