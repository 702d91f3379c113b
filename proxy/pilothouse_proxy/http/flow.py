"""Write back-pressure: who produces waits while the other side does not take."""

import asyncio


class WriteFlow:
    """The state that a transport's `pause_writing` and `resume_writing` drive."""

    __slots__ = ("_loop", "_waiters", "paused")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiters: list[asyncio.Future[None]] = []
        self.paused = False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        """Also for the end of the connection: whoever waits goes on and finds it closed."""
        self.paused = False
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def drain(self) -> None:
        """Returns at once unless paused; else when the transport is below its low-water mark."""
        if self.paused:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter
