"""Many connections at a time, and what each of them costs the proxy in memory."""

import asyncio
import resource
import statistics
import time
from dataclasses import dataclass

import uvloop

from tests.integration.proxy.faults.crowd import play
from tests.integration.proxy.faults.load import Result, read, whole
from tests.integration.proxy.faults.speakers import OPENAI
from tests.integration.proxy.faults.stand import LONG, Stand
from tests.integration.proxy.faults.wire import Caller, Cloud, request

TOGETHER = 100
"""So many connections are being opened at a time: a crowd, not a flood of SYNs."""
PATIENCE_S = 120.0
READER_BUFFER_BYTES = 8_192
POURED_BYTES = 20_000

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """`failed`: connections that were not answered, or not there any more at the end."""

    connections: int
    rss_kib: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """`events` that have come in their order, of all streams; `failed`: streams that lack one, or their end."""

    streams: int
    events: int
    seconds: float
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """From the caller's close to the end of the provider's connection, in milliseconds."""

    median_ms: float
    max_ms: float


def raise_limit() -> int:
    """As many open files as the system lets this process and its children have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def idle(stand: Stand, cloud_port: int, *, connections: int) -> Idle:
    """Callers that have asked once and keep their connection; then one of ten asks again."""
    stand.serve(cloud_port, timeouts=LONG)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_idle(stand, stand.process.port, connections))


async def _idle(stand: Stand, port: int, connections: int) -> Idle:
    # What the first requests leave behind is no connection's.
    for number in range(TOGETHER):
        _, writer = await _opened(port, number)
        writer.close()
    before = stand.settled_kib()
    lines: list[Line | None] = []
    while len(lines) < connections:
        some = range(len(lines), min(len(lines) + TOGETHER, connections))
        lines += await asyncio.gather(*[_tried(port, number) for number in some])
    held = stand.settled_kib() - before
    again = [line for line in lines[::10] if line is not None]
    asked = await asyncio.gather(*[_asked(line, number) for number, line in enumerate(again)])
    for line in lines:
        if line is not None:
            line[1].close()
    return Idle(connections=connections, rss_kib=held, failed=lines.count(None) + asked.count(False))


async def _tried(port: int, number: int) -> Line | None:
    try:
        return await _opened(port, number)
    except (OSError, EOFError):
        return None


async def _opened(port: int, number: int) -> Line:
    line = await asyncio.open_connection("127.0.0.1", port)
    if not await _asked(line, number):
        raise ConnectionError("no answer")
    return line


async def _asked(line: Line, number: int) -> bool:
    reader, writer = line
    result = Result(f"idle-{number}")
    writer.write(request(play=play(result.name, events=1)))
    try:
        await read(reader, result)
    except (OSError, EOFError) as error:
        result.broken = repr(error)
    return whole(result, events=1)


def streams(stand: Stand, cloud_port: int, *, count: int, events: int, pause_s: float) -> Streams:
    """All begin at once, and each event comes `pause_s` after the one before it."""
    stand.serve(cloud_port, timeouts=LONG)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        began = time.monotonic()
        results = runner.run(_streams(stand.process.port, count, events, pause_s))
        seconds = time.monotonic() - began
    good = [result for result in results if whole(result, events=events)]
    return Streams(streams=count, events=len(good) * events, seconds=seconds, failed=count - len(good))


async def _streams(port: int, count: int, events: int, pause_s: float) -> list[Result]:
    return await asyncio.gather(*[_streamed(port, f"{number}-streamed", events, pause_s) for number in range(count)])


async def _streamed(port: int, name: str, events: int, pause_s: float) -> Result:
    result = Result(name)
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(stream=True, play=play(name, events=events, pause_s=pause_s)))
            await read(reader, result)
            writer.close()
    except (OSError, EOFError, ValueError) as error:
        result.broken = repr(error)
    return result


def slow_readers(stand: Stand, cloud_port: int, *, readers: int) -> int:
    """What the proxy holds in KiB for streams whose callers take nothing of what is poured out for them."""
    stand.serve(cloud_port, timeouts=LONG)
    port = stand.process.port
    before = stand.settled_kib()
    callers = [Caller(port, buffer_bytes=READER_BUFFER_BYTES) for _ in range(readers)]
    for caller in callers:
        caller.ask(stream=True, play=play("poured", events=1_000_000, size=POURED_BYTES))
    for caller in callers:
        caller.head()
    held = stand.settled_kib(samples=20) - before
    for caller in callers:
        caller.close()
    return held


def cancelled(stand: Stand, *, times: int) -> Cancelled:
    """Callers that leave in the middle of a stream."""
    took_ms = []
    with Cloud() as cloud:
        stand.serve(cloud.port, timeouts=LONG)
        port = stand.process.port
        for _ in range(times):
            caller = Caller(port)
            caller.ask(stream=True)
            line = cloud.asked()
            OPENAI.begin(line, "some")
            caller.head()
            caller.chunk()
            began = time.perf_counter()
            caller.close()
            line.gone()
            took_ms.append((time.perf_counter() - began) * 1_000)
    return Cancelled(median_ms=statistics.median(took_ms), max_ms=max(took_ms))
