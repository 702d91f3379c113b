import asyncio
import math

import pytest

from pilothouse_api.names import ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import APIKey
from pilothouse_proxy.observe.metrics import Metrics
from pilothouse_proxy.pipeline import renewals
from pilothouse_proxy.pipeline.renewals import Renewals
from pilothouse_proxy.ports import SignIn

A, B = ProviderKey("clouds/a"), ProviderKey("clouds/b")
FAR = math.inf


def sign_in(key: str, provider: ProviderKey = A) -> SignIn:
    return SignIn(provider=provider, credential=APIKey(key=Secret(key)), ends=math.inf, renewed=True)


@pytest.fixture
def those() -> Renewals:
    """`a` is signed in to with `old`, `b` with `other`."""
    found = Renewals(Metrics())
    found.arrived({A: sign_in("old"), B: sign_in("other", B)})
    return found


def refusals(those: Renewals) -> float:
    return those._metrics.credential_refusals.series(A).value


async def turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_who_waits_goes_on_with_the_next_arrival_once(those: Renewals) -> None:
    ended: list[int] = []
    for number in range(3):
        assert those.wait(sign_in("old"), lambda number=number: ended.append(number), now=0.0, deadline=FAR)
    those.arrived({A: sign_in("new")})
    await turns()
    those.arrived({A: sign_in("newer")})
    await turns()
    assert sorted(ended) == [0, 1, 2]
    assert refusals(those) == 1


async def test_who_does_not_want_to_wait_any_more_is_not_called(those: Renewals) -> None:
    ended: list[int] = []
    wait, late = (those.wait(sign_in("old"), lambda: ended.append(1), now=0.0, deadline=FAR) for _ in range(2))
    assert wait is not None and late is not None
    wait.cancel()
    those.arrived({A: sign_in("new")})
    late.cancel()
    await turns()
    assert ended == []


async def test_an_arrival_for_another_provider_ends_no_wait(those: Renewals) -> None:
    ended: list[int] = []
    wait = those.wait(sign_in("old"), lambda: ended.append(1), now=0.0, deadline=FAR)
    those.arrived({A: sign_in("old"), B: sign_in("another", B)})
    await turns()
    assert wait is not None
    assert ended == []
    wait.cancel()


async def test_nobody_waits_beyond_the_deadline_of_the_request(those: Renewals) -> None:
    ended = asyncio.Event()
    assert those.wait(sign_in("old"), ended.set, now=7.0, deadline=7.01)
    await asyncio.wait_for(ended.wait(), 20)
    assert those.wait(sign_in("old"), ended.set, now=8.0, deadline=8.0) is None


async def test_nobody_waits_where_others_have_waited_in_vain(those: Renewals) -> None:
    wait = those.wait(sign_in("old"), lambda: None, now=0.0, deadline=FAR)
    assert wait is not None
    wait.cancel()
    assert those.wait(sign_in("old"), lambda: None, now=renewals.WAIT_S, deadline=FAR) is None
    assert refusals(those) == 1


async def test_nobody_waits_for_a_provider_that_is_gone(those: Renewals) -> None:
    those.arrived({})
    assert those.wait(sign_in("old"), lambda: None, now=0.0, deadline=FAR) is None
    assert refusals(those) == 0


async def test_who_waits_for_a_provider_that_goes_is_called(those: Renewals) -> None:
    ended: list[int] = []
    those.wait(sign_in("old"), lambda: ended.append(1), now=0.0, deadline=FAR)
    those.arrived({B: sign_in("other", B)})
    await turns()
    assert ended == [1]


async def test_each_refusal_is_told_once_until_there_is_another_credential(those: Renewals) -> None:
    refused = those.sign_ins[A]
    those.wait(refused, lambda: None, now=0.0, deadline=FAR)
    assert await those.untold() is refused
    assert await those.untold() is refused
    those.told(refused)
    those.wait(refused, lambda: None, now=0.5, deadline=FAR)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(those.untold(), 0.01)
    those.arrived({A: sign_in("new")})
    those.wait(those.sign_ins[A], lambda: None, now=1.0, deadline=FAR)
    assert await those.untold() is those.sign_ins[A]
    those.arrived({})
    await turns()


async def test_what_was_replaced_before_it_could_be_told_is_not_told(those: Renewals) -> None:
    refused = those.sign_ins[A]
    those.wait(refused, lambda: None, now=0.0, deadline=FAR)
    those.arrived({A: sign_in("new")})
    those.told(refused)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(those.untold(), 0.01)


def test_the_same_credential_is_not_another_one(those: Renewals) -> None:
    assert not those.another(sign_in("old"))
    assert those.another(sign_in("older"))
