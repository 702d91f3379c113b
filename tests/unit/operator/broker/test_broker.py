import itertools
from collections import Counter

import pytest

from pilothouse_api.names import ProviderKey
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import BearerToken
from pilothouse_operator.compile.identities import BedrockForm
from pilothouse_operator.ports import Application, Brokered
from tests import virtual
from tests.unit.operator.broker.cloud import BUSY, DENIED, DOWN, HOUR, PROVIDER, Rig, application, until


def test_nothing_is_known_of_what_nobody_wants() -> None:
    async def scenario() -> None:
        assert Rig().broker.read(PROVIDER) == Brokered()

    virtual.run(scenario())


def test_the_first_is_issued_at_once() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application())
            assert rig.broker.read(PROVIDER) == Brokered()
            await until(1)
            brokered = rig.broker.read(PROVIDER)
            assert (rig.token, brokered.issued_at, brokered.fault) == ("token 1", virtual.WALL + 0.1, None)
            assert (rig.changes, rig.renewals) == ([0.1], [])

    virtual.run(scenario())


def test_what_is_wanted_before_it_runs_is_issued_when_it_does() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.want(application())
        await until(60)
        assert rig.cloud.asked == []
        async with rig.running():
            await until(61)
            assert rig.token == "token 1"

    virtual.run(scenario())


def test_each_is_renewed_ahead_of_its_end_and_old_and_new_overlap() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application())
            for minute in range(1, 24 * 60):
                await until(minute * 60.0)
                issued = rig.broker.read(PROVIDER).issued
                assert issued is not None
                assert issued.expires_at - rig.clock.wall() > HOUR / 5
        lives = [later - earlier for earlier, later in itertools.pairwise(rig.cloud.asked)]
        assert HOUR / 3 < lives[0] < 0.78 * HOUR
        assert all(0.56 * HOUR < life < 0.78 * HOUR for life in lives[1:])
        assert len(rig.renewals) == len(lives)
        assert rig.changes == [0.1]

    virtual.run(scenario())


def test_one_that_ends_sooner_than_it_was_asked_for_is_renewed_by_its_own_life() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.cloud.life_s = 900.0
        async with rig.running():
            rig.want(application())
            await until(HOUR)
        assert 4 <= len(rig.cloud.asked) <= 8

    virtual.run(scenario())


def test_the_same_credential_again_is_no_renewal_and_is_asked_for_again_before_it_ends() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application())
            await until(1)
            issued = rig.broker.read(PROVIDER).issued
            assert issued is not None
            assert isinstance(issued.credential, BearerToken)
            rig.cloud.same = issued.credential
            rig.cloud.life_s = 1_200.0
            await until(HOUR)
            assert rig.renewals == []
            assert rig.broker.read(PROVIDER).issued_at == virtual.WALL + 0.1

    virtual.run(scenario())


def test_an_equal_application_keeps_what_is_there() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application())
            await until(1)
            rig.want(application())
            await until(2)
            assert (rig.token, rig.cloud.asked) == ("token 1", [0.0])

    virtual.run(scenario())


@pytest.mark.parametrize(
    "other",
    [application(region="us-east-1"), application(None), application(form=BedrockForm.API_KEY)],
    ids=["another place", "the operator's own identity", "another form"],
)
def test_another_application_inherits_nothing(other: Application) -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application())
            await until(5)
            rig.want(other)
            assert rig.broker.read(PROVIDER) == Brokered()
            await until(6)
            assert (rig.token, rig.cloud.asked) == ("token 2", [0.0, 5.0])

    virtual.run(scenario())


def test_an_edit_of_the_models_leaves_no_gap() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application(models=("a",)))
            await until(5)
            rig.want(application(models=("a", "b"), duration_s=900))
            assert rig.token == "token 1"
            await until(6)
            assert (rig.token, rig.cloud.asked) == ("token 2", [0.0, 5.0])

    virtual.run(scenario())


def test_a_value_that_is_rotated_leaves_no_gap() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application("old"))
            await until(5)
            rig.want(application("new"))
            assert rig.token == "token 1"
            await until(6)
            assert (rig.token, rig.cloud.asked) == ("token 2", [0.0, 5.0])
            assert (rig.changes, len(rig.renewals)) == ([0.1], 1)

    virtual.run(scenario())


def test_a_value_that_is_rotated_to_a_wrong_one_is_a_fault_beside_what_serves() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.cloud.behaviour = lambda now: DENIED if now > 1 else None
        async with rig.running():
            rig.want(application("right"))
            await until(5)
            rig.want(application("wrong"))
            await until(6)
            assert (rig.token, rig.broker.read(PROVIDER).fault) == ("token 1", DENIED)
            await until(HOUR + 1)
            assert rig.token is None

    virtual.run(scenario())


