import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.quota.reserve import span
from pilothouse_proxy.routing import allowance

WALL = 1_790_000_000.0


def rest_s(**headers: str) -> float:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return allowance.rest_s([(b"content-type", b"application/json"), *sent], wall=WALL)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("6s", 6.0),
        ("120ms", 0.12),
        ("1m30s", 90.0),
        ("2h0m5s", 7_205.0),
        ("1d", 86_400.0),
        ("6m0s", 360.0),
        ("7.66s", 7.66),
        ("17", 17.0),  # Azure's
        ("0", 0.0),
        ("soon", allowance.UNTOLD_S),
        ("", allowance.UNTOLD_S),
    ],
)
def test_nothing_left_is_nothing_until_the_reset_in_any_of_its_forms(told: str, seconds: float) -> None:
    found = rest_s(x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests=told)
    assert found == pytest.approx(seconds)


def test_anthropic_tells_the_moment() -> None:
    told = {"anthropic_ratelimit_tokens_remaining": "0", "anthropic_ratelimit_tokens_reset": "2026-09-21T14:13:25Z"}
    assert rest_s(**told) == pytest.approx(5.0)


def test_a_moment_that_has_passed_is_no_wait() -> None:
    told = {"anthropic_ratelimit_requests_remaining": "0", "anthropic_ratelimit_requests_reset": "2020-01-01T00:00:00Z"}
    assert rest_s(**told) == 0


def test_what_is_left_is_no_wait() -> None:
    assert rest_s(x_ratelimit_remaining_tokens="1", x_ratelimit_reset_tokens="6s") == 0
    assert rest_s() == 0


def test_less_than_nothing_is_nothing() -> None:
    assert rest_s(x_ratelimit_remaining_tokens="-12", x_ratelimit_reset_tokens="6s") == 6


def test_the_longest_of_several_counts() -> None:
    told = {
        "x_ratelimit_remaining_requests": "0",
        "x_ratelimit_reset_requests": "1s",
        "x_ratelimit_remaining_tokens": "0",
        "x_ratelimit_reset_tokens": "30s",
    }
    assert rest_s(**told) == 30


@given(st.integers(1, 400_000))
def test_a_gateway_of_our_own_is_understood(seconds: int) -> None:
    told = span(seconds).decode()
    assert rest_s(x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests=told) == seconds


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_whatever_is_said_is_a_wait_or_none(remaining: bytes, reset: bytes) -> None:
    headers = [(b"x-ratelimit-remaining-requests", remaining), (b"x-ratelimit-reset-requests", reset)]
    assert allowance.rest_s(headers, wall=WALL) >= 0
