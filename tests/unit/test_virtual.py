import asyncio

import pytest

from tests import virtual


def test_an_hour_passes_in_an_instant_and_on_the_clock() -> None:
    async def scenario() -> tuple[float, float]:
        clock = virtual.VirtualClock()
        await asyncio.sleep(3_600)
        return clock.monotonic(), clock.wall()

    assert virtual.run(scenario()) == (3_600.0, virtual.WALL + 3_600.0)


def test_what_is_due_comes_in_order() -> None:
    async def scenario() -> list[str]:
        order: list[str] = []

        async def after(pause: float, name: str) -> None:
            await asyncio.sleep(pause)
            order.append(name)

        await asyncio.gather(after(30, "late"), after(0.1, "first"), after(0.2, "second"))
        return order

    assert virtual.run(scenario()) == ["first", "second", "late"]


def test_waiting_for_what_never_comes_is_an_error() -> None:
    async def scenario() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing is due"):
        virtual.run(scenario())


def test_an_error_that_nobody_asks_for_is_raised() -> None:
    async def scenario() -> None:
        asyncio.get_running_loop().call_later(1, lambda: 1 / 0)
        await asyncio.sleep(2)

    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        virtual.run(scenario())
