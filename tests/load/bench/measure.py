"""Gateways take turns with nginx, window by window, on the same core, between the same client and upstream.

What counts is the ratio of CPU in neighbouring windows: absolute figures follow the machine and its other load.
"""

import dataclasses
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.load.bench import processes, rig
from tests.load.bench.rig import Gateway, Running
from tests.load.bench.works import Upstream, Work, complaint, write_body

_STREAM_CONNECTIONS = 64
_AGREEMENT = 0.02
"""How far the two accounts of a process's CPU may be apart."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how often. Paced streams need little CPU, hence longer windows."""

    works: tuple[Work, ...]
    rounds: int = 5
    seconds: float = 1.5
    paced_seconds: float = 3.0
    rate: float = 200.0
    """Whole answers a second, where added latency is measured."""
    stream_rate: float = 20.0
    latency_seconds: float = 1.2
    latency_stream_seconds: float = 1.5
    starts: int = 5

    def window_s(self, work: Work) -> float:
        return self.paced_seconds if work.paced else self.seconds


@dataclass(frozen=True, slots=True)
class Window:
    """CPU microseconds an answer (or an event), answers a second, and the share of the core that was used."""

    us: float
    rps: float
    busy: float


@dataclass(slots=True)
class Figure:
    """Medians over the windows of one gateway and one kind of work."""

    us: float
    ratio: float
    rps: float
    busy: float
    added_p50_ms: float | None = None
    """Of a whole answer, or of the first byte of a stream, over the upstream asked directly."""
    added_p99_ms: float | None = None


@dataclass(slots=True)
class Measured:
    """All that is known of one gateway. `figures` by work; `reasons` say why one is missing."""

    gateway: Gateway
    start_s: float = 0.0
    idle_mib: float = 0.0
    loaded_mib: float = 0.0
    accounts_s: tuple[float, float] = (0.0, 0.0)
    """CPU over the whole run, by the processes' clocks and by their ticks."""
    figures: dict[str, Figure] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


class WrongAnswer(Exception):
    """A gateway failed a request: its work cannot be measured."""


@dataclass(slots=True)
class Contender:
    """A running gateway, and what is found out about it."""

    running: Running
    measured: Measured

    @property
    def name(self) -> str:
        return self.running.gateway.name


def say(text: str) -> None:
    """Progress, beside the result."""
    print(text, file=sys.stderr, flush=True)


def measure(gateways: Sequence[Gateway], *, upstream_port: int, plan: Plan) -> tuple[list[Measured], dict[str, float]]:
    """The first gateway is the reference, the second must not fail; the others may, which is told in `reasons`.

    Returns:
        What was measured of each, and by work the answers a second of client and upstream without a gateway.

    Raises:
        WrongAnswer: of the first or the second.
        RuntimeError: one does not start.
    """
    os.sched_setaffinity(0, {rig.CLIENT_CORE})
    contenders: list[Contender] = []
    try:
        for gateway in gateways:
            contenders.append(_started(gateway, times=plan.starts))
        before = [(processes.cpu_s(each.running.pid), processes.ticks_s(each.running.pid)) for each in contenders]
        alone = {}
        for work in plan.works:
            _look(contenders, work)
            alone[work.name] = rig.load(upstream_port, write_body(work, "direct", rig.PAYLOADS), seconds=1)["rps"]
            _compare(contenders, work, plan)
            if work.paced or not work.events:
                _latency(contenders, work, upstream_port, plan)
        for each, (by_clock, by_ticks) in zip(contenders, before, strict=True):
            pid = each.running.pid
            each.measured.accounts_s = (processes.cpu_s(pid) - by_clock, processes.ticks_s(pid) - by_ticks)
            each.measured.loaded_mib = processes.rss_mib(pid)
            _check_accounts(each)
    finally:
        for each in contenders:
            each.running.__exit__()
    return [each.measured for each in contenders], alone


def _started(gateway: Gateway, *, times: int) -> Contender:
    """Running, with the median time to its first answer of several starts without earlier state."""
    took = []
    for _ in range(times - 1):
        with Running(gateway) as once:
            took.append(once.until_answer())
    running = Running(gateway)
    try:
        took.append(running.until_answer())
        time.sleep(1)
        measured = Measured(gateway, start_s=statistics.median(took), idle_mib=processes.rss_mib(running.pid))
    except BaseException:
        running.__exit__()
        raise
    say(f"{gateway.name} {gateway.about}: first answer after {measured.start_s * 1000:.0f} ms")
    return Contender(running, measured)


def _look(contenders: list[Contender], work: Work) -> None:
    """One request each, looked at: a wrong answer is not measured."""
    for at, each in enumerate(contenders):
        asked = _for_reference(work) if at == 0 else work
        if asked.upstream not in each.running.gateway.targets:
            each.measured.reasons[work.name] = each.running.gateway.cannot[work.upstream]
            continue
        if why := complaint(asked, *each.running.ask(asked)):
            _miss(contenders, each, work, why)


