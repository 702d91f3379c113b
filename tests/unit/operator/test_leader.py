import asyncio
import random
import re
from typing import Any

import pytest

from pilothouse_operator.kube import resources
from pilothouse_operator.kube.errors import Unavailable
from pilothouse_operator.leader import Elector
from pilothouse_operator.observe import Metrics
from tests.unit.operator.fakes import FakeApi, Hands

LEASES = resources.LEASES


class Candidate:
    """An elector whose turns the test takes."""

    def __init__(self, api: FakeApi, clock: Hands, identity: str) -> None:
        self.metrics = Metrics()
        self.elector = Elector(
            api=api,  # type: ignore[arg-type]
            namespace="ns",
            release="rel",
            identity=identity,
            clock=clock,
            rng=random.Random(1),
            metrics=self.metrics,
        )

    async def turn(self) -> bool:
        await self.elector._turn()
        return self.elector.is_leader


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def first(api: FakeApi, clock: Hands) -> Candidate:
    return Candidate(api, clock, "first")


@pytest.fixture
def second(api: FakeApi, clock: Hands) -> Candidate:
    return Candidate(api, clock, "second")


def spec(api: FakeApi) -> dict[str, Any]:
    found: dict[str, Any] = api.objects[LEASES, "ns", "rel-operator"]["spec"]
    return found


async def test_the_first_makes_the_lease_and_leads(first: Candidate, api: FakeApi) -> None:
    assert not first.elector.is_leader
    assert await first.turn()
    assert spec(api)["holderIdentity"] == "first"
    assert (spec(api)["leaseDurationSeconds"], spec(api)["leaseTransitions"]) == (15, 0)
    assert first.metrics.registry.get_sample_value("pilothouse_operator_leader") == 1


async def test_times_have_six_decimals_even_at_a_whole_second(first: Candidate, api: FakeApi, clock: Hands) -> None:
    clock.now = 1000.0
    await first.turn()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000000Z", spec(api)["renewTime"])


async def test_a_living_leader_keeps_others_away(first: Candidate, second: Candidate, clock: Hands) -> None:
    for _ in range(20):
        assert await first.turn()
        assert not await second.turn()
        clock.now += 2


async def test_a_dead_leader_is_followed_after_the_duration(first: Candidate, second: Candidate, clock: Hands) -> None:
    await first.turn()
    assert not await second.turn()
    clock.now += 14.9
    assert not await second.turn()
    clock.now += 0.2
    assert await second.turn()
    assert not await first.turn()


async def test_clocks_that_disagree_change_nothing(first: Candidate, api: FakeApi, clock: Hands) -> None:
    await first.turn()
    ahead = Hands(clock.now + 36_000)
    other = Candidate(api, ahead, "other")
    assert not await other.turn()
    ahead.now += 10
    clock.now += 10
    await first.turn()
    assert not await other.turn()


async def test_a_frozen_leader_finds_its_time_over_by_itself(first: Candidate, clock: Hands) -> None:
    await first.turn()
    clock.now += 9.9
    assert first.elector.is_leader
    clock.now += 0.2
    assert not first.elector.is_leader


async def test_leadership_outlives_a_short_outage_only(first: Candidate, api: FakeApi, clock: Hands) -> None:
    await first.turn()
    api.faults[LEASES] = Unavailable("away")
    clock.now += 8
    assert await first.turn()
    clock.now += 3
    assert not await first.turn()
    del api.faults[LEASES]
    assert await first.turn()


async def test_a_deleted_lease_is_made_again(first: Candidate, second: Candidate, api: FakeApi) -> None:
    await first.turn()
    await second.turn()
    api.remove(LEASES, "ns", "rel-operator")
    assert await first.turn()
    assert not await second.turn()


async def test_of_two_at_once_one_leads(first: Candidate, second: Candidate, api: FakeApi) -> None:
    api.put(LEASES, "ns", "rel-operator", spec={"holderIdentity": ""})
    led = await asyncio.gather(first.turn(), second.turn())
    assert sorted(led) == [False, True]


async def test_a_lease_without_a_spec_is_taken(first: Candidate, api: FakeApi) -> None:
    api.put(LEASES, "ns", "rel-operator")
    assert await first.turn()


async def test_it_is_released_at_the_end(first: Candidate, second: Candidate, api: FakeApi) -> None:
    task = asyncio.create_task(first.elector.run())
    while not first.elector.is_leader:  # noqa: ASYNC110 - leadership is asked for, not told
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert spec(api)["holderIdentity"] == ""
    assert not first.elector.is_leader
    assert await second.turn()


async def test_what_others_hold_is_not_released(
    first: Candidate, second: Candidate, api: FakeApi, clock: Hands
) -> None:
    await first.turn()
    await second.turn()
    clock.now += 16
    await second.turn()
    await first.elector._release()
    assert spec(api)["holderIdentity"] == "second"


async def test_a_takeover_is_counted(first: Candidate, second: Candidate, api: FakeApi, clock: Hands) -> None:
    await first.turn()
    await second.turn()
    clock.now += 16
    await second.turn()
    assert spec(api)["leaseTransitions"] == 1
    assert second.metrics.registry.get_sample_value("pilothouse_operator_leader_transitions_total") == 1
