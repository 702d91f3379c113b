import asyncio

from pilothouse_proxy.http.alarm import Alarm
from tests.unit.proxy.http.rig import until


class Clock:
    """A loop as far as an alarm needs one; time moves when told."""

    class Timer:
        def __init__(self, when: float, callback: object) -> None:
            self.when, self.callback, self.cancelled = when, callback, False

        def cancel(self) -> None:
            self.cancelled = True

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Clock.Timer] = []
        self.made = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: object) -> "Clock.Timer":
        self.made += 1
        self.timers.append(Clock.Timer(when, callback))
        return self.timers[-1]

    def move(self, to: float) -> None:
        for timer in sorted(self.timers, key=lambda timer: timer.when):
            if timer.when <= to and not timer.cancelled:
                self.now = max(self.now, timer.when)
                self.timers.remove(timer)
                timer.callback()  # type: ignore[operator]
        self.now = to


def rung() -> tuple[Clock, Alarm, list[float]]:
    clock = Clock()
    rings: list[float] = []
    return clock, Alarm(clock, lambda: rings.append(clock.now)), rings  # type: ignore[arg-type]


def test_it_rings_once_when_due() -> None:
    clock, alarm, rings = rung()
    alarm.set(5)
    for now in (4, 5, 6, 100):
        clock.move(now)
    assert rings == [5]


def test_putting_it_off_makes_no_timer() -> None:
    clock, alarm, rings = rung()
    for now in range(100):
        clock.now = now / 100
        alarm.set(5)
    assert clock.made == 1
    for now in (5, 6):
        clock.move(now)
    assert (rings, clock.made) == ([5.99], 2)


def test_an_earlier_deadline_wins() -> None:
    clock, alarm, rings = rung()
    alarm.set(50)
    alarm.set(5)
    clock.move(100)
    assert rings == [5]


def test_a_cleared_one_stays_silent_and_can_be_set_again() -> None:
    clock, alarm, rings = rung()
    alarm.set(5)
    alarm.clear()
    clock.move(10)
    assert rings == []
    alarm.set(5)
    clock.move(15)
    assert rings == [15]


def test_a_stopped_one_leaves_no_timer() -> None:
    clock, alarm, rings = rung()
    alarm.set(5)
    alarm.stop()
    assert [timer.cancelled for timer in clock.timers] == [True]
    clock.move(10)
    assert rings == []


async def test_it_rings_on_the_real_loop() -> None:
    rings: list[float] = []
    loop = asyncio.get_running_loop()
    alarm = Alarm(loop, lambda: rings.append(loop.time()))
    alarm.set(0.001)
    alarm.set(0.01)
    await until(lambda: len(rings) == 1)
    alarm.stop()
