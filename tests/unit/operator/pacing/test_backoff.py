import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_operator.pacing import backoff

FAILURES = st.integers(1, 10_000)
POINTS = st.floats(0, 1, exclude_max=True)
LEFT = st.none() | st.floats(0, 1e6)


@settings(deadline=None)
@given(FAILURES, LEFT, POINTS)
def test_a_passing_failure_is_tried_again_within_a_second_to_five_minutes(
    failures: int, left: float | None, point: float
) -> None:
    assert 1 <= backoff.passing_s(failures, left_s=left, point=point) <= 300


@settings(deadline=None)
@given(FAILURES, LEFT, POINTS)
def test_what_must_be_mended_is_tried_again_within_one_to_five_minutes(
    failures: int, left: float | None, point: float
) -> None:
    assert 60 <= backoff.mended_s(failures, left_s=left, point=point) <= 300


@pytest.mark.parametrize(("failures", "longest"), [(1, 2), (2, 4), (5, 32), (8, 256), (9, 300), (1_000, 300)])
def test_the_span_doubles_with_each_failure(failures: int, longest: float) -> None:
    assert backoff.passing_s(failures, left_s=None, point=0) == 1
    assert backoff.passing_s(failures, left_s=None, point=1) == longest


@settings(deadline=None)
@given(FAILURES, st.floats(4, 1e6), POINTS)
def test_a_quarter_of_what_is_left_is_the_longest_wait(failures: int, left: float, point: float) -> None:
    assert backoff.passing_s(failures, left_s=left, point=point) <= left / 4


@settings(deadline=None)
@given(st.floats(60, 1_200), st.lists(POINTS, min_size=10, max_size=10))
def test_several_tries_come_before_the_end_however_often_it_failed(left: float, points: list[float]) -> None:
    for point in points:
        left -= backoff.passing_s(10_000, left_s=left, point=point)
    assert left > 0


@settings(deadline=None)
@given(st.floats(1, 1e6), POINTS)
def test_jitter_is_a_tenth(span: float, point: float) -> None:
    assert 0.9 * span <= backoff.jittered_s(span, point=point) <= 1.1 * span
