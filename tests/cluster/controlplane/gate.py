"""A TCP relay on loopback that can refuse, cut, freeze or forget what passes: an outage on demand."""

import asyncio
import threading
from types import TracebackType
from typing import Self


class Gate:
    """Relays `port` to `target`. Runs in a thread with a loop of its own, so that the test's loop may block."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._open = True
        self._flowing = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._flowing.set()
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.thaw()
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def shut(self) -> None:
        """Cuts every connection and refuses new ones."""
        self._open = False
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    def open(self) -> None:
        """Lets connections through again."""
        self._open = True

    def freeze(self) -> None:
        """Connections stay, nothing passes: a black hole."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def thaw(self) -> None:
        """Ends `freeze`."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    def forget(self) -> None:
        """What is open now passes nothing ever again, and nobody is told; new connections are as ever."""
        asyncio.run_coroutine_threadsafe(self._forget(), self._loop).result(10)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        flowing, ends = self._flowing, [writer]
        self._tasks.add(task)
        try:
            if self._open:
                upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._target)
                ends.append(upstream_writer)
                async with asyncio.TaskGroup() as ways:
                    ways.create_task(self._copy(reader, upstream_writer, flowing))
                    ways.create_task(self._copy(upstream_reader, writer, flowing))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in ends:
                end.transport.abort()
            self._tasks.discard(task)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event) -> None:
        while chunk := await reader.read(65536):
            await flowing.wait()
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError

    async def _cut(self) -> None:
        """All of them, also those that are only about to reach the target."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _forget(self) -> None:
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._cut()