def _for_reference(work: Work) -> Work:
    """The reference does not translate: beside another upstream it passes the same request through."""
    return dataclasses.replace(work, upstream=Upstream.OPENAI)


def _miss(contenders: list[Contender], failed: Contender, work: Work, why: str) -> None:
    if failed in contenders[:2]:
        raise WrongAnswer(f"{failed.name}, {work.name}: {why}")
    failed.measured.reasons[work.name] = why
    failed.measured.figures.pop(work.name, None)


def _able(contenders: list[Contender], work: Work) -> list[Contender]:
    return [each for each in contenders if work.name not in each.measured.reasons]


def _compare(contenders: list[Contender], work: Work, plan: Plan) -> None:
    windows: dict[str, list[Window]] = {each.name: [] for each in contenders}
    for each in contenders:
        if each in _able(contenders, work):
            _window(each.running, _asked(contenders, each, work), seconds=1)
    for _ in range(plan.rounds):
        for each in _able(contenders, work):
            try:
                window = _window(each.running, _asked(contenders, each, work), seconds=plan.window_s(work))
            except WrongAnswer as wrong:
                _miss(contenders, each, work, str(wrong))
            else:
                windows[each.name].append(window)
    reference = windows[contenders[0].name]
    for each in _able(contenders, work):
        mine = windows[each.name]
        each.measured.figures[work.name] = figure = Figure(
            us=statistics.median(one.us for one in mine),
            ratio=statistics.median(one.us / other.us for one, other in zip(mine, reference, strict=True)),
            rps=statistics.median(one.rps for one in mine),
            busy=statistics.median(one.busy for one in mine),
        )
        say(f"{work.name}: {each.name} {figure.us:.1f} µs, ×{figure.ratio:.2f}")


def _asked(contenders: list[Contender], each: Contender, work: Work) -> Work:
    return _for_reference(work) if each is contenders[0] else work


def _window(running: Running, work: Work, *, seconds: float) -> Window:
    """One window of closed-loop load. A request that failed spoils it."""
    before, since = processes.cpu_s(running.pid), time.monotonic()
    done = running.load(work, seconds=seconds)
    used, took = processes.cpu_s(running.pid) - before, time.monotonic() - since
    if failed := done["errors"] + done["bad_status"] + done["unfinished"]:
        raise WrongAnswer(f"{failed:g} of {done['requests']:g} requests failed: {done}")
    return Window(us=used / done["ok"] / max(work.events, 1) * 1e6, rps=done["rps"], busy=used / took)


def _latency(contenders: list[Contender], work: Work, upstream_port: int, plan: Plan) -> None:
    """What a modest rate's answers (or first bytes of streams) gain over the upstream alone, in the same minutes."""
    seconds = plan.latency_stream_seconds if work.events else plan.latency_seconds
    at, tail = ("ttfb50", "ttfb99") if work.events else ("p50", "p99")
    direct = write_body(_for_reference(work), "direct", rig.PAYLOADS)
    connections = _STREAM_CONNECTIONS if work.events else rig.CONNECTIONS
    added: dict[str, list[tuple[float, float]]] = {each.name: [] for each in contenders}
    for _ in range(plan.rounds):
        alone: dict[float, dict[str, float]] = {}
        for each in _able(contenders, work):
            # No more than half of what it can do: beyond that it is the queue that is measured.
            rate = min(plan.stream_rate if work.events else plan.rate, each.measured.figures[work.name].rps / 2)
            if rate not in alone:
                alone[rate] = rig.load(upstream_port, direct, seconds=seconds, rate=rate, connections=connections)
            asked = _asked(contenders, each, work)
            done = each.running.load(asked, seconds=seconds, rate=rate, connections=connections)
            added[each.name].append((done[at] - alone[rate][at], done[tail] - alone[rate][tail]))
    for each in _able(contenders, work):
        figure = each.measured.figures[work.name]
        figure.added_p50_ms = statistics.median(one[0] for one in added[each.name]) / 1000
        if not work.events:
            # A window holds too few streams to tell their hundredth.
            figure.added_p99_ms = statistics.median(one[1] for one in added[each.name]) / 1000


def _check_accounts(each: Contender) -> None:
    by_clock, by_ticks = each.measured.accounts_s
    if abs(by_clock - by_ticks) > max(_AGREEMENT * by_ticks, 0.1):
        raise RuntimeError(
            f"{each.name}: its clocks have counted {by_clock:.2f} s of CPU, its ticks {by_ticks:.2f} s; has a process"
            " of it ended on the way?"
        )
