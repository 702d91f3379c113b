import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.snapshot.routes import FailureClass, Retry
from pilothouse_proxy.errors import Failure, Kind
from pilothouse_proxy.routing import retry

POLICY = retry.policy(Retry(attempts=4, backoff_base_ms=100, backoff_max_ms=2_000))


def pause(
    kind: Kind, *, attempts: int = 1, after: float | None = None, remaining: float = 60.0, point: float = 0.5
) -> float | None:
    failure = Failure(kind=kind, message="", retry_after_s=after)
    return retry.pause_s(POLICY, failure, attempts=attempts, remaining_s=remaining, point=point)


@given(st.integers(1, 3), st.floats(0, 1, exclude_max=True))
def test_the_pause_is_between_nothing_and_the_doubling_ceiling(attempts: int, point: float) -> None:
    found = pause(Kind.UNAVAILABLE, attempts=attempts, point=point)
    assert found is not None
    assert 0 <= found <= min(2.0, 0.1 * 2 ** (attempts - 1))


def test_attempts_count_the_first() -> None:
    assert pause(Kind.UNAVAILABLE, attempts=3) is not None
    assert pause(Kind.UNAVAILABLE, attempts=4) is None


def test_what_the_table_allows_once_is_tried_twice_at_most() -> None:
    assert pause(Kind.PROVIDER_ERROR, attempts=1) is not None
    assert pause(Kind.PROVIDER_ERROR, attempts=2) is None


@pytest.mark.parametrize("kind", [Kind.INVALID_REQUEST, Kind.UPSTREAM_AUTH, Kind.CONTENT_FILTER, Kind.UPSTREAM_QUOTA])
def test_what_the_table_never_retries_is_not_retried(kind: Kind) -> None:
    assert pause(kind) is None


def test_a_class_that_the_route_does_not_name_is_not_retried() -> None:
    assert FailureClass.TIMEOUT not in POLICY.on
    assert pause(Kind.TIMEOUT) is None


def test_retry_after_is_a_lower_bound() -> None:
    assert pause(Kind.RATE_LIMITED, after=1.5, point=0.9) == 1.5


def test_retry_after_beyond_the_longest_pause_is_not_waited_for() -> None:
    assert pause(Kind.RATE_LIMITED, after=2.5) is None


def test_a_pause_that_eats_the_time_of_the_attempt_is_not_made() -> None:
    assert pause(Kind.RATE_LIMITED, after=1.5, remaining=2.9) is None
    assert pause(Kind.RATE_LIMITED, after=1.5, remaining=3.1) == 1.5


def test_each_untried_target_has_an_equal_share_of_the_time() -> None:
    assert retry.share_s(remaining_s=90, untried=3) == 30
    assert retry.share_s(remaining_s=90, untried=1) == 90
