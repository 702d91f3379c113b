"""The World of a cluster while its watch says nothing."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

import pytest

from pilothouse_operator.compile.world import Kind
from pilothouse_operator.kube import resources
from pilothouse_operator.observe import Metrics
from pilothouse_operator.sources import cluster
from pilothouse_operator.sources.watch import WatchScope
from tests import virtual
from tests.unit.operator.fakes import FakeApi


class Silent:
    """A watch that lives and hears nothing."""

    def __init__(self, **_: object) -> None:
        pass

    async def run(self, kinds: frozenset[Kind]) -> str:
        await asyncio.Event().wait()
        return "Ended"


class Api(FakeApi):
    def on_recovery(self, told: Callable[[], None]) -> None:
        """There is no outage."""


@contextlib.asynccontextmanager
async def source(api: Api) -> AsyncIterator[cluster.ClusterSource]:
    made = cluster.ClusterSource(
        api=api,  # type: ignore[arg-type]
        connection=None,  # type: ignore[arg-type]
        scope=WatchScope(),
        clock=virtual.VirtualClock(),
        rng=random.Random(1),
        metrics=Metrics(),
    )
    task = asyncio.create_task(made.run(lambda: None))
    try:
        await asyncio.sleep(0.5)
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_what_goes_between_the_first_list_and_the_watchs_own_is_missed_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """kopf tells of nothing where its first list of a kind is empty, and so would never tell that all have gone."""
    monkeypatch.setattr(cluster, "Watch", Silent)
    quotas = resources.of(Kind.QUOTA)

    async def scenario() -> None:
        api = Api()
        for kind in Kind:
            api.put(resources.CRDS, "", resources.of(kind).full_name)
        api.put(quotas, "ns", "mine", spec={}, metadata={"generation": 1})
        async with source(api) as made:
            assert made.world is not None
            assert {key.name for key in made.world.resources} == {"mine"}
            api.remove(quotas, "ns", "mine")
            await asyncio.sleep(20)
            assert not made.world.resources

    virtual.run(scenario())
