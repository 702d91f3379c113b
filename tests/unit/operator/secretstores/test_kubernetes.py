import asyncio
import base64
import random
from collections.abc import AsyncIterator

import pytest

from pilothouse_api.secret import Secret
from pilothouse_operator.kube import follow, resources
from pilothouse_operator.kube.errors import Forbidden, Unavailable
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import SecretAbsent, SecretContent, SecretState
from pilothouse_operator.secretstores import kubernetes
from pilothouse_operator.secretstores.kubernetes import KubernetesSecrets
from tests.unit.operator.fakes import FakeApi

SECRETS = resources.SECRETS


def encoded(**values: str) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


class Store:
    """A store that runs, and how often it told of a change."""

    def __init__(self, api: FakeApi) -> None:
        self.metrics = Metrics()
        self.secrets = KubernetesSecrets(api=api, rng=random.Random(1), metrics=self.metrics)  # type: ignore[arg-type]
        self.changes = 0
        self._told = asyncio.Event()

    def changed(self) -> None:
        self.changes += 1
        self._told.set()

    async def told(self) -> None:
        async with asyncio.timeout(10):
            await self._told.wait()
        self._told.clear()

    def read(self, name: str = "s") -> SecretContent | SecretAbsent:
        return self.secrets.read("ns", name)

    def state(self, name: str = "s") -> SecretState | None:
        found = self.read(name)
        return found.state if isinstance(found, SecretAbsent) else None


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
async def store(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    monkeypatch.setattr(kubernetes, "_COALESCED_S", 0.02)
    monkeypatch.setattr(follow, "_REFUSED_S", 0.02)
    monkeypatch.setattr(follow, "_FIRST_S", 0.01)
    made = Store(api)
    task = asyncio.create_task(made.secrets.run(made.changed))
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert api.watching == []


S = frozenset({("ns", "s")})


async def test_what_is_wanted_is_pending_and_then_read(api: FakeApi, store: Store) -> None:
    api.put(SECRETS, "ns", "s", data=encoded(key="one"))
    store.secrets.want(S)
    assert store.state() is SecretState.PENDING
    await store.told()
    assert store.read() == SecretContent(values={"key": Secret("one")})


async def test_a_watch_that_fails_is_begun_again(
    api: FakeApi, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kubernetes, "_AGAIN_S", 0.01)
    api.put(SECRETS, "ns", "s", data=["of no shape that a Secret has"])
    store.secrets.want(S)
    async with asyncio.timeout(10):
        while "has failed; starting it again" not in caplog.text:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.01)
    api.put(SECRETS, "ns", "s", data=encoded(key="one"))
    await store.told()
    assert store.read() == SecretContent(values={"key": Secret("one")})


async def test_only_what_is_wanted_is_watched(api: FakeApi, store: Store) -> None:
    api.put(SECRETS, "ns", "other", data=encoded(key="one"))
    store.secrets.want(S)
    await store.told()
    assert api.watching == [(SECRETS, "ns", "metadata.name=s")]
    assert store.state("other") is SecretState.PENDING


async def test_what_is_wanted_no_more_is_forgotten(api: FakeApi, store: Store) -> None:
    api.put(SECRETS, "ns", "s", data=encoded(key="one"))
    store.secrets.want(S)
    await store.told()
    store.secrets.want(frozenset())
    await asyncio.sleep(0.01)
    assert api.watching == []
    assert store.state() is SecretState.PENDING


async def test_a_rotation_is_live(api: FakeApi, store: Store) -> None:
    api.put(SECRETS, "ns", "s", data=encoded(key="one"))
    store.secrets.want(S)
    await store.told()
    api.put(SECRETS, "ns", "s", data=encoded(key="two"))
    await store.told()
    assert store.read() == SecretContent(values={"key": Secret("two")})


