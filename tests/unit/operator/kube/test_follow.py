import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from pilothouse_operator.kube import follow, resources
from pilothouse_operator.kube.errors import Forbidden, Gone, KubeError, Unavailable
from pilothouse_operator.kube.follow import Following
from pilothouse_operator.kube.requests import Listing
from pilothouse_operator.kube.stream import Event, EventType
from tests.unit.operator.fakes import FakeApi

SECRETS = resources.SECRETS
News = AsyncIterator[Listing | Event | KubeError]


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
async def news(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[News]:
    monkeypatch.setattr(follow, "_FIRST_S", 0.001)
    monkeypatch.setattr(follow, "_REFUSED_S", 0.001)
    following = Following(kind=SECRETS, namespace="ns", patience_s=0.01)
    stream = follow.follow(api, following, random.Random(1))  # type: ignore[arg-type]
    yield stream
    await stream.aclose()  # type: ignore[attr-defined]


async def heard(news: News) -> Listing | Event | KubeError:
    async with asyncio.timeout(5):
        return await anext(news)


async def test_a_list_comes_first_and_then_what_changes(api: FakeApi, news: News) -> None:
    api.put(SECRETS, "ns", "a")
    first = await heard(news)
    assert isinstance(first, Listing)
    assert [item["metadata"]["name"] for item in first.items] == ["a"]
    api.put(SECRETS, "ns", "b")
    second = await heard(news)
    assert isinstance(second, Event)
    assert (second.type, second.object["metadata"]["name"]) == (EventType.ADDED, "b")


async def test_a_stream_that_ends_is_followed_by_a_list(api: FakeApi, news: News) -> None:
    await heard(news)
    waiting = asyncio.create_task(heard(news))
    await asyncio.sleep(0.01)
    api.break_watches()
    assert isinstance(await waiting, Listing)


async def test_a_version_that_is_gone_is_no_news(api: FakeApi, news: News) -> None:
    await heard(news)
    waiting = asyncio.create_task(heard(news))
    await asyncio.sleep(0.01)
    api.faults[SECRETS] = Gone("too old")
    api.put(SECRETS, "elsewhere", "x")
    await asyncio.sleep(0.01)
    del api.faults[SECRETS]
    assert isinstance(await waiting, Listing)


@pytest.mark.parametrize("fault", [Unavailable("away"), Forbidden("no")])
async def test_an_error_is_told_and_tried_again(api: FakeApi, news: News, fault: KubeError) -> None:
    api.faults[SECRETS] = fault
    assert await heard(news) is fault
    assert await heard(news) is fault
    del api.faults[SECRETS]
    assert isinstance(await heard(news), Listing)


@pytest.mark.parametrize("end", [None, Gone("too old"), Unavailable("too many watches")])
async def test_watches_that_end_at_once_are_not_tried_without_a_pause(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, end: KubeError | None
) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def recorded(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    async def ended(*_: object, **__: object) -> AsyncIterator[Event]:
        if end is not None:
            raise end
        return
        yield

    monkeypatch.setattr(asyncio, "sleep", recorded)
    monkeypatch.setattr(api, "watch", ended)
    stream = follow.follow(api, Following(kind=SECRETS, namespace="ns"), random.Random(1))  # type: ignore[arg-type]
    while len(slept) < 40:
        await heard(stream)
    assert 2.0 < sum(slept[-20:]) / 20 < 10.0


async def test_the_servers_wish_to_wait_is_obeyed(api: FakeApi, news: News, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def recorded(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    api.faults[SECRETS] = Unavailable("busy", 7.0)
    await heard(news)
    monkeypatch.setattr(asyncio, "sleep", recorded)
    await heard(news)
    assert max(slept) == 7.0
