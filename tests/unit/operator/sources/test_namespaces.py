import asyncio
import random

import pytest

from pilothouse_operator.kube import resources
from pilothouse_operator.kube.errors import Forbidden
from pilothouse_operator.sources.namespaces import Namespaces
from tests.unit.operator.fakes import FakeApi, settled

NAMESPACES = resources.NAMESPACES


class Seen:
    """Namespaces that are followed, and how often they told of a change."""

    def __init__(self, api: FakeApi, *names: str) -> None:
        self.namespaces = Namespaces(api=api, names=names, rng=random.Random(1))  # type: ignore[arg-type]
        self.changes = 0
        self.task = asyncio.create_task(self.namespaces.run(self.changed))

    def changed(self) -> None:
        self.changes += 1

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def label(api: FakeApi, name: str, **labels: str) -> None:
    api.put(NAMESPACES, "", name, metadata={"labels": labels, "namespace": ""})


async def test_labels_are_kept_current(api: FakeApi) -> None:
    label(api, "a", team="red")
    seen = Seen(api)
    await settled()
    assert seen.namespaces.answered
    assert seen.namespaces.labels == {"a": {"team": "red"}}
    label(api, "a", team="blue")
    await settled()
    assert seen.namespaces.labels == {"a": {"team": "blue"}}
    api.remove(NAMESPACES, "", "a")
    await settled()
    assert seen.namespaces.labels == {}
    assert seen.changes == 3
    await seen.end()


async def test_what_is_not_a_label_is_no_change(api: FakeApi) -> None:
    label(api, "a", team="red")
    seen = Seen(api)
    await settled()
    label(api, "a", team="red")
    await settled()
    assert seen.changes == 1
    await seen.end()


async def test_only_those_named_are_asked_for(api: FakeApi) -> None:
    for name in ("a", "b", "c"):
        label(api, name)
    seen = Seen(api, "a", "b")
    await settled()
    assert seen.namespaces.labels.keys() == {"a", "b"}
    assert sorted(fields for _, _, fields in api.watching) == ["metadata.name=a", "metadata.name=b"]
    await seen.end()


async def test_without_the_right_there_are_no_labels_but_an_answer(
    api: FakeApi, caplog: pytest.LogCaptureFixture
) -> None:
    label(api, "a", team="red")
    api.faults[NAMESPACES] = Forbidden("namespaces is forbidden")
    seen = Seen(api)
    await settled()
    assert seen.namespaces.answered
    assert seen.namespaces.labels == {}
    assert "namespaces is forbidden" in caplog.text
    await seen.end()
