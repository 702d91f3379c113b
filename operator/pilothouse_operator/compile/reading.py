"""Parses what the world holds of one kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

from pilothouse_api.conditions import Problem
from pilothouse_api.resources.parsing import Parsed, PartT, parse
from pilothouse_operator.compile.world import Kind, Resource, ResourceKey, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[PartT]):
    """One resource: its spec, or the problems that left it without one."""

    resource: Resource
    spec: PartT | None = None
    problems: tuple[Problem, ...] = ()
    ignored: tuple[str, ...] = ()


def read(world: World, kind: Kind, part: type[PartT]) -> Mapping[ResourceKey, Reading[PartT]]:
    """Every resource of `kind`, in the order of the keys: nothing that follows depends on the world's order."""
    keys = sorted(key for key in world.resources if key.kind is kind)
    return {key: _reading(world.resources[key], part) for key in keys}


def _reading(resource: Resource, part: type[PartT]) -> Reading[PartT]:
    if resource.problem is not None:
        return Reading(resource=resource, problems=(resource.problem,))
    parsed = parse(part, resource.spec)
    if isinstance(parsed, Parsed):
        return Reading(resource=resource, spec=parsed.spec, ignored=parsed.ignored)
    return Reading(resource=resource, problems=parsed)
