import asyncio
import itertools
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_operator.pacing.limiter import Answer
from pilothouse_operator.pacing.turns import Turn, Turns
from tests import virtual

NEVER = float("inf")
PLANTED = "hunter2"


class Desk:
    """Turns whose calls take `takes_s`, and answer as told; each key comes once, unless `every_s` is given."""

    def __init__(self, *, takes_s: float = 0.0, every_s: float = NEVER, answer: Answer = Answer.GOOD) -> None:
        self.turns = Turns[str](clock=virtual.VirtualClock(), call=self._call)
        self.takes_s, self.every_s, self.answer = takes_s, every_s, answer
        self.retry_after_s: float | None = None
        self.sick = ""
        self.began: list[tuple[float, str]] = []
        self.ended: list[str] = []
        self._now: Counter[str] = Counter()
        self.most_at_once = 0
        self.stubborn_s = 0.0

    def put(self, key: str, *, at: float = 0.0, urgency: float = 0.0, target: str = "target") -> None:
        self.turns.put(key, target=target, at=at, urgency=urgency)

    async def run_until(self, at: float) -> None:
        task = asyncio.create_task(self.turns.run())
        await asyncio.sleep(at - asyncio.get_running_loop().time())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _call(self, key: str) -> Turn:
        loop = asyncio.get_running_loop()
        self._now[key] += 1
        assert self._now[key] == 1, "two calls at once for one key"
        self.most_at_once = max(self.most_at_once, self._now.total())
        self.began.append((loop.time(), key))
        try:
            await asyncio.sleep(self.takes_s)
        except asyncio.CancelledError:
            await asyncio.sleep(self.stubborn_s)
            raise
        finally:
            self._now[key] -= 1
        self.ended.append(key)
        again_at = loop.time() + self.every_s
        answer = Answer.UNAVAILABLE if key == self.sick else self.answer
        return Turn(answer=answer, again_at=again_at, urgency=0, retry_after_s=self.retry_after_s)


def keys(desk: Desk) -> list[str]:
    return [key for _, key in desk.began]


def test_a_key_comes_up_at_its_time() -> None:
    async def scenario() -> None:
        desk = Desk()
        desk.put("late", at=90.0)
        desk.put("early", at=5.0)
        await desk.run_until(100)
        assert desk.began == [(5.0, "early"), (90.0, "late")]

    virtual.run(scenario())


def test_one_that_is_put_while_nothing_is_due_is_not_slept_over() -> None:
    async def scenario() -> None:
        desk = Desk()
        desk.put("hourly", at=3_600.0)
        asyncio.get_running_loop().call_at(10, lambda: desk.put("now", at=10.0))
        await desk.run_until(20)
        assert desk.began == [(10.0, "now")]

    virtual.run(scenario())


def test_the_most_urgent_of_those_that_are_due_goes_first() -> None:
    async def scenario() -> None:
        desk = Desk()
        for key, urgency in (("calm", 900.0), ("none yet", 0.0), ("soon over", 5.0)):
            desk.put(key, urgency=urgency)
        await desk.run_until(10)
        assert keys(desk) == ["none yet", "soon over", "calm"]

    virtual.run(scenario())


def test_a_target_that_asks_for_a_pause_is_left_alone_and_others_are_not() -> None:
    async def scenario() -> None:
        desk = Desk(answer=Answer.THROTTLED)
        desk.retry_after_s = 60.0
        desk.put("first")
        desk.put("second")
        desk.put("elsewhere", target="another")
        await desk.run_until(61)
        assert desk.began == [(0.0, "first"), (0.0, "elsewhere"), (60.0, "second")]

    virtual.run(scenario())


def test_a_target_that_hangs_holds_up_no_other() -> None:
    async def scenario() -> None:
        desk = Desk(takes_s=1_000.0)
        for number in range(20):
            desk.put(f"hanging {number}", target="hangs")
        desk.put("elsewhere", at=50.0, target="another")
        await desk.run_until(100)
        assert desk.began[-1] == (50.0, "elsewhere")
        assert desk.most_at_once == 5

    virtual.run(scenario())


def test_all_targets_together_have_a_bound() -> None:
    async def scenario() -> None:
        desk = Desk(takes_s=10.0)
        for number in range(200):
            desk.put(f"{number}", target=f"target {number}")
        await desk.run_until(100)
        assert desk.most_at_once == 64
        assert len(desk.ended) == 200

    virtual.run(scenario())


def test_what_is_dropped_comes_no_more_and_its_call_is_cancelled() -> None:
    async def scenario() -> None:
        desk = Desk(takes_s=10.0, every_s=20.0)
        desk.put("called")
        desk.put("waiting", at=50.0)
        asyncio.get_running_loop().call_at(5, desk.turns.drop, "called")
        asyncio.get_running_loop().call_at(5, desk.turns.drop, "waiting")
        await desk.run_until(100)
        assert keys(desk) == ["called"]
        assert desk.ended == []

    virtual.run(scenario())


