"""Measures the proxy and nginx in one run: CPU a request and an event, memory, start, added latency.

The two take turns, window by window, on the same core, against the same upstream; what counts is the ratio. nginx
runs a master and a worker: the worker is measured.
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.controlplane.plane import free_port
from tests.integration.proxy.control import ControlServer
from tests.load.bench import processes, rig


@dataclass(frozen=True, slots=True)
class Window:
    """CPU microseconds an answer (or an event), and answers a second."""

    us: float
    rps: float


@dataclass(frozen=True, slots=True)
class Figure:
    """Medians over the windows of one kind of work."""

    proxy_us: float
    nginx_us: float
    ratio: float
    proxy_rps: float
    nginx_rps: float


def window(port: int, pid: int, body: Path, *, seconds: float, events: int) -> Window:
    """One window of closed-loop load on one process. Any failed request ends the run."""
    before = processes.cpu_s(pid)
    done = rig.load(port, body, seconds=seconds)
    used = processes.cpu_s(pid) - before
    if failed := done["errors"] + done["bad_status"] + done["unfinished"]:
        raise RuntimeError(f"{failed:g} requests failed on port {port} ({body.name}): {done}")
    return Window(us=used / done["ok"] / max(events, 1) * 1e6, rps=done["rps"])


def compare(work: rig.Work, ports: dict[str, int], pids: dict[str, int], *, rounds: int, seconds: float) -> Figure:
    """Windows in turn: nginx, proxy, nginx, proxy, …"""
    body, reference = rig.body_for(work, work.model), rig.body_for(work, "reference")
    rig.load(ports["proxy"], body, seconds=1)
    mine: list[Window] = []
    theirs: list[Window] = []
    for _ in range(rounds):
        theirs.append(window(ports["nginx"], pids["nginx"], reference, seconds=seconds, events=work.events))
        mine.append(window(ports["proxy"], pids["proxy"], body, seconds=seconds, events=work.events))
    return Figure(
        proxy_us=statistics.median(each.us for each in mine),
        nginx_us=statistics.median(each.us for each in theirs),
        ratio=statistics.median(a.us / b.us for a, b in zip(mine, theirs, strict=True)),
        proxy_rps=statistics.median(each.rps for each in mine),
        nginx_rps=statistics.median(each.rps for each in theirs),
    )


def check(port: int) -> None:
    """One request of each kind, looked at: a wrong answer is not measured."""
    for work in rig.WORKS:
        status, body = rig.ask(port, rig.body_for(work, work.model).read_bytes())
        if status != 200:
            raise RuntimeError(f"{work.name}: status {status}: {body[:500]!r}")
        if work.events:
            lines = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
            chunks = [json.loads(line) for line in lines if line != "[DONE]"]
            text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
            if lines[-1] != "[DONE]" or not text.startswith(" the pilot") or not chunks[-1].get("usage"):
                raise RuntimeError(f"{work.name}: not the stream that was asked for: {body[-500:]!r}")
        elif not json.loads(body)["choices"][0]["message"]["content"].startswith("the pilot"):
            raise RuntimeError(f"{work.name}: not the answer that was asked for: {body[:500]!r}")


def start_times(port: int, control: ControlServer, *, times: int) -> float:
    """Median seconds from exec to the first answer, with no earlier state."""
    chat = rig.body_for(rig.WORKS[0], "gpt").read_bytes()
    took = []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as state:
            process = rig.start_proxy(port, control, Path(state))
            try:
                took.append(rig.until_answer(port, chat, process))
            finally:
                process.stop()
    return statistics.median(took)


def added_latency(ports: dict[str, int], mock_port: int, *, rounds: int, seconds: float) -> dict[str, float]:
    """Milliseconds that a modest rate's median and 99th percentile gain over the upstream alone."""
    body = rig.body_for(rig.WORKS[0], "gpt")
    taken: dict[str, list[dict[str, float]]] = {"direct": [], "nginx": [], "proxy": []}
    for _ in range(rounds):
        for name, port in (("direct", mock_port), *ports.items()):
            taken[name].append(rig.load(port, body, seconds=seconds, rate=200, connections=16))
    medians = {
        (name, at): statistics.median(each[at] for each in windows)
        for name, windows in taken.items()
        for at in ("p50", "p99")
    }
    return {
        f"{name}_{at}_ms": round((medians[name, at] - medians["direct", at]) / 1000, 2)
        for name in ports
        for at in ("p50", "p99")
    }


