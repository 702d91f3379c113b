from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_proxy.quota.window import BUCKETS, Window

steps = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 30)), max_size=120)


@settings(max_examples=300)
@given(steps, st.integers(1, 100), st.sampled_from([1, 60, 3_600]))
def test_no_interval_of_the_window_s_length_is_granted_more_than_the_amount(
    steps: list[tuple[float, int]], amount: int, window_s: int
) -> None:
    window, now, granted = Window(window_s=window_s), 0.0, []
    for passed, asked in steps:
        now += passed * window_s / 60
        if window.used(now=now) + asked <= amount:
            window.take(asked, now=now)
            granted.append((now, asked))
    for start, _ in granted:
        inside = sum(taken for at, taken in granted if start <= at < start + window_s)
        assert inside <= amount


@given(steps, st.integers(1, 100))
def test_giving_back_what_was_reserved_never_lets_more_be_used(steps: list[tuple[float, int]], amount: int) -> None:
    window, now, used = Window(window_s=60), 0.0, []
    for passed, asked in steps:
        now += passed
        if window.used(now=now) + asked <= amount:
            bucket = window.take(asked, now=now)
            window.give_back(bucket, asked - asked // 2, now=now)
            used.append((now, asked // 2))
    for start, _ in used:
        assert sum(taken for at, taken in used if start <= at < start + 60) <= amount


@given(steps, st.integers(1, 60), st.integers(60, 100))
def test_after_the_wait_that_was_told_it_fits_and_not_much_earlier(
    steps: list[tuple[float, int]], asked: int, amount: int
) -> None:
    window, now = Window(window_s=60), 0.0
    for passed, taken in steps:
        now += passed
        window.take(taken, now=now)
    wait = window.wait_s(asked, limit=amount, now=now)
    assert wait is not None
    if wait > 0:
        assert window.used(now=now) + asked > amount
    assert window.used(now=now + wait + 1e-6) + asked <= amount


def test_what_can_never_fit_is_told_apart() -> None:
    assert Window(window_s=60).wait_s(11, limit=10, now=5.0) is None


def test_a_taken_amount_counts_for_the_whole_window_and_one_bucket_at_most() -> None:
    window = Window(window_s=60)
    window.take(5, now=100.4)
    assert window.used(now=160.4) == 5
    assert window.used(now=161.0) == 0


def test_the_counter_tells_when_it_is_empty_again() -> None:
    window = Window(window_s=60)
    assert window.empty_in_s(now=100.0) == 0
    window.take(5, now=100.0)
    assert window.empty_in_s(now=130.0) == 31.0


def test_what_is_given_back_was_not_taken() -> None:
    window = Window(window_s=60)
    bucket = window.take(5, now=100.0)
    window.take(1, now=120.0)
    window.give_back(bucket, 4, now=130.0)
    assert window.used(now=130.0) == 2
    assert window.used(now=161.5) == 1


def test_no_more_is_given_back_than_was_taken() -> None:
    window = Window(window_s=60)
    window.give_back(window.take(5, now=100.0), 95, now=130.0)
    assert window.used(now=130.0) == 0


def test_giving_back_after_the_window_has_passed_changes_nothing() -> None:
    window = Window(window_s=60)
    bucket = window.take(5, now=100.0)
    window.take(3, now=480.0)
    window.give_back(bucket, 5, now=500.0)
    assert window.used(now=500.0) == 3


def test_however_busy_it_holds_few_buckets() -> None:
    window = Window(window_s=60)
    for step in range(10_000):
        window.take(1, now=step / 10)
        window.used(now=step / 10)
    assert len(window._buckets) <= BUCKETS + 1
