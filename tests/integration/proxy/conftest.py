"""A provider that answers from a thread of its own, for proxies that are processes of their own."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
import uvloop

from tests.integration.proxy.upstream import Upstream, completion, upstream, whole
from tests.simulators.fixtures import simulator_process, simulators, simulators_thread


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that a proxy runs on."""
    return {"uvloop": uvloop.new_event_loop}


__all__ = ["simulator_process", "simulators", "simulators_thread"]


@pytest.fixture
def cloud() -> Iterator[Upstream]:
    """Answers each request with a completion unless told otherwise (`otherwise`, `script`)."""
    ready: threading.Event = threading.Event()
    found: list[Upstream] = []
    loop = asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        async with upstream(whole(completion())) as running:
            found.append(running)
            ready.set()
            await done.wait()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(30)
    yield found[0]
    loop.call_soon_threadsafe(done.set)
    thread.join(30)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
