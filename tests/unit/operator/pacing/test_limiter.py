from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_operator.pacing.limiter import Answer, Call, Limiter


def answered(
    limiter: Limiter, answer: Answer, *, now: float, waiting: int = 1, retry_after_s: float | None = None
) -> None:
    """One call that is answered at once."""
    limiter.ended(limiter.start(now, waiting=waiting), answer, now=now, retry_after_s=retry_after_s)


def opened(limiter: Limiter, now: float) -> float:
    at = limiter.opens_at(now)
    assert at is not None
    return at


def test_the_first_call_may_start_at_once_and_the_next_an_interval_later() -> None:
    limiter = Limiter()
    assert limiter.opens_at(5.0) == 5.0
    limiter.start(5.0, waiting=1)
    assert limiter.opens_at(5.0) == 5.1


def test_four_calls_at_once_and_no_more_until_one_has_ended() -> None:
    limiter = Limiter()
    calls = [limiter.start(opened(limiter, 0.0), waiting=1) for _ in range(4)]
    assert limiter.opens_at(10.0) is None
    limiter.ended(calls[0], Answer.REFUSED, now=10.0)
    assert limiter.opens_at(10.0) == 10.0


def test_a_call_that_was_cancelled_says_nothing() -> None:
    limiter = Limiter()
    limiter.start(0.0, waiting=1)
    limiter.cancelled()
    assert (limiter.rate, limiter.width, limiter._under_way) == (10.0, 4.0, 0)


def test_success_while_others_wait_lets_more_through() -> None:
    limiter = Limiter()
    answered(limiter, Answer.GOOD, now=0.0, waiting=3)
    assert (limiter.rate, limiter.width) == (10.25, 4.25)


def test_success_without_others_waiting_says_nothing_of_what_could_be_borne() -> None:
    limiter = Limiter()
    for number in range(100):
        answered(limiter, Answer.GOOD, now=float(number), waiting=0)
    assert limiter.rate == 10.0


def test_being_refused_is_no_reason_to_slow_down() -> None:
    limiter = Limiter()
    answered(limiter, Answer.REFUSED, now=0.0)
    assert limiter.rate == 10.0


def test_throttling_halves_and_pauses() -> None:
    limiter = Limiter()
    answered(limiter, Answer.THROTTLED, now=0.0)
    assert (limiter.rate, limiter.width, limiter.opens_at(0.0)) == (5.0, 2.0, 1.0)


def test_an_outage_halves() -> None:
    limiter = Limiter()
    answered(limiter, Answer.UNAVAILABLE, now=0.0)
    assert (limiter.rate, limiter.width) == (5.0, 2.0)


def test_some_that_fail_among_others_that_succeed_slow_nobody_else() -> None:
    limiter = Limiter()
    for second in range(100):
        answered(limiter, Answer.GOOD, now=float(second), waiting=0)
        answered(limiter, Answer.UNAVAILABLE, now=second + 0.5)
    assert limiter.rate == 10.0


def test_calls_of_one_round_halve_once() -> None:
    limiter = Limiter()
    calls = [limiter.start(opened(limiter, 0.0), waiting=1) for _ in range(4)]
    for call in calls:
        limiter.ended(call, Answer.THROTTLED, now=1.0)
    assert limiter.rate == 5.0
    answered(limiter, Answer.THROTTLED, now=2.0)
    assert limiter.rate == 2.5


def test_growth_is_slow_once_the_service_has_objected() -> None:
    limiter = Limiter()
    answered(limiter, Answer.THROTTLED, now=0.0)
    answered(limiter, Answer.GOOD, now=1.0)
    assert limiter.rate == 5.2


def test_a_wait_that_is_asked_for_holds_for_everybody() -> None:
    limiter = Limiter()
    answered(limiter, Answer.THROTTLED, now=0.0, retry_after_s=120.0)
    assert limiter.opens_at(1.0) == 120.0


def test_a_wait_of_a_day_is_ten_minutes() -> None:
    limiter = Limiter()
    answered(limiter, Answer.THROTTLED, now=0.0, retry_after_s=86_400.0)
    assert limiter.opens_at(0.0) == 600.0


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(Answer), st.floats(0, 5), st.booleans()), max_size=200))
def test_pace_and_width_stay_within_their_bounds(steps: list[tuple[Answer, float, bool]]) -> None:
    limiter, now, calls = Limiter(), 0.0, list[Call]()
    for answer, wait, ends in steps:
        now += wait
        if ends and calls:
            limiter.ended(calls.pop(), answer, now=now)
        elif (at := limiter.opens_at(now)) is not None:
            before, now = now, at
            assert now >= before
            calls.append(limiter.start(now, waiting=1))
        assert 0.5 <= limiter.rate <= 100
        assert 1 <= limiter.width <= 32
        assert len(calls) <= 32
        assert limiter._under_way == len(calls)


def test_of_a_service_that_bears_twenty_calls_a_second_most_are_used_and_few_refused() -> None:
    limiter, now, second, used = Limiter(), 0.0, -1, 0
    outcomes = {Answer.GOOD: 0, Answer.THROTTLED: 0}
    while now < 600:
        now = opened(limiter, now)
        if int(now) != second:
            second, used = int(now), 0
        used += 1
        answer = Answer.GOOD if used <= 20 else Answer.THROTTLED
        outcomes[answer] += 1
        answered(limiter, answer, now=now)
    assert outcomes[Answer.GOOD] > 0.6 * 20 * 600
    assert outcomes[Answer.THROTTLED] < 0.02 * outcomes[Answer.GOOD]
