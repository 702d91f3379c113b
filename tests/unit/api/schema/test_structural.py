import pytest
from pydantic import BaseModel, Field

from pilothouse_api.schema.structural import structural


class Inner(BaseModel):
    """Its own description."""

    size: int = Field(default=3, ge=1, le=9)


class Outer(BaseModel):
    maybe: Inner | None = Field(default=None, description="the field's description")
    many: list[Inner] = []
    by_name: dict[str, str] = Field(default={}, max_length=4)


class Torn(BaseModel):
    either: int | str


class Exclusive(BaseModel):
    amount: int = Field(gt=0)


def test_references_and_nulls_are_resolved_and_the_field_describes_itself() -> None:
    schema = structural(Outer)["properties"]["maybe"]
    assert schema["type"] == "object"
    assert schema["description"] == "the field's description"
    assert schema["properties"] == {"size": {"type": "integer", "default": 3, "minimum": 1, "maximum": 9}}


def test_lists_and_objects_have_no_defaults() -> None:
    properties = structural(Outer)["properties"]
    assert "default" not in properties["many"]
    assert properties["by_name"] == {"type": "object", "maxProperties": 4, "additionalProperties": {"type": "string"}}


@pytest.mark.parametrize(
    ("model", "message"),
    [(Torn, "Torn.either: a structural schema has no unions"), (Exclusive, "Exclusive.amount: .* no exclusiveMinimum")],
)
def test_what_cannot_be_said_is_refused_with_its_path(model: type[BaseModel], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        structural(model)