def test_one_that_is_started_anew_waits_for_its_former_call_to_be_over() -> None:
    async def scenario() -> None:
        desk = Desk(takes_s=10.0)
        desk.stubborn_s = 7.0
        desk.put("key")
        asyncio.get_running_loop().call_at(5, lambda: desk.turns.restart("key", target="another", at=5.0, urgency=0.0))
        await desk.run_until(100)
        assert desk.began == [(0.0, "key"), (12.0, "key")]
        assert desk.ended == ["key"]

    virtual.run(scenario())


def test_what_was_learnt_of_a_target_outlives_a_start_anew() -> None:
    async def scenario() -> None:
        desk = Desk(answer=Answer.THROTTLED)
        desk.retry_after_s = 60.0
        desk.put("key")
        asyncio.get_running_loop().call_at(5, lambda: desk.turns.restart("key", target="target", at=5.0, urgency=0.0))
        await desk.run_until(100)
        assert desk.began == [(0.0, "key"), (60.0, "key")]

    virtual.run(scenario())


def test_targets_without_keys_are_forgotten() -> None:
    async def scenario() -> None:
        desk = Desk()
        for number in range(100):
            desk.put(f"{number}", target=f"target {number}")
        await desk.run_until(10)
        for number in range(100):
            desk.turns.drop(f"{number}")
        assert not desk.turns._lanes
        assert not len(desk.turns._openings)

    virtual.run(scenario())


def test_calls_that_a_stop_cuts_off_come_up_again() -> None:
    async def scenario() -> None:
        desk = Desk(takes_s=10.0)
        desk.put("key")
        await desk.run_until(5)
        await desk.run_until(50)
        assert desk.began == [(0.0, "key"), (5.0, "key")]
        assert desk.ended == ["key"]

    virtual.run(scenario())


def test_a_mistake_of_the_caller_costs_one_turn_and_tells_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[float] = []

    async def call(key: str) -> Turn:
        calls.append(asyncio.get_running_loop().time())
        raise ValueError(PLANTED)

    async def scenario() -> None:
        turns = Turns[str](clock=virtual.VirtualClock(), call=call)
        turns.put("key", target="target", at=0.0, urgency=0.0)
        task = asyncio.create_task(turns.run())
        await asyncio.sleep(100)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    virtual.run(scenario())
    assert calls == [0.0, 60.0]
    assert "ValueError" in caplog.text
    assert PLANTED not in caplog.text


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["put", "restart", "drop"]),
        st.sampled_from("abc"),
        st.sampled_from(["one target", "another"]),
        st.floats(0, 20),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(ACTIONS, st.floats(0, 15), st.floats(0, 5))
def test_whatever_is_asked_for_a_key_has_one_call_at_a_time_and_its_last_turn_comes(
    actions: list[tuple[str, str, str, float]], takes_s: float, stubborn_s: float
) -> None:
    async def scenario() -> None:
        desk = Desk(takes_s=takes_s)
        desk.stubborn_s = stubborn_s
        due: dict[str, float] = {}
        loop = asyncio.get_running_loop()

        def acting(what: str, key: str, target: str) -> Callable[[], None]:
            def act() -> None:
                if what == "drop":
                    desk.turns.drop(key)
                    due.pop(key, None)
                    return
                ask = desk.turns.put if what == "put" else desk.turns.restart
                ask(key, target=target, at=loop.time() + 1, urgency=0.0)
                due[key] = loop.time() + 1

            return act

        at = 0.0
        for what, key, target, wait in actions:
            at += wait
            loop.call_at(at, acting(what, key, target))
        await desk.run_until(at + 1_000)
        last = {key: began for began, key in desk.began}
        assert all(last[key] >= asked for key, asked in due.items())
        assert all(key in desk.ended for key in due)
        assert not desk.turns._flights

    virtual.run(scenario())


def test_when_a_service_is_back_nobody_sits_out_a_pause_that_was_for_the_outage() -> None:
    async def scenario() -> None:
        desk = Desk(answer=Answer.UNAVAILABLE, every_s=300.0)
        for number in range(20):
            desk.put(f"{number}")
        asyncio.get_running_loop().call_at(200, lambda: setattr(desk, "answer", Answer.GOOD))
        await desk.run_until(200)
        assert len(desk.began) == 20
        desk.put("another", at=200.0)
        await desk.run_until(230)
        assert len(desk.began) == 41

    virtual.run(scenario())


def test_one_that_fails_alone_keeps_its_pauses_whatever_the_others_do() -> None:
    async def scenario() -> None:
        desk = Desk(every_s=5.0)
        desk.sick = "sick"
        desk.put("well")
        desk.put("sick", at=101.0)
        await desk.run_until(200)
        sick = [at for at, key in desk.began if key == "sick"]
        assert all(later - earlier >= 5.0 for earlier, later in itertools.pairwise(sick))

    virtual.run(scenario())
