import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_operator.pacing import lifetimes
from pilothouse_operator.pacing.calendar import Calendar


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.floats(0, 1e9), st.floats(0, 1e5))
def test_a_plan_is_within_its_window(rng: random.Random, earliest: float, span: float) -> None:
    assert earliest <= Calendar(rng).plan(earliest=earliest, latest=earliest + span) <= earliest + span


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.lists(st.floats(0, 60), max_size=30))
def test_what_is_given_back_leaves_nothing(rng: random.Random, starts: list[float]) -> None:
    calendar = Calendar(rng)
    plans = [calendar.plan(earliest=start, latest=start + 5) for start in starts]
    assert len(calendar) == len(plans)
    for plan in plans:
        calendar.give_back(plan)
    assert not calendar._planned


def test_five_thousand_of_one_minute_are_renewed_in_twelve_minutes_evenly() -> None:
    rng = random.Random(1)
    calendar = Calendar(rng)
    seconds: Counter[int] = Counter()
    for _ in range(5_000):
        issued = rng.uniform(0, 60)
        earliest, latest = lifetimes.renewal_window(now=issued, ends=issued + 3_600)
        seconds[int(calendar.plan(earliest=earliest, latest=latest))] += 1
    minutes = Counter({minute: 0 for minute in range(34, 47)})
    for second, count in seconds.items():
        minutes[second // 60] += count
    assert set(minutes) == set(range(34, 47))
    assert max(minutes.values()) < 5_000 / 12 * 1.1
    # Drawn blindly, the fullest second would have 18 or so of the mean's 6.9.
    assert max(seconds.values()) <= 10
