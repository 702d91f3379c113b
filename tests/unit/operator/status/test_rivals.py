import pytest

from pilothouse_operator.kube import resources
from pilothouse_operator.kube.errors import Forbidden
from pilothouse_operator.status.rivals import Rivals
from tests.unit.operator.fakes import FakeApi, Hands

LEASES = resources.LEASES
RIVAL = "pilothouse/other/rel"


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def rivals(api: FakeApi, clock: Hands) -> Rivals:
    return Rivals(api=api, clock=clock)  # type: ignore[arg-type]


def renew(api: FakeApi, time: str) -> None:
    api.put(LEASES, "other", "rel-operator", spec={"holderIdentity": "a", "renewTime": time})


async def living(rivals: Rivals, *managers: str) -> str | None:
    return await rivals.living(frozenset(managers))


async def test_who_is_no_release_of_ours_is_no_rival(rivals: Rivals) -> None:
    assert await living(rivals, "kubectl-edit", "pilothouse", "pilothouse/a/b/c") is None


async def test_a_release_whose_lease_is_gone_is_dead(rivals: Rivals) -> None:
    assert await living(rivals, RIVAL) is None


async def test_a_release_that_renews_its_lease_lives(rivals: Rivals, api: FakeApi, clock: Hands) -> None:
    for number in range(10):
        renew(api, str(number))
        assert await living(rivals, "kubectl-edit", RIVAL) == RIVAL
        clock.now += 8


async def test_a_release_that_renews_no_more_is_dead_after_a_while(rivals: Rivals, api: FakeApi, clock: Hands) -> None:
    renew(api, "1")
    assert await living(rivals, RIVAL) == RIVAL
    clock.now += 16
    assert await living(rivals, RIVAL) is None


async def test_a_lease_that_may_not_be_read_speaks_for_its_owner(rivals: Rivals, api: FakeApi, clock: Hands) -> None:
    api.faults[LEASES] = Forbidden("no")
    assert await living(rivals, RIVAL) == RIVAL
    clock.now += 100
    assert await living(rivals, RIVAL) == RIVAL


async def test_a_thousand_conflicts_ask_once(rivals: Rivals, api: FakeApi) -> None:
    renew(api, "1")
    assert await living(rivals, RIVAL) == RIVAL
    api.faults[LEASES] = Forbidden("asked again")
    api.remove(LEASES, "other", "rel-operator")
    assert await living(rivals, RIVAL) == RIVAL
