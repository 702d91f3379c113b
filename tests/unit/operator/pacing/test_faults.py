import pytest

from pilothouse_api.conditions import Reason
from pilothouse_operator.pacing import faults
from pilothouse_operator.pacing.limiter import Answer
from pilothouse_operator.ports import Fault

AWAY = Fault("away", reason=Reason.SIGN_IN_UNAVAILABLE, passing=True)
BUSY = Fault("busy", reason=Reason.SIGN_IN_UNAVAILABLE, passing=True, throttled=True)
DENIED = Fault("denied", reason=Reason.SIGN_IN_REFUSED, passing=False)


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (AWAY, Answer.UNAVAILABLE),
        (BUSY, Answer.THROTTLED),
        (DENIED, Answer.REFUSED),
        ("a credential", Answer.GOOD),
        (None, Answer.GOOD),
    ],
)
def test_what_comes_says_how_the_service_is(given: object, answer: Answer) -> None:
    assert faults.answer(given) is answer


def streak(*failures: Fault) -> faults.Streak:
    made = faults.Streak()
    for number, fault in enumerate(failures):
        made.add(fault, wall=1_000.0 + number)
    return made


@pytest.mark.parametrize(
    ("failures", "told"),
    [
        ((AWAY,), None),
        ((AWAY, AWAY), None),
        ((AWAY, AWAY, AWAY), AWAY),
        ((DENIED,), DENIED),
        ((BUSY,) * 9, None),
        ((AWAY, AWAY, AWAY, BUSY), AWAY),
        ((DENIED, BUSY), DENIED),
        ((BUSY, DENIED), DENIED),
    ],
)
def test_beside_what_serves_only_what_lasts_or_must_be_mended_is_told(
    failures: tuple[Fault, ...], told: Fault | None
) -> None:
    assert streak(*failures).told(serves=True) is told


@pytest.mark.parametrize("fault", [AWAY, BUSY, DENIED])
def test_where_nothing_serves_every_fault_is_told(fault: Fault) -> None:
    assert streak(fault).told(serves=False) is fault


def test_it_lasts_since_the_first_and_until_something_is_given() -> None:
    failures = streak(AWAY, AWAY, DENIED)
    assert (failures.since, failures.count) == (1_000.0, 3)
    failures.end()
    assert (failures.since, failures.count, failures.told(serves=False)) == (0.0, 0, None)


def test_what_must_be_mended_is_tried_more_rarely_than_what_may_pass() -> None:
    assert streak(AWAY).pause_s(left_s=None, point=0.5) < 60 <= streak(DENIED).pause_s(left_s=None, point=0.5)
