import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from pilothouse_api.conditions import ConditionStatus, Reason
from pilothouse_operator.compile.world import Kind, Resource, ResourceKey, Verdict, World
from pilothouse_operator.kube import resources
from pilothouse_operator.kube.errors import Conflict, Forbidden, Unavailable
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import Observation, QuotaUsage, Rollout
from pilothouse_operator.status.writer import Release, StatusWriter
from tests.unit.operator.fakes import FakeApi, Hands
from tests.unit.operator.status.shapes import (
    ACCEPTED,
    RESOLVED,
    condition,
    quota,
    renamed,
    rollout,
    route,
    usage,
    verdict,
)

ROUTES = resources.of(Kind.ROUTE)
RIVAL = "pilothouse/elsewhere/other"


class Writing:
    """A writer whose rounds the test takes."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.clock = Hands()
        self.metrics = Metrics()
        self.leads = True
        self.writer = StatusWriter(
            api=self.api,  # type: ignore[arg-type]
            release=Release("ns", "rel"),
            is_leader=lambda: self.leads,
            clock=self.clock,
            metrics=self.metrics,
            replica="operator-1",
        )

    def stored(self, of: Resource) -> Resource:
        """As the API server has it and a watch has brought it."""
        kind = resources.of(of.key.kind)
        place = (kind, of.key.namespace, of.key.name)
        if place not in self.api.objects:
            self.api.put(kind, of.key.namespace, of.key.name, spec=dict(of.spec))
        held = self.api.objects[place]
        metadata = held["metadata"]
        return Resource(
            key=of.key,
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            generation=of.generation,
            created=of.created,
            spec=of.spec,
            status=held.get("status") or {},
        )

    async def show(
        self,
        *of: Resource,
        found: Verdict | None = None,
        rolled: Rollout | None = None,
        used: QuotaUsage | None = None,
    ) -> float:
        keys = [one.key for one in of]
        self.writer.update(
            Observation(
                world=World(resources={one.key: one for one in of}, namespaces={}),
                verdicts=dict.fromkeys(keys, found or verdict()),
                rollouts=dict.fromkeys(keys, rolled or rollout()),
                usage={} if used is None else dict.fromkeys(keys, used),
            )
        )
        return await self.writer._round()

    @property
    def calls(self) -> list[str]:
        return [call for call, kind, _, _ in self.api.calls if kind.group == "pilothouse.dev"]

    def status(self, of: Resource) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.api.objects[resources.of(of.key.kind), of.key.namespace, of.key.name]["status"]
        return found

    def count(self, outcome: str) -> float | None:
        return self.metrics.registry.get_sample_value("pilothouse_operator_status_writes_total", {"outcome": outcome})


@pytest.fixture
def writing() -> Writing:
    return Writing()


UNRESOLVED = verdict(ACCEPTED, renamed(RESOLVED, ConditionStatus.FALSE, Reason.MODEL_NOT_FOUND, "no such model"))


async def test_a_status_is_applied_to_the_subresource_without_force(writing: Writing) -> None:
    of = writing.stored(route())
    await writing.show(of)
    assert writing.calls == ["apply"]
    body = writing.api.calls[0][3]
    assert body["metadata"] == {"name": "x", "namespace": "ns"}
    assert set(body) == {"apiVersion", "kind", "metadata", "status"}
    assert condition(writing.status(of), "Ready")["status"] == "True"


async def test_what_stands_there_is_not_written_again(writing: Writing) -> None:
    of = writing.stored(route())
    await writing.show(of)
    writing.clock.now += 100
    await writing.show(writing.stored(of))
    assert writing.calls == ["apply"]


async def test_before_the_watch_brings_the_write_its_answer_counts(writing: Writing) -> None:
    of = writing.stored(route())
    await writing.show(of)
    writing.clock.now += 100
    await writing.show(of)
    assert writing.calls == ["apply"]


async def test_what_somebody_wiped_is_restored(writing: Writing) -> None:
    of = writing.stored(route())
    await writing.show(of)
    writing.api.put(ROUTES, "ns", "x", spec={}, status={})
    writing.clock.now += 100
    await writing.show(writing.stored(of))
    assert writing.calls == ["apply", "apply"]
    assert condition(writing.status(of), "Ready")["status"] == "True"


async def test_one_resource_is_written_once_a_second(writing: Writing) -> None:
    of = writing.stored(route())
    await writing.show(of)
    writing.clock.now += 0.3
    pause = await writing.show(writing.stored(of), found=UNRESOLVED)
    assert writing.calls == ["apply"]
    assert pause == pytest.approx(0.7)
    writing.clock.now += pause
    await writing.writer._round()
    assert writing.calls == ["apply", "apply"]
    assert condition(writing.status(of), "Ready")["reason"] == "ModelNotFound"


async def test_counts_alone_are_written_each_ten_seconds(writing: Writing) -> None:
    of = writing.stored(quota())
    await writing.show(of, found=verdict(ACCEPTED), rolled=rollout(1, 1), used=usage(10))
    writing.clock.now += 5
    await writing.show(writing.stored(of), found=verdict(ACCEPTED), rolled=rollout(1, 1), used=usage(50))
    assert writing.calls == ["apply"]
    writing.clock.now += 5.1
    await writing.writer._round()
    assert writing.status(of)["used"] == "50%"


async def test_who_does_not_lead_writes_nothing(writing: Writing) -> None:
    writing.leads = False
    of = writing.stored(route())
    await writing.show(of)
    assert writing.calls == []
    writing.leads = True
    await writing.show(of)
    assert writing.calls == ["apply"]


async def test_what_the_server_drops_is_not_said_again_and_again(writing: Writing) -> None:
    of = writing.stored(route())
    await writing.show(of, found=verdict(ACCEPTED, RESOLVED, unknown="field"))
    held = writing.api.objects[ROUTES, "ns", "x"]
    del held["status"]["unknown"]
    version = held["metadata"]["resourceVersion"]

    async def prunes(*args: Any, **options: Any) -> dict[str, Any]:
        writing.api.calls.append(("apply", ROUTES, "x", {}))
        return {"metadata": held["metadata"] | {"resourceVersion": version}, "status": held["status"]}

    writing.api.apply = prunes  # type: ignore[method-assign]
    for _ in range(5):
        writing.clock.now += 2
        await writing.show(writing.stored(of), found=verdict(ACCEPTED, RESOLVED, unknown="field"))
    assert len(writing.calls) == 2


async def test_a_resource_that_is_gone_is_let_be(writing: Writing) -> None:
    of = writing.stored(route())
    writing.api.remove(ROUTES, "ns", "x")
    for _ in range(3):
        writing.clock.now += 2
        await writing.show(of)
    assert writing.calls == ["apply"]
    assert writing.count("gone") == 1


async def test_a_recreated_resource_is_written_at_once(writing: Writing) -> None:
    of = writing.stored(route())
    writing.api.remove(ROUTES, "ns", "x")
    await writing.show(of)
    writing.clock.now += 1
    again = writing.stored(of)
    await writing.show(again)
    assert condition(writing.status(again), "Ready")["status"] == "True"


async def test_an_outage_makes_it_late_not_lost(writing: Writing) -> None:
    of = writing.stored(route())
    writing.api.faults[ROUTES] = Unavailable("away")
    await writing.show(of)
    del writing.api.faults[ROUTES]
    writing.clock.now += 1
    await writing.writer._round()
    assert writing.calls == ["apply"]
    writing.clock.now += 5
    await writing.writer._round()
    assert condition(writing.status(of), "Ready")["status"] == "True"


async def test_one_status_of_an_odd_shape_keeps_no_other_from_being_written(
    writing: Writing, caplog: pytest.LogCaptureFixture
) -> None:
    odd, other = writing.stored(route()), writing.stored(route(name="y"))
    odd = replace(odd, status={"conditions": [5]})
    await writing.show(odd, other)
    assert condition(writing.status(other), "Ready")["status"] == "True"
    assert "ModelRoute ns/x cannot be made up" in caplog.text


async def test_a_missing_right_is_not_insisted_on(writing: Writing) -> None:
    of = writing.stored(route())
    writing.api.faults[ROUTES] = Forbidden("no")
    for _ in range(10):
        await writing.show(of)
        writing.clock.now += 5
    assert writing.calls == ["apply"]
    assert writing.count("refused") == 1


async def test_fields_of_somebody_else_are_taken_back(writing: Writing) -> None:
    of = writing.stored(route())
    writing.api.faults[ROUTES] = Conflict("conflict", frozenset({"kubectl-edit"}))
    await writing.show(of)
    assert writing.calls == ["apply", "force"]


async def test_to_another_living_release_it_yields_and_says_so(
    writing: Writing, caplog: pytest.LogCaptureFixture
) -> None:
    of = writing.stored(route())
    writing.api.put(resources.LEASES, "elsewhere", "other-operator", spec={"renewTime": "1"})
    writing.api.faults[ROUTES] = Conflict("conflict", frozenset({RIVAL}))
    await writing.show(of)
    assert writing.calls == ["apply"]
    assert writing.writer.yielded == {ResourceKey(Kind.ROUTE, "ns", "x"): RIVAL}
    assert RIVAL in caplog.text
    assert writing.metrics.registry.get_sample_value("pilothouse_operator_status_yielded") == 1
    writing.clock.now += 5
    await writing.show(of)
    assert writing.calls == ["apply"]


async def test_when_the_other_release_is_gone_it_takes_over(writing: Writing) -> None:
    of = writing.stored(route())
    writing.api.put(resources.LEASES, "elsewhere", "other-operator", spec={"renewTime": "1"})
    writing.api.faults[ROUTES] = Conflict("conflict", frozenset({RIVAL}))
    await writing.show(of)
    writing.api.remove(resources.LEASES, "elsewhere", "other-operator")
    writing.clock.now += 17
    await writing.show(of)
    assert writing.calls == ["apply", "apply", "force"]
    assert writing.writer.yielded == {}


async def test_many_resources_are_paced(writing: Writing, monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(seconds: float) -> None:
        writing.clock.now += seconds

    many = [writing.stored(route(name=f"r{number}")) for number in range(40)]
    began = writing.clock.now
    monkeypatch.setattr(asyncio, "sleep", sleep)
    await writing.show(*many)
    assert len(writing.calls) == 40
    assert writing.clock.now - began == pytest.approx(1.0, abs=0.1)


async def test_transitions_become_events(writing: Writing) -> None:
    of = writing.stored(route())
    await writing.show(of)
    writing.clock.now += 2
    await writing.show(writing.stored(of), found=UNRESOLVED)
    waiting = writing.writer._events._waiting
    told = [waiting.get_nowait().reason for _ in range(waiting.qsize())]
    assert told == [Reason.READY, Reason.MODEL_NOT_FOUND]


async def test_what_is_gone_from_the_world_is_forgotten(writing: Writing) -> None:
    of = writing.stored(route())
    await writing.show(of)
    await writing.show(writing.stored(quota()), found=verdict(ACCEPTED), rolled=rollout(1, 1))
    assert of.key not in writing.writer._last
    assert of.key not in writing.writer._settled
