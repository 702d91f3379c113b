from pilothouse_api.conditions import MEANINGS, OUTCOMES, ConditionType, Reason


def test_every_condition_type_is_explained() -> None:
    assert MEANINGS.keys() == set(ConditionType)


def test_every_reason_has_a_condition_that_uses_it() -> None:
    used = {reason for outcomes in OUTCOMES.values() for _, reason in outcomes}
    assert used | {Reason.READY} == set(Reason)


def test_every_type_but_the_summary_says_what_it_may_say() -> None:
    assert OUTCOMES.keys() == set(ConditionType) - {ConditionType.READY}


def test_a_condition_of_each_type_can_be_true_and_can_be_something_else() -> None:
    for outcomes in OUTCOMES.values():
        statuses = {status.value for status, _ in outcomes}
        assert "True" in statuses
        assert len(statuses) >= 2