def test_what_an_application_gives_that_was_replaced_meanwhile_is_dropped() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application())
            await until(0.05)
            rig.want(application(region="us-east-1"))
            await until(0.12)
            assert rig.token is None
            await until(1)
            assert rig.token == "token 1"
            assert len(rig.cloud.asked) == 2

    virtual.run(scenario())


def test_a_provider_that_is_gone_is_asked_for_no_more() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application(), application())
            await until(1)
            rig.want(application())
            rig.broker.want({})
            assert rig.broker.read(PROVIDER) == Brokered()
            await until(10 * HOUR)
            assert len(rig.cloud.asked) == 2
            assert rig.metric("credentials", state="good") == 0
            assert rig.metric("credential_first_end_seconds") == 0

    virtual.run(scenario())


def test_one_that_has_ended_is_none_and_that_is_told() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.cloud.behaviour = lambda now: DOWN if now > 1 else None
        async with rig.running():
            rig.want(application())
            await until(HOUR - 1)
            assert rig.token == "token 1"
            changes = len(rig.changes)
            await until(HOUR + 1)
            assert rig.token is None
            assert len(rig.changes) > changes
            assert rig.broker.read(PROVIDER).fault is DOWN
            assert rig.metric("credentials", state="none") == 1

    virtual.run(scenario())


def test_a_fault_that_passes_within_three_tries_is_no_news_while_the_last_credential_serves() -> None:
    async def scenario() -> None:
        rig = Rig()
        failures: list[float] = []

        def fails_twice(now: float) -> None:
            if now > 1 and len(failures) < 2:
                failures.append(now)
                raise DOWN

        rig.cloud.behaviour = fails_twice
        async with rig.running():
            rig.want(application())
            await until(HOUR)
        assert len(failures) == 2
        assert rig.changes == [0.1]
        assert len(rig.renewals) == 1

    virtual.run(scenario())


def test_an_outage_is_told_beside_what_serves_since_its_first_failure_and_then_its_end() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.cloud.behaviour = lambda now: DOWN if 1 < now < 3_000 else None
        async with rig.running():
            rig.want(application())
            await until(2_900)
            brokered = rig.broker.read(PROVIDER)
            assert brokered.issued is not None
            assert brokered.fault is DOWN
            assert brokered.since == pytest.approx(virtual.WALL + rig.cloud.asked[1])
            assert rig.metric("credentials", state="failing") == 1
            await until(HOUR)
            assert rig.broker.read(PROVIDER).fault is None
            assert rig.token == "token 2"
            assert len(rig.changes) == 3
            assert len(rig.renewals) == 1
            assert rig.metric("credentials", state="good") == 1

    virtual.run(scenario())


def test_what_somebody_must_mend_is_told_at_once_and_tried_rarely() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.cloud.behaviour = lambda now: DENIED
        async with rig.running():
            rig.want(application())
            await until(1)
            assert rig.broker.read(PROVIDER).fault is DENIED
            await until(HOUR)
        pauses = [later - earlier for earlier, later in itertools.pairwise(rig.cloud.asked)]
        assert all(60 <= pause <= 301 for pause in pauses)
        assert len(rig.changes) == 1

    virtual.run(scenario())


def test_an_application_that_was_mended_is_tried_at_once() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.cloud.behaviour = lambda now: DENIED if now < 10 else None
        async with rig.running():
            rig.want(application("wrong"))
            await until(10)
            rig.want(application("right"))
            await until(11)
            assert rig.token == "token 1"

    virtual.run(scenario())


def test_being_throttled_is_a_fault_only_where_there_is_no_credential() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.cloud.behaviour = lambda now: BUSY if now > 1 else None
        async with rig.running():
            rig.want(application())
            await until(HOUR - 1)
            assert rig.broker.read(PROVIDER).fault is None
            await until(HOUR + 1)
            assert rig.broker.read(PROVIDER).fault is BUSY
            assert rig.metric("throttles_total", service="sts") == len(rig.cloud.asked) - 1

    virtual.run(scenario())


def test_a_call_that_hangs_is_a_fault_and_is_made_again() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.cloud.hangs = lambda now: now < 60
        async with rig.running():
            rig.want(application())
            await until(31)
            fault = rig.broker.read(PROVIDER).fault
            assert fault is not None
            assert fault.message == "AWS STS (eu-central-1) has not answered within 30 s; it is asked again"
            await until(120)
            assert rig.token == "token 1"

    virtual.run(scenario())


def test_a_failure_that_has_no_word_shows_its_type_and_nothing_of_its_text(caplog: pytest.LogCaptureFixture) -> None:
    planted = "hunter2"

    def fails(now: float) -> None:
        raise ValueError(planted)

    async def scenario() -> None:
        rig = Rig()
        rig.cloud.behaviour = fails
        async with rig.running():
            rig.want(application())
            await until(1)
            fault = rig.broker.read(PROVIDER).fault
            assert fault is not None
            assert "ValueError" in fault.message
            assert planted not in f"{fault.message} {caplog.text}"

    virtual.run(scenario())


