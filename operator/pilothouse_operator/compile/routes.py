"""A ModelRoute → the route of a snapshot with the targets that can serve."""

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse_api.conditions import Problem
from pilothouse_api.names import ProviderKey, RouteKey
from pilothouse_api.resources.durations import milliseconds
from pilothouse_api.resources.route import (
    BackoffSpec,
    FallbackSpec,
    ModelRouteSpec,
    RetrySpec,
    TargetSpec,
    TimeoutsSpec,
)
from pilothouse_api.snapshot.routes import (
    DEFAULT_FALLBACK_ON,
    DEFAULT_RETRY_ON,
    FailureClass,
    Retry,
    Route,
    Target,
    Timeouts,
)
from pilothouse_operator.compile.access import Namespaces, granted
from pilothouse_operator.compile.backends import Backend
from pilothouse_operator.compile.checks import OBSTACLES, SHORTCOMINGS, Candidate, first_problem
from pilothouse_operator.compile.reading import Reading
from pilothouse_operator.compile.world import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """One readable route. `problems` are those of its references; `declared` counts the targets of its spec."""

    key: RouteKey
    resource: Resource
    route: Route
    problems: tuple[Problem, ...]
    declared: int

    @property
    def namespace(self) -> str:
        """Of the ModelRoute."""
        return self.resource.key.namespace

    @property
    def age(self) -> tuple[str, RouteKey]:
        """The lower, the older; what settles conflicts, here and, compared as the same text, in the proxies."""
        return (self.route.created, self.key)


def lower(
    reading: Reading[ModelRouteSpec], backends: Mapping[ProviderKey, Backend], namespaces: Namespaces
) -> Lowered | None:
    """None where the manifest could not be read."""
    spec, resource = reading.spec, reading.resource
    if spec is None:
        return None
    targets: list[Target] = []
    problems: list[Problem] = []
    for index, target in enumerate(spec.targets):
        candidate = _candidate(target, index, spec, resource.key.namespace, backends, namespaces)
        obstacle = first_problem(candidate, OBSTACLES)
        if obstacle is None:
            targets.append(
                Target(provider=candidate.provider, model=target.model, weight=target.weight, priority=target.priority)
            )
        problem = obstacle or first_problem(candidate, SHORTCOMINGS)
        if problem is not None:
            problems.append(problem)
    route = Route(
        models=spec.models,
        created=resource.created,
        generation=resource.generation,
        access=granted(spec.access, owner=resource.key.namespace, namespaces=namespaces),
        targets=tuple(targets),
        retry=_retry(spec.retry),
        fallback_on=_fallback_on(spec.fallback),
        timeouts=_timeouts(spec.timeouts),
    )
    key = RouteKey(f"{resource.key.namespace}/{resource.key.name}")
    return Lowered(key=key, resource=resource, route=route, problems=tuple(problems), declared=len(spec.targets))


def _candidate(
    target: TargetSpec,
    index: int,
    spec: ModelRouteSpec,
    namespace: str,
    backends: Mapping[ProviderKey, Backend],
    namespaces: Namespaces,
) -> Candidate:
    provider = ProviderKey(f"{target.provider_ref.namespace or namespace}/{target.provider_ref.name}")
    return Candidate(
        target=target,
        path=f"spec.targets[{index}]",
        namespace=namespace,
        asked=spec.models,
        provider=provider,
        backend=backends.get(provider),
        namespaces=namespaces,
    )


def _retry(spec: RetrySpec | None) -> Retry:
    if spec is None:
        return Retry()
    backoff = spec.backoff or BackoffSpec()
    return Retry(
        attempts=spec.attempts,
        on=DEFAULT_RETRY_ON
        if spec.on_failures is None
        else tuple(FailureClass(name.value) for name in spec.on_failures),
        backoff_base_ms=milliseconds(backoff.base),
        backoff_max_ms=milliseconds(backoff.max),
        budget_percent=spec.budget_percent,
    )


def _fallback_on(spec: FallbackSpec | None) -> tuple[FailureClass, ...]:
    if spec is None or spec.on_failures is None:
        return DEFAULT_FALLBACK_ON
    return tuple(FailureClass(name.value) for name in spec.on_failures)


def _timeouts(spec: TimeoutsSpec | None) -> Timeouts:
    if spec is None:
        return Timeouts()
    return Timeouts(
        first_token_ms=milliseconds(spec.first_token),
        idle_ms=milliseconds(spec.idle),
        total_ms=milliseconds(spec.total),
    )
