import asyncio
import re

import pytest

from pilothouse_api.conditions import Condition, ConditionStatus, ConditionType, Reason
from pilothouse_operator.compile.world import Resource
from pilothouse_operator.kube import resources
from pilothouse_operator.kube.errors import Forbidden
from pilothouse_operator.observe import Metrics
from pilothouse_operator.status.events import Events
from pilothouse_operator.status.patch import Transition
from tests.unit.operator.fakes import FakeApi, Hands, settled
from tests.unit.operator.status.shapes import route

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN


def to(
    status: ConditionStatus,
    reason: Reason,
    *,
    type_: ConditionType = ConditionType.READY,
    before: ConditionStatus | None = None,
    message: str = "why",
) -> Transition:
    return Transition(Condition(type=type_, status=status, reason=reason, message=message), before)


class Posted:
    """Events that are posted at once, and what came of it."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.clock = Hands()
        self.metrics = Metrics()
        self.events = Events(
            api=self.api,  # type: ignore[arg-type]
            clock=self.clock,
            metrics=self.metrics,
            replica="operator-1",
        )

    async def tell(self, *transitions: Transition, of: Resource | None = None) -> None:
        for transition in transitions:
            self.events.record(of or route(), transition)
        task = asyncio.create_task(self.events.run())
        await settled()
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def made(self, verb: str) -> list[dict[str, object]]:
        return [dict(body) for call, _, _, body in self.api.calls if call == verb]

    def count(self, outcome: str) -> float | None:
        return self.metrics.registry.get_sample_value("pilothouse_operator_events_total", {"outcome": outcome})


@pytest.fixture
def posted() -> Posted:
    return Posted()


async def test_an_event_has_all_that_the_api_demands(posted: Posted) -> None:
    await posted.tell(to(FALSE, Reason.INVALID, before=TRUE))
    (event,) = posted.made("create")
    assert event["type"] == "Warning"
    assert (event["reason"], event["action"], event["note"]) == ("Invalid", "Ready", "why")
    assert event["reportingController"] == "pilothouse.dev/operator"
    assert event["reportingInstance"] == "operator-1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", str(event["eventTime"]))
    regarding = event["regarding"]
    assert isinstance(regarding, dict)
    assert (regarding["kind"], regarding["namespace"], regarding["name"]) == ("ModelRoute", "ns", "x")


@pytest.mark.parametrize(
    ("transition", "type_"),
    [
        (to(FALSE, Reason.MODEL_NOT_FOUND), "Warning"),
        (to(TRUE, Reason.READY, before=FALSE), "Normal"),
        (to(FALSE, Reason.PROGRESSING, before=TRUE), None),
        (to(UNKNOWN, Reason.NO_PROXIES), None),
        (to(TRUE, Reason.ACCEPTED, type_=ConditionType.ACCEPTED), None),
        (to(TRUE, Reason.LIMIT_REACHED, type_=ConditionType.EXCEEDED), "Warning"),
        (to(FALSE, Reason.WITHIN_LIMITS, type_=ConditionType.EXCEEDED, before=TRUE), "Normal"),
        (to(FALSE, Reason.WITHIN_LIMITS, type_=ConditionType.EXCEEDED, before=UNKNOWN), None),
    ],
)
async def test_only_what_somebody_needs_to_know_is_told(
    posted: Posted, transition: Transition, type_: str | None
) -> None:
    await posted.tell(transition)
    assert [event["type"] for event in posted.made("create")] == ([type_] if type_ else [])


async def test_a_repeat_grows_a_series(posted: Posted) -> None:
    await posted.tell(*[to(FALSE, Reason.INVALID)] * 3)
    assert len(posted.made("create")) == 1
    assert [event["series"] for event in posted.made("merge")] == [
        {"count": count, "lastObservedTime": posted.made("create")[0]["eventTime"]} for count in (2, 3)
    ]


async def test_other_words_are_another_event(posted: Posted) -> None:
    await posted.tell(to(FALSE, Reason.INVALID), to(FALSE, Reason.INVALID, message="other"))
    assert len(posted.made("create")) == 2


async def test_a_series_ends_after_some_minutes(posted: Posted) -> None:
    await posted.tell(to(FALSE, Reason.INVALID))
    posted.clock.now += 400
    await posted.tell(to(FALSE, Reason.INVALID))
    assert len(posted.made("create")) == 2


async def test_a_resource_that_never_rests_is_told_of_ten_times_and_then_each_five_minutes(posted: Posted) -> None:
    many = [to(FALSE, Reason.INVALID, message=str(number)) for number in range(30)]
    await posted.tell(*many)
    assert len(posted.made("create")) == 10
    assert posted.count("overbudget") == 20
    posted.clock.now += 301
    await posted.tell(*reversed(many))
    assert len(posted.made("create")) == 11


async def test_the_budget_of_one_resource_is_its_own(posted: Posted) -> None:
    await posted.tell(*[to(FALSE, Reason.INVALID, message=str(number)) for number in range(30)])
    await posted.tell(to(FALSE, Reason.INVALID), of=route(name="other"))
    assert len(posted.made("create")) == 11


async def test_a_refusal_is_counted_and_the_next_is_posted(posted: Posted) -> None:
    posted.api.faults[resources.EVENTS] = Forbidden("the namespace is being terminated")
    await posted.tell(to(FALSE, Reason.INVALID))
    assert posted.count("failed") == 1
    del posted.api.faults[resources.EVENTS]
    await posted.tell(to(FALSE, Reason.INVALID))
    assert len(posted.made("create")) == 1


async def test_a_long_note_is_cut_to_what_the_api_takes(posted: Posted) -> None:
    await posted.tell(to(FALSE, Reason.INVALID, message="ä" * 1000))
    (event,) = posted.made("create")
    assert len(str(event["note"]).encode()) <= 1024


async def test_names_fit_however_long_the_resources_is(posted: Posted) -> None:
    await posted.tell(to(FALSE, Reason.INVALID), of=route(name="n" * 253))
    name = posted.api.calls[0][2]
    assert len(name) <= 253
