"""Every rule refuses in Python what the API server refuses by CEL, with the same words."""

from collections.abc import Iterator
from typing import Any

import pytest

from pilothouse_api.resources.parsing import Parsed, parse
from pilothouse_api.resources.provider import LLMProviderSpec
from pilothouse_api.resources.quota import UsageQuotaSpec
from pilothouse_api.resources.route import ModelRouteSpec
from pilothouse_api.schema.documents import documents
from tests.unit.api.rule_cases import CASES, SMALLEST, Case, merged

SPECS: dict[str, Any] = {"llmproviders": LLMProviderSpec, "modelroutes": ModelRouteSpec, "usagequotas": UsageQuotaSpec}
NOW = [case for case in CASES if case.former is None]


def rules_of(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield path, rule["message"]
    for name, field in schema.get("properties", {}).items():
        yield from rules_of(field, f"{path}.{name}")
    if "items" in schema:
        yield from rules_of(schema["items"], f"{path}[]")


def test_every_rule_of_every_schema_has_a_case() -> None:
    written = [
        (plural, path, message)
        for plural, document in documents().items()
        for path, message in rules_of(document["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    ]
    assert sorted((case.plural, case.path, case.message) for case in CASES) == sorted(written)


@pytest.mark.parametrize("case", NOW, ids=lambda case: case.name)
def test_a_spec_that_keeps_the_rule_is_parsed(case: Case) -> None:
    assert isinstance(parse(SPECS[case.plural], merged(SMALLEST[case.plural], case.good)), Parsed)


@pytest.mark.parametrize("case", NOW, ids=lambda case: case.name)
def test_a_spec_that_breaks_the_rule_is_refused_with_its_words(case: Case) -> None:
    problems = parse(SPECS[case.plural], merged(SMALLEST[case.plural], case.bad))
    assert isinstance(problems, tuple)
    assert case.message in {problem.message for problem in problems}
