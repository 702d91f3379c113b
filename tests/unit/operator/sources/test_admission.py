from typing import Any

import pytest

from pilothouse_api.conditions import Problem, Reason
from pilothouse_operator.compile.world import Kind, ResourceKey
from pilothouse_operator.sources import admission
from pilothouse_operator.sources.contents import Declared

PROVIDER = {"openAI": {"baseURL": "http://models:8000/v1"}}
ROUTE = {"models": ["chat"], "targets": [{"providerRef": {"name": "a"}}]}
QUOTA = {"per": "Subject", "limits": [{"resource": "Requests", "amount": 1, "window": "1m"}]}
GOOD = [(Kind.PROVIDER, PROVIDER), (Kind.ROUTE, ROUTE), (Kind.QUOTA, QUOTA)]


def declared(kind: Kind, spec: dict[str, Any], problem: Problem | None = None) -> Declared:
    return Declared(key=ResourceKey(kind, "default", "x"), spec=spec, labels={}, problem=problem)


@pytest.mark.parametrize(("kind", "spec"), GOOD)
def test_what_is_right_stays_as_it_is(kind: Kind, spec: dict[str, Any]) -> None:
    it = declared(kind, spec)
    assert admission.judged(it) == it


@pytest.mark.parametrize(("kind", "spec"), GOOD)
def test_a_field_that_nobody_knows_is_a_problem(kind: Kind, spec: dict[str, Any]) -> None:
    problem = admission.judged(declared(kind, {**spec, "colour": "red", "size": 3})).problem
    assert problem is not None
    assert problem.message == "spec.colour: is not a known field; spec.size: is not a known field"


@pytest.mark.parametrize(("kind", "spec"), GOOD)
def test_a_spec_that_cannot_be_read_is_a_problem(kind: Kind, spec: dict[str, Any]) -> None:
    problem = admission.judged(declared(kind, dict.fromkeys(spec, 5))).problem
    assert problem is not None
    assert problem.reason is Reason.INVALID


def test_an_earlier_problem_stays() -> None:
    earlier = Problem(reason=Reason.INVALID, message="no spec", field="spec")
    assert admission.judged(declared(Kind.ROUTE, {}, earlier)).problem == earlier
