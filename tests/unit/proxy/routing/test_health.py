import pytest

from pilothouse_proxy.errors import Failure, Kind
from pilothouse_proxy.routing.health import (
    COOL_S,
    EJECT_AFTER,
    EJECTION_S,
    LISTEN_EACH_S,
    MAX_COOL_S,
    MAX_EJECTION_S,
    PROBE_S,
    Health,
)


def fail(
    health: Health, now: float, *, times: int = 1, kind: Kind = Kind.UNAVAILABLE, after: float | None = None
) -> None:
    for _ in range(times):
        health.failed(Failure(kind=kind, message="", retry_after_s=after), now=now)


def test_hard_failures_in_a_row_eject() -> None:
    health = Health()
    fail(health, 100.0, times=EJECT_AFTER - 1)
    assert health.shunned_until <= 100.0
    fail(health, 100.0)
    assert health.shunned_until == 100.0 + EJECTION_S


def test_a_success_in_between_starts_the_count_anew() -> None:
    health = Health()
    fail(health, 100.0, times=EJECT_AFTER - 1)
    health.succeeded()
    fail(health, 100.0, times=EJECT_AFTER - 1)
    assert health.shunned_until <= 100.0


def test_failures_that_were_under_way_do_not_lengthen_an_ejection() -> None:
    health = Health()
    fail(health, 100.0, times=EJECT_AFTER + 50)
    assert health.shunned_until == 100.0 + EJECTION_S


def test_each_ejection_is_longer_up_to_a_bound() -> None:
    health, now, spans = Health(), 0.0, []
    fail(health, now, times=EJECT_AFTER - 1)
    for _ in range(10):
        fail(health, now)
        spans.append(health.shunned_until - now)
        now = health.shunned_until
    assert spans[:3] == [EJECTION_S, 2 * EJECTION_S, 4 * EJECTION_S]
    assert spans[-1] == MAX_EJECTION_S


def test_after_an_ejection_one_request_tries_and_the_others_wait_for_it() -> None:
    health = Health()
    fail(health, 0.0, times=EJECT_AFTER)
    back = health.shunned_until
    health.attempted(now=back)
    assert health.shunned_until == back + PROBE_S


def test_a_successful_probe_ends_it() -> None:
    health = Health()
    fail(health, 0.0, times=EJECT_AFTER)
    health.attempted(now=EJECTION_S)
    health.succeeded()
    assert health.shunned_until == 0.0
    assert health.failures == 0


def test_a_busy_target_rests_as_long_as_it_asks() -> None:
    health = Health()
    fail(health, 10.0, kind=Kind.RATE_LIMITED, after=7.0)
    assert health.shunned_until == 17.0
    assert health.failures == 0


@pytest.mark.parametrize(("after", "span"), [(None, COOL_S), (86_400.0, MAX_COOL_S)])
def test_a_busy_target_rests_for_a_bounded_time(after: float | None, span: float) -> None:
    health = Health()
    fail(health, 10.0, kind=Kind.RATE_LIMITED, after=after)
    assert health.shunned_until == 10.0 + span


def test_an_answer_to_another_request_does_not_end_the_rest() -> None:
    health = Health()
    fail(health, 10.0, kind=Kind.RATE_LIMITED, after=7.0)
    health.succeeded()
    assert health.shunned_until == 17.0


@pytest.mark.parametrize("kind", [Kind.INVALID_REQUEST, Kind.UPSTREAM_AUTH, Kind.CAPACITY, Kind.CONTEXT_LENGTH])
def test_what_says_nothing_of_the_target_changes_nothing(kind: Kind) -> None:
    health = Health()
    fail(health, 10.0, kind=kind, times=50)
    assert (health.failures, health.shunned_until) == (0, 0.0)


def test_who_has_nothing_left_is_passed_over_until_there_is_again() -> None:
    health = Health()
    health.listened(7.0, now=100.0)
    assert (health.shunned_until, health.listens_at) == (107.0, 100.0 + LISTEN_EACH_S)
    health.listened(0.0, now=101.0)
    assert health.shunned_until == 107.0


def test_days_without_anything_left_are_asked_about_once_a_minute() -> None:
    health = Health()
    health.listened(86_400.0, now=100.0)
    assert health.shunned_until == 100.0 + MAX_COOL_S
