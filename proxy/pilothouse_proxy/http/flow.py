"""Write back-pressure: who produces waits while the other side does not take."""

import asyncio
from collections.abc import Callable


class WriteFlow:
    """The state that a transport's `pause_writing` and `resume_writing` drive."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[Callable[[], None]] = []
        self.paused = False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        """Also for the end of the connection: whoever waits goes on and finds it closed."""
        self.paused = False
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for go_on in waiting:
                go_on()

    def when_resumed(self, go_on: Callable[[], None]) -> None:
        """Call it once, when the transport is below its low-water mark, or is gone. For who is paused."""
        self._waiting.append(go_on)

    async def drain(self) -> None:
        """Returns at once unless paused; else when it is resumed."""
        if self.paused:
            waiter = self._loop.create_future()
            self.when_resumed(lambda: None if waiter.done() else waiter.set_result(None))
            await waiter
