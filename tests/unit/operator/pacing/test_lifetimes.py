from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_operator.pacing import lifetimes

LIVES = st.floats(1.0, 100_000.0)


def test_a_credential_of_an_hour_is_renewed_after_forty_minutes_give_or_take_six() -> None:
    earliest, latest = lifetimes.renewal_window(now=0.0, ends=3_600.0)
    assert (round(earliest / 60, 6), round(latest / 60, 6)) == (34, 46)


def test_one_of_a_crowd_is_renewed_from_twenty_minutes_on() -> None:
    earliest, latest = lifetimes.first_renewal_window(now=0.0, ends=3_600.0)
    assert (round(earliest / 60, 6), round(latest / 60, 6)) == (20, 46)


@settings(deadline=None)
@given(LIVES)
def test_a_fifth_of_the_life_is_always_left(life: float) -> None:
    for window in (lifetimes.renewal_window, lifetimes.first_renewal_window):
        earliest, latest = window(now=1_000.0, ends=1_000.0 + life)
        assert 1_000.0 < earliest <= latest < 1_000.0 + 0.8 * life
