"""Every place that may hold a secret value is known by name: else a rule would overlook it."""

from collections.abc import Iterator
from typing import Any

import pytest

from pilothouse_api.resources.parsing import Parsed, parse
from pilothouse_api.resources.provider import LLMProviderSpec
from pilothouse_api.resources.secret_places import PLACES, values
from pilothouse_api.schema.documents import documents
from tests.unit.api import rule_cases
from tests.unit.api.rule_cases import SMALLEST, STORED, VAULT_STORE, merged


def places_of(schema: dict[str, Any], path: str) -> Iterator[str]:
    if "gcpSecretManager" in schema.get("properties", {}):
        yield path
    for name, field in schema.get("properties", {}).items():
        yield from places_of(field, f"{path}.{name}")


def test_the_places_are_those_of_the_schema() -> None:
    version = documents()["llmproviders"]["spec"]["versions"][0]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert sorted(places_of(spec, "spec")) == sorted(f"spec.{place}" for place in PLACES)


@pytest.mark.parametrize("place", PLACES)
def test_a_value_is_found_in_its_place(place: str) -> None:
    value = {"vault": STORED["vault"]}
    spec = merged(SMALLEST["llmproviders"], rule_cases.PLACES[place](value) | {"secretStores": VAULT_STORE})
    found = parse(LLMProviderSpec, spec)
    assert isinstance(found, Parsed)
    assert [path for path, it in values(found.spec) if it.vault is not None] == [f"spec.{place}"]


@pytest.mark.parametrize("place", PLACES)
def test_a_value_kept_in_vault_needs_a_vault_wherever_it_stands(place: str) -> None:
    found = parse(
        LLMProviderSpec, merged(SMALLEST["llmproviders"], rule_cases.PLACES[place]({"vault": STORED["vault"]}))
    )
    assert isinstance(found, tuple)
    assert "secretStores.vault" in found[0].message