async def test_many_rotations_are_told_of_a_few_times_and_the_last_wins(api: FakeApi, store: Store) -> None:
    store.secrets.want(S)
    await store.told()
    for number in range(100):
        api.put(SECRETS, "ns", "s", data=encoded(key=f"value {number}"))
        await asyncio.sleep(0)
    await store.told()
    await asyncio.sleep(0.05)
    assert store.read() == SecretContent(values={"key": Secret("value 99")})
    assert store.changes < 20


async def test_labels_alone_are_no_change(api: FakeApi, store: Store) -> None:
    api.put(SECRETS, "ns", "s", data=encoded(key="one"))
    store.secrets.want(S)
    await store.told()
    api.put(SECRETS, "ns", "s", data=encoded(key="one"), metadata={"labels": {"a": "b"}})
    await asyncio.sleep(0.05)
    assert store.changes == 1


async def test_absence_is_told_and_a_recreation_heals_it(api: FakeApi, store: Store) -> None:
    store.secrets.want(S)
    await store.told()
    absent = store.read()
    assert isinstance(absent, SecretAbsent)
    assert (absent.state, absent.message) == (SecretState.NOT_FOUND, "there is no Secret ns/s; create it")
    api.put(SECRETS, "ns", "s", data=encoded(key="one"))
    await store.told()
    assert store.state() is None
    api.remove(SECRETS, "ns", "s")
    await store.told()
    assert store.state() is SecretState.NOT_FOUND


async def test_what_was_deleted_while_the_watch_was_broken_is_absent(api: FakeApi, store: Store) -> None:
    api.put(SECRETS, "ns", "s", data=encoded(key="one"))
    store.secrets.want(S)
    await store.told()
    del api.objects[SECRETS, "ns", "s"]
    api.break_watches()
    await store.told()
    assert store.state() is SecretState.NOT_FOUND


async def test_a_binary_value_is_none(api: FakeApi, store: Store) -> None:
    api.put(SECRETS, "ns", "s", data={"key": base64.b64encode(b"\xff").decode()})
    store.secrets.want(S)
    await store.told()
    assert store.read() == SecretContent(values={"key": None})


async def test_an_emptied_secret_has_no_values(api: FakeApi, store: Store) -> None:
    api.put(SECRETS, "ns", "s")
    store.secrets.want(S)
    await store.told()
    assert store.read() == SecretContent(values={})


async def test_a_missing_right_names_verbs_secret_and_namespace_and_heals(api: FakeApi, store: Store) -> None:
    api.put(SECRETS, "ns", "s", data=encoded(key="one"))
    api.faults[SECRETS] = Forbidden("no")
    store.secrets.want(S)
    await store.told()
    absent = store.read()
    assert isinstance(absent, SecretAbsent)
    assert absent.state is SecretState.FORBIDDEN
    for part in ("get, list, watch on secrets", "resourceNames: [s]", "namespace ns"):
        assert part in absent.message
    del api.faults[SECRETS]
    await store.told()
    assert store.state() is None


async def test_an_outage_before_the_first_reading_is_unavailable(api: FakeApi, store: Store) -> None:
    api.faults[SECRETS] = Unavailable("away")
    store.secrets.want(S)
    await store.told()
    assert store.state() is SecretState.UNAVAILABLE


async def test_an_outage_later_leaves_what_was_read(api: FakeApi, store: Store) -> None:
    api.put(SECRETS, "ns", "s", data=encoded(key="one"))
    store.secrets.want(S)
    await store.told()
    api.faults[SECRETS] = Unavailable("away")
    api.break_watches()
    await asyncio.sleep(0.05)
    assert store.read() == SecretContent(values={"key": Secret("one")})
    assert store.changes == 1


async def test_one_fault_leaves_the_others_alone(api: FakeApi, store: Store) -> None:
    api.put(SECRETS, "ns", "t", data=encoded(key="one"))
    store.secrets.want(frozenset({("ns", "s"), ("ns", "t")}))
    while store.state("t") is not None or store.state("s") is SecretState.PENDING:
        await store.told()
    assert store.state("s") is SecretState.NOT_FOUND


def test_a_refused_secret_is_not_asked_for_more_often_than_each_30_s() -> None:
    assert follow._REFUSED_S >= 30