def test_one_that_has_ended_before_it_came_is_a_fault() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.cloud.life_s = -5.0
        async with rig.running():
            rig.want(application())
            await until(5)
            fault = rig.broker.read(PROVIDER).fault
            assert fault is not None
            assert "is the clock of this node right?" in fault.message

    virtual.run(scenario())


def test_a_note_that_has_changed_is_told() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application())
            await until(1)
            rig.cloud.note = "opens more than was asked for"
            await until(HOUR)
            assert len(rig.changes) == 2
            assert len(rig.renewals) == 1

    virtual.run(scenario())


def test_a_refused_credential_is_replaced_at_once_whoever_refuses_it_how_often() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application())
            await until(600)
            fingerprint = rig.fingerprint
            for _ in range(1_000):
                rig.broker.refused(PROVIDER, fingerprint)
            assert rig.token == "token 1"
            await until(601)
            for _ in range(1_000):
                rig.broker.refused(PROVIDER, fingerprint)
            await until(700)
            assert rig.cloud.asked == [0.0, 600.0]
            assert rig.token == "token 2"
            assert [provider for _, provider in rig.renewals] == [PROVIDER]

    virtual.run(scenario())


def test_new_ones_that_are_refused_too_come_further_and_further_apart() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application())
            for tenth in range(10, 10_000):
                await until(tenth / 10)
                rig.broker.refused(PROVIDER, rig.fingerprint)
        pauses = [later - earlier for earlier, later in itertools.pairwise(rig.cloud.asked[1:])]
        assert [round(pause / 10) for pause in pauses] == [1, 2, 4, 8, 16, 30, 30]

    virtual.run(scenario())


def test_a_refusal_while_another_is_under_way_asks_for_no_second() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application())
            await until(600)
            fingerprint = rig.fingerprint
            rig.broker.refused(PROVIDER, fingerprint)
            await until(600.05)
            assert rig.cloud.under_way == 1
            rig.broker.refused(PROVIDER, fingerprint)
            await until(700)
            assert rig.cloud.asked == [0.0, 600.0]

    virtual.run(scenario())


def test_a_refusal_of_what_nobody_has_is_nothing() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.broker.refused(PROVIDER, "0123456789abcdef")
            rig.want(application())
            await until(1)
            rig.broker.refused(PROVIDER, "0123456789abcdef")
            await until(100)
            assert rig.cloud.asked == [0.0]

    virtual.run(scenario())


def test_the_refused_go_before_those_whose_time_has_come() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(*[application()] * 2_000)
            last = ProviderKey("ns/provider-1999")
            await until(600)
            rig.clock.skew_s = HOUR * 0.8  # as if the machine had slept: all are due
            await until(631)
            issued = rig.broker.read(last).issued
            assert issued is not None
            rig.broker.refused(last, canonical.fingerprint(issued.credential))
            done = len(rig.renewals)
            await until(633)
            assert last in [provider for _, provider in rig.renewals[done : done + 50]]
            assert len(rig.renewals) < 1_000

    virtual.run(scenario())


def test_a_machine_that_slept_renews_what_is_due_by_the_wall_clock() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application())
            await until(60)
            rig.clock.skew_s = HOUR * 0.9
            await until(91)
            assert len(rig.cloud.asked) == 2
            rig.clock.skew_s = HOUR * 100
            assert rig.token is None
            rig.cloud.life_s = HOUR * 101
            await until(125)
            assert rig.token is not None

    virtual.run(scenario())


def test_a_clock_that_is_set_back_brings_no_storm_and_no_gap() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application())
            await until(60)
            rig.clock.skew_s = -HOUR
            await until(100)
            assert (rig.token, len(rig.cloud.asked)) == ("token 1", 1)

    virtual.run(scenario())


def test_it_runs_on_after_a_stop_with_what_it_had() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application())
            await until(10)
        await until(20)
        assert rig.token == "token 1"
        async with rig.running():
            await until(HOUR)
            assert rig.token == "token 2"

    virtual.run(scenario())


def test_five_thousand_of_one_minute_are_not_renewed_in_one() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(*[application()] * 5_000)
            await until(60)
            assert rig.metric("credentials", state="good") == 5_000
            await until(HOUR)
            minutes = Counter(int(at // 60) for at, _ in rig.renewals)
            assert len(rig.renewals) > 4_900
            assert max(minutes.values()) < 5_000 / 20
            assert (
                rig.metric(
                    "credential_first_end_seconds",
                )
                >= virtual.WALL + HOUR
            )

    virtual.run(scenario())


def test_no_metric_and_no_text_has_a_value_in_it() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(application("hunter2"))
            await until(1)
            brokered = rig.broker.read(PROVIDER)
            assert "hunter2" not in repr(vars(rig.broker))
            assert "token 1" not in repr(brokered)

    virtual.run(scenario())
