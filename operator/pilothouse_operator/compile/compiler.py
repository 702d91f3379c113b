"""Inputs → snapshots and verdicts: the whole compilation, top to bottom."""

from collections.abc import Mapping

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.names import QuotaKey
from pilothouse_api.resources.quota import UsageQuotaSpec
from pilothouse_api.resources.route import ModelRouteSpec
from pilothouse_api.snapshot.quotas import Quota
from pilothouse_operator.compile import conflicts, quotas, routes, verdicts
from pilothouse_operator.compile.access import labelled
from pilothouse_operator.compile.backends import backends
from pilothouse_operator.compile.reading import Reading, read
from pilothouse_operator.compile.routes import Lowered
from pilothouse_operator.compile.scopes import Scopes
from pilothouse_operator.compile.world import Compiled, Inputs, Kind, ResourceKey, Verdict

Readings = Mapping[ResourceKey, Reading[UsageQuotaSpec]]


def compile_world(inputs: Inputs) -> Compiled:
    """A snapshot for every scope asked for, and a verdict for every resource.

    A resource that is wrong in itself is left out of all snapshots, and changes nothing else in them.
    """
    world = inputs.world
    known = backends(inputs)
    route_readings = read(world, Kind.ROUTE, ModelRouteSpec)
    namespaces = labelled(world.namespaces)
    lowered = {key: routes.lower(reading, known, namespaces) for key, reading in route_readings.items()}
    settled = conflicts.settle(route for route in lowered.values() if route is not None)
    quota_readings = read(world, Kind.QUOTA, UsageQuotaSpec)
    limits = _limits(quota_readings)
    scopes = Scopes(backends=known, routes=settled.serving, quotas=limits, identity=inputs.identity)

    found: dict[ResourceKey, Verdict] = {
        backend.reading.resource.key: verdicts.of_provider(backend) for backend in known.values()
    }
    for key, reading in route_readings.items():
        found[key] = _route_verdict(reading, lowered[key], settled)
    for key, quota_reading in quota_readings.items():
        found[key] = _quota_verdict(quota_reading, lowered)
    snapshots = {scope: scopes.cut(scope) for scope in sorted(inputs.scopes)}
    renewed = {scope: scopes.renewed(snapshot) for scope, snapshot in snapshots.items()}
    return Compiled(snapshots=snapshots, verdicts=found, renewed=renewed)


def _limits(readings: Readings) -> Mapping[QuotaKey, Quota]:
    lowered = {QuotaKey(f"{key.namespace}/{key.name}"): quotas.lower(reading) for key, reading in readings.items()}
    return {key: quota for key, quota in lowered.items() if quota is not None}


def _route_verdict(reading: Reading[ModelRouteSpec], lowered: Lowered | None, settled: conflicts.Settled) -> Verdict:
    if lowered is None:
        return verdicts.of_unread_route(reading.resource.generation, reading.problems)
    return verdicts.of_route(lowered, settled, ignored=reading.ignored)


def _quota_verdict(reading: Reading[UsageQuotaSpec], lowered: Mapping[ResourceKey, Lowered | None]) -> Verdict:
    resource = reading.resource
    names = reading.spec.routes if reading.spec is not None else ()
    notes = [
        Problem(
            reason=Reason.ACCEPTED,
            message=f"there is no ModelRoute {name} in this namespace; it is limited as soon as there is one",
            field=f"spec.routes[{index}]",
        )
        for index, name in enumerate(names)
        if ResourceKey(kind=Kind.ROUTE, namespace=resource.key.namespace, name=name) not in lowered
    ]
    return verdicts.of_quota(resource, reading.problems, ignored=reading.ignored, notes=notes)
