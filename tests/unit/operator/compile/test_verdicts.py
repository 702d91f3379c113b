from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.conditions import Problem, Reason
from pilothouse_operator.compile.verdicts import MAX_MESSAGE, summary, text

problems = st.builds(
    Problem, reason=st.just(Reason.INVALID), message=st.text(min_size=2, max_size=900), field=st.text(max_size=300)
)


def problem(message: str, field: str = "") -> Problem:
    return Problem(reason=Reason.INVALID, message=message, field=field)


def test_a_problem_is_told_with_its_field() -> None:
    assert text(problem("is required", "spec.models")) == "spec.models: is required"
    assert text(problem("the file is cut short")) == "the file is cut short"


def test_all_problems_are_told_while_there_is_room() -> None:
    assert summary([problem("one.", "a"), problem("two.", "b")]) == "a: one; b: two"


def test_what_has_no_room_is_counted() -> None:
    found = summary([problem("x" * 400, f"spec.f{index}") for index in range(5)])
    assert found.endswith("; and 3 more")
    assert found.count("spec.f") == 2


def test_a_single_problem_too_long_is_cut() -> None:
    assert summary([problem("x" * 2_000)]) == "x" * (MAX_MESSAGE - 1) + "…"


def test_a_first_problem_too_long_still_leaves_the_others_counted() -> None:
    found = summary([problem("x" * 2_000), problem("short")])
    assert len(found) == MAX_MESSAGE
    assert found.endswith("…; and 1 more")


def test_many_thousand_problems_are_counted_too() -> None:
    assert summary([problem("is unknown", "spec.x")] * 50_000).endswith("more")


@given(st.lists(problems, min_size=1, max_size=40))
def test_a_message_is_never_longer_than_the_schema_allows(found: list[Problem]) -> None:
    assert 0 < len(summary(found)) <= MAX_MESSAGE
