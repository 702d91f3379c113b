"""The order of the checks is what a reader may know."""

from pilothouse_operator.compile.checks import OBSTACLES, accepted, found, names_a_model, permitted, signs_in


def test_permission_comes_before_everything_that_tells_about_the_provider() -> None:
    assert OBSTACLES[0] is permitted


def test_what_must_exist_is_checked_before_what_it_holds() -> None:
    order = [OBSTACLES.index(check) for check in (found, accepted, names_a_model, signs_in)]
    assert order == sorted(order)
