from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.routing.budget import FLOOR_RETRIES_PER_S, RESERVE, Budget


@given(st.integers(0, 100), st.lists(st.tuples(st.floats(0, 0.1), st.booleans()), max_size=300))
def test_retries_stay_under_their_share_and_the_floor(percent: int, steps: list[tuple[float, bool]]) -> None:
    budget, now, requests, retries = Budget(percent=percent, now=0.0), 0.0, 0, 0
    for passed, is_request in steps:
        now += passed
        if is_request:
            budget.deposit()
            requests += 1
        else:
            retries += budget.withdraw(now=now)
    assert retries <= requests * percent / 100 + RESERVE + now * FLOOR_RETRIES_PER_S + 1e-6


def test_a_share_of_zero_allows_none() -> None:
    budget = Budget(percent=0, now=0.0)
    budget.deposit()
    assert not budget.withdraw(now=1_000.0)


def test_a_quiet_route_can_always_retry_a_little() -> None:
    budget = Budget(percent=1, now=0.0)
    while budget.withdraw(now=0.0):
        pass
    assert budget.withdraw(now=1 / FLOOR_RETRIES_PER_S + 0.01)


def test_what_is_saved_up_is_bounded() -> None:
    budget = Budget(percent=20, now=0.0)
    for _ in range(1_000_000):
        budget.deposit()
    assert sum(budget.withdraw(now=0.0) for _ in range(1_000)) <= RESERVE + 200
