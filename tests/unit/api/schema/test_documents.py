import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from pilothouse_api.schema.documents import documents

DOCUMENTS = documents()


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from nodes(schema[key], f"{path}[]")


FIELDS = [
    pytest.param(field, id=f"{plural}{path}")
    for plural, document in DOCUMENTS.items()
    for path, field in nodes(document["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    if path.startswith((".spec", ".status"))
]


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_is_structural_and_bounded(field: dict[str, Any]) -> None:
    assert {"$ref", "anyOf", "oneOf", "title", "nullable"} & field.keys() == set()
    match field["type"]:
        case "string":
            assert "maxLength" in field or "enum" in field
        case "array":
            assert "maxItems" in field
        case "integer":
            assert {"minimum", "maximum"} <= field.keys()
        case "object":
            assert "maxProperties" in field or "properties" in field
        case other:
            pytest.fail(f"no {other} in a manifest")


@pytest.mark.parametrize("plural", DOCUMENTS)
def test_every_named_field_is_described(plural: str) -> None:
    schema = DOCUMENTS[plural]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    named = [(path, field) for path, field in nodes(schema) if path and not path.endswith("[]") and path != ".metadata"]
    assert [path for path, field in named if not field.get("description", "").endswith((".", "`", ")"))] == []


@pytest.mark.parametrize("field", FIELDS)
def test_patterns_are_ones_that_re2_knows_too(field: dict[str, Any]) -> None:
    pattern = field.get("pattern", "")
    re.compile(pattern)
    assert re.search(r"\(\?|\\[0-9]", pattern) is None


@pytest.mark.parametrize("field", FIELDS)
def test_defaults_stand_on_leaves_only(field: dict[str, Any]) -> None:
    assert isinstance(field.get("default", ""), str | int)


@pytest.mark.parametrize("plural", DOCUMENTS)
def test_a_definition_stays_far_below_what_kubectl_can_apply(plural: str) -> None:
    """It keeps what it applied as JSON without blanks in an annotation: all of them together may have 256 KiB."""
    assert len(json.dumps(DOCUMENTS[plural], separators=(",", ":"))) < 128 * 1024


@pytest.mark.parametrize("plural", DOCUMENTS)
def test_no_field_has_a_name_that_yaml_1_1_reads_as_a_boolean(plural: str) -> None:
    schema = DOCUMENTS[plural]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    names = {name for _, field in nodes(schema) for name in field.get("properties", {})}
    assert all(yaml.safe_load(name) == name for name in names)
