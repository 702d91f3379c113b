import asyncio

from pilothouse_proxy.http.flow import WriteFlow


async def test_drain_returns_at_once_while_the_other_side_takes() -> None:
    flow = WriteFlow(asyncio.get_running_loop())
    coroutine = flow.drain()
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("drain waited")


async def test_drain_waits_until_resumed_and_again_when_paused_again() -> None:
    flow = WriteFlow(asyncio.get_running_loop())
    for _ in range(2):
        flow.pause()
        waiting = [asyncio.ensure_future(flow.drain()) for _ in range(2)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        flow.resume()
        await asyncio.gather(*waiting)


async def test_one_cancelled_waiter_leaves_the_other_waiting() -> None:
    flow = WriteFlow(asyncio.get_running_loop())
    flow.pause()
    first, second = (asyncio.ensure_future(flow.drain()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    assert (first.cancelled(), second.done()) == (True, False)
    flow.resume()
    await second