def run() -> None:
    """`python -m tests.load.bench`: a table, then one line of JSON."""
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each window")
    parser.add_argument("--only", help="one kind of work, for profiling: no JSON line")
    options = parser.parse_args()
    rig.build()
    mock_port, ports = free_port(), {"nginx": free_port(), "proxy": free_port()}
    chat = rig.body_for(rig.WORKS[0], "gpt").read_bytes()
    with (
        rig.mock(mock_port, seconds=1800),
        rig.nginx(ports["nginx"], mock_port) as nginx,
        ControlServer(rig.configuration(mock_port)) as control,
        tempfile.TemporaryDirectory() as state,
    ):
        rig.until_answer(ports["nginx"], chat, nginx)
        start_s = start_times(ports["proxy"], control, times=5)
        proxy = rig.start_proxy(ports["proxy"], control, Path(state))
        try:
            rig.until_answer(ports["proxy"], chat, proxy)
            time.sleep(1)
            idle_mib = processes.rss_mib(proxy.pid)
            check(ports["proxy"])
            pids = {"nginx": processes.children(nginx.pid)[0], "proxy": proxy.pid}
            works = [work for work in rig.WORKS if options.only in (None, work.name)]
            figures = {
                work.name: compare(work, ports, pids, rounds=options.rounds, seconds=options.seconds) for work in works
            }
            if options.only is None:
                latency = added_latency(ports, mock_port, rounds=options.rounds, seconds=options.seconds)
            loaded_mib = processes.rss_mib(proxy.pid)
        finally:
            proxy.stop()
    print(f"{'work':14} {'proxy µs':>9} {'nginx µs':>9} {'ratio':>6} {'proxy rps':>10} {'nginx rps':>10}")
    for name, each in figures.items():
        print(
            f"{name:14} {each.proxy_us:9.1f} {each.nginx_us:9.1f} {each.ratio:6.2f}"
            f" {each.proxy_rps:10.0f} {each.nginx_rps:10.0f}"
        )
    print(
        f"RSS idle {idle_mib:.1f} MiB, after load {loaded_mib:.1f} MiB; start to first answer {start_s * 1000:.0f} ms"
    )
    if options.only is not None:
        return
    print("added at 200 requests a second:", ", ".join(f"{name} {value}" for name, value in latency.items()))
    print(json.dumps(summary(figures, idle_mib=idle_mib, start_s=start_s)))


def summary(figures: dict[str, Figure], *, idle_mib: float, start_s: float) -> dict[str, float]:
    """The figures that budgets are held against."""
    chat, event = figures["chat"], figures["sse_paced"]
    return {
        "ratio_chat": round(chat.ratio, 2),
        "ratio_chat_100k": round(figures["chat_100k"].ratio, 2),
        "ratio_sse_event": round(event.ratio, 2),
        "ratio_bedrock": round(figures["bedrock"].ratio, 2),
        "ratio_bedrock_event": round(figures["bedrock_paced"].ratio, 2),
        "json_us": round(chat.proxy_us, 1),
        "sse_event_us": round(event.proxy_us, 1),
        "converse_us": round(figures["bedrock"].proxy_us, 1),
        "nginx_json_us": round(chat.nginx_us, 1),
        "nginx_sse_event_us": round(event.nginx_us, 1),
        "rss_idle_mib": round(idle_mib, 1),
        "start_ms": round(start_s * 1000),
    }
