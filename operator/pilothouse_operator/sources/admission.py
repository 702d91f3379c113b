"""What an API server refuses at apply is refused here too: also a field that nobody knows, for it is misspelt. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.resources import parsing
from pilothouse_api.resources.provider import LLMProviderSpec
from pilothouse_api.resources.quota import UsageQuotaSpec
from pilothouse_api.resources.route import ModelRouteSpec
from pilothouse_operator.compile import verdicts
from pilothouse_operator.compile.world import Kind
from pilothouse_operator.sources.contents import Declared


def judged(declared: Declared) -> Declared:
    """With everything that is wrong with its spec as its `problem`."""
    if declared.problem is not None:
        return declared
    problems = _problems(declared.key.kind, declared.spec)
    if not problems:
        return declared
    return replace(declared, problem=Problem(reason=Reason.INVALID, message=verdicts.summary(problems)))


def _problems(kind: Kind, spec: Mapping[str, Any]) -> tuple[Problem, ...]:
    match kind:
        case Kind.PROVIDER:
            return _read(parsing.parse(LLMProviderSpec, spec))
        case Kind.ROUTE:
            return _read(parsing.parse(ModelRouteSpec, spec))
        case Kind.QUOTA:
            return _read(parsing.parse(UsageQuotaSpec, spec))


def _read(parsed: parsing.Parsed[Any] | tuple[Problem, ...]) -> tuple[Problem, ...]:
    if isinstance(parsed, parsing.Parsed):
        unknown = "is not a known field"
        return tuple(Problem(reason=Reason.INVALID, message=unknown, field=path) for path in parsed.ignored)
    return parsed
