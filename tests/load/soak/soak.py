"""`make soak`: a real proxy under a mixture of callers for as long as one likes, every answer checked.

The configuration changes every few seconds meanwhile. What must not happen: a wrong answer, a request that stays in
flight, an upstream that goes on working for nobody, a word of an error in the log, memory that grows.
"""

import argparse
import asyncio
import json
import random
import re
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.cluster.fleet import simulated_clouds
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.process import Process, process
from tests.load.bench.processes import rss_mib
from tests.load.soak.client import Wrong
from tests.load.soak.cloud import Cloud, configuration
from tests.load.soak.scenarios import WEIGHTS, Caller

CALLERS = 24
THINK_S = 0.15
"""Between two scenarios of one caller, on average."""
CHANGE_S = 3.0
SETTLE_S = 10.0
_SHOWN = 10


@dataclass
class Tally:
    """What was done, and what went wrong."""

    done: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    rss_mib: list[float] = field(default_factory=list)
    configurations: int = 0

    @property
    def failed(self) -> int:
        return self.failures.total()

    def growth_mib(self) -> float:
        """Of the medians of the second tenth, when all is warm, and of the last."""
        tenth = max(1, len(self.rss_mib) // 10)
        return statistics.median(self.rss_mib[-tenth:]) - statistics.median(self.rss_mib[tenth : 2 * tenth])


async def _call(caller: Caller, tally: Tally, ending: asyncio.Event) -> None:
    scenarios, weights = list(WEIGHTS), list(WEIGHTS.values())
    while not ending.is_set():
        (scenario,) = caller.rng.choices(scenarios, weights)
        tally.done[scenario.__name__] += 1
        try:
            await scenario(caller)
        except (Wrong, OSError, ValueError, LookupError, EOFError, TimeoutError) as wrong:
            tally.failures[f"{scenario.__name__}: {type(wrong).__name__}: {wrong}"] += 1
            await caller.client.close()
        await asyncio.sleep(caller.rng.expovariate(1 / THINK_S))
    await caller.client.close()


async def _reconfigure(
    control: ControlServer, cloud: Cloud, bedrock_url: str, tally: Tally, ending: asyncio.Event
) -> None:
    while not ending.is_set():
        await asyncio.sleep(CHANGE_S)
        tally.configurations += 1
        version = control.publish(configuration(cloud, bedrock_url, tally.configurations))
        await asyncio.to_thread(control.wait_for_ack, version)


async def _watch(proxy: Process, tally: Tally, ending: asyncio.Event) -> None:
    while not ending.is_set():
        if proxy.popen.poll() is not None:
            raise RuntimeError(f"the proxy has ended: {proxy.err.read_text()[-2000:]}")
        tally.rss_mib.append(rss_mib(proxy.popen.pid))
        await asyncio.sleep(1)


async def _soak(
    proxy: Process, control: ControlServer, cloud: Cloud, bedrock_url: str, options: argparse.Namespace
) -> Tally:
    tally = Tally()
    ending = asyncio.Event()
    callers = [Caller(proxy.port, random.Random(f"{options.seed}-{number}")) for number in range(CALLERS)]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_watch(proxy, tally, ending))
        tasks.create_task(_reconfigure(control, cloud, bedrock_url, tally, ending))
        for caller in callers:
            tasks.create_task(_call(caller, tally, ending))
        until = time.monotonic() + options.minutes * 60
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(30, left))
            left_min = max(0.0, until - time.monotonic()) / 60
            told = f"{tally.done.total()} done, {tally.failed} failed, {tally.rss_mib[-1]:.1f} MiB"
            say(f"{left_min:.1f} min left: {told}")
        ending.set()
    await _check_rest(proxy, tally, cloud)
    return tally


async def _check_rest(proxy: Process, tally: Tally, cloud: Cloud) -> None:
    """When all callers have gone, nothing may be left of them."""
    until = time.monotonic() + SETTLE_S
    while (left := await asyncio.to_thread(_left_over, proxy)) and time.monotonic() < until:  # noqa: ASYNC110 -- a process
        await asyncio.sleep(0.1)
    if left:
        tally.failures[f"when all had gone: {left}"] += 1
    if cloud.at_work:
        # A stream that its caller has left has no end: only the proxy can have stopped it.
        tally.failures[f"when all had gone: {cloud.at_work} answers of the upstream are for nobody"] += 1


def _left_over(proxy: Process) -> str:
    """Requests and callers' connections that the proxy still counts."""
    metrics = proxy.ask("GET", "/metrics", port=proxy.admin_port).body.decode()
    counts = re.findall(
        r'^(pilothouse_requests_in_flight|pilothouse_connections\{[^}]*"in"[^}]*\}) (\S+)$', metrics, re.M
    )
    if len(counts) != 2:
        raise RuntimeError("the metrics do not say what is in flight")
    return ", ".join(f"{name} {value}" for name, value in counts if float(value) > 0)


def _check_end(proxy: Process, tally: Tally) -> None:
    """A clean exit, and a log without an error."""
    if (code := proxy.end(seconds=30)) != 0:
        tally.failures[f"the proxy exits with {code}"] += 1
    for line in proxy.out.read_text().splitlines():
        if json.loads(line).get("level") not in (None, "info", "debug"):
            tally.failures[f"logged: {line[:400]}"] += 1
    if errors := proxy.err.read_text():
        tally.failures[f"on stderr: {errors[-400:]}"] += 1


def say(text: str) -> None:
    """Progress, beside the result."""
    print(text, file=sys.stderr, flush=True)


async def _with_cloud(options: argparse.Namespace) -> Tally:
    cloud = Cloud()
    listener = await asyncio.start_server(cloud.running.serve, "127.0.0.1", 0)
    cloud.running.port = listener.sockets[0].getsockname()[1]
    with (
        simulated_clouds() as clouds,
        ControlServer(configuration(cloud, clouds.bedrock, 0)) as control,
        process(*control.flags, "--admin-listen=127.0.0.1:0") as proxy,
    ):
        await asyncio.to_thread(proxy.event, "configuration applied", seconds=30)
        tally = await _soak(proxy, control, cloud, clouds.bedrock, options)
        await asyncio.to_thread(_check_end, proxy, tally)
    listener.close()
    return tally


def run() -> None:
    """`python -m tests.load.soak`: progress, what went wrong, then one line of JSON."""
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1, help="of what callers do")
    options = parser.parse_args()
    tally = asyncio.run(_with_cloud(options))
    say(", ".join(f"{name} {count}" for name, count in tally.done.most_common()))
    say(f"{tally.configurations} configurations, RSS {tally.rss_mib[-1]:.1f} MiB")
    for failure, count in tally.failures.most_common(_SHOWN):
        say(f"{count} × {failure}")
    result = {
        "minutes": options.minutes,
        "requests": tally.done.total(),
        "failed": tally.failed,
        "rss_growth_mib": round(tally.growth_mib(), 1),
    }
    print(json.dumps(result))
    sys.exit(1 if tally.failed else 0)
