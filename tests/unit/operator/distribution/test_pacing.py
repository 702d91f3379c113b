"""How often one proxy may knock."""

from hypothesis import given
from hypothesis import strategies as st

from pilothouse_operator.distribution.pacing import PodLimit


def test_a_burst_passes_and_then_the_rate_rules() -> None:
    limit = PodLimit(burst=3, per_second=2)
    assert [limit.wait_s("a", now=0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert limit.wait_s("a", now=0.5) == 0.0


def test_pods_do_not_slow_one_another() -> None:
    limit = PodLimit(burst=1, per_second=1)
    limit.wait_s("a", now=0.0)
    assert limit.wait_s("b", now=0.0) == 0.0


@given(st.lists(st.floats(min_value=0, max_value=10), max_size=200))
def test_never_more_than_burst_and_rate_allow(moments: list[float]) -> None:
    limit = PodLimit(burst=5, per_second=3)
    passed = sum(limit.wait_s("a", now=now) == 0 for now in sorted(moments))
    assert passed <= 5 + 3 * 10
