from pilothouse_api.conditions import Reason
from pilothouse_api.schema.reference import pages


def test_every_kind_and_the_conditions_have_a_page() -> None:
    assert set(pages()) == {"llmprovider.md", "modelroute.md", "usagequota.md", "conditions.md"}


def test_a_field_is_told_with_type_default_and_bounds() -> None:
    row = "| `spec.targets[].weight` | integer | default `1` | Share of the requests"
    assert row in pages()["modelroute.md"]
    assert "Between 0 and 1,000,000." in pages()["modelroute.md"]


def test_every_reason_is_explained() -> None:
    page = pages()["conditions.md"]
    assert [reason for reason in Reason if f"| {reason.value} |" not in page and reason is not Reason.READY] == []
