"""How long from `apply` to live in every proxy, and whether a single request fails on the way.

Against a real API server: requests flow at a steady rate while weights change, a Secret is rotated, the operator is
killed and a proxy restarted meanwhile. "Live" is when the last proxy says in its log that it runs the configuration.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.cluster import manifests
from tests.cluster.conftest import install_crds
from tests.cluster.controlplane.plane import ControlPlane
from tests.cluster.fleet import Fleet, Running, simulated_clouds, until
from tests.cluster.traffic import Traffic
from tests.simulators import credentials

NAMESPACE = "bench"


def applied(proxy: Running) -> list[tuple[float, str]]:
    """(Unix seconds, version) of each configuration that a proxy took up, from its log."""
    return list(_applied(proxy))


def _applied(proxy: Running) -> Iterator[tuple[float, str]]:
    for line in proxy.log.read_text(errors="replace").splitlines():
        if '"configuration applied"' not in line:
            continue
        entry: dict[str, Any] = json.loads(line)
        yield datetime.fromisoformat(entry["time"]).timestamp(), entry["version"]


def until_live(proxies: list[Running], before: dict[str, int], since: float) -> float:
    """Seconds from `since` until the last proxy has taken up one configuration more than `before`."""

    def live() -> list[float] | None:
        times = [applied(proxy)[before[proxy.name] :] for proxy in proxies]
        return [each[0][0] for each in times] if all(times) else None

    return float(max(until("every proxy runs the change", live, seconds=20))) - since


def say(text: str) -> None:
    """Progress, beside the result."""
    print(text, file=sys.stderr, flush=True)


def change_weights(fleet: Fleet, times: int) -> list[float]:
    """Seconds to live of each of some changes, one after the other."""
    took = []
    for turn in range(times):
        before = {proxy.name: len(applied(proxy)) for proxy in fleet.proxies}
        patch = manifests.weights_patch(10 + turn % 80, 90 - turn % 80)
        started = time.time()
        fleet.plane.kubectl(
            "patch", "modelroute", "chat", f"--namespace={NAMESPACE}", "--type=json", f"--patch={patch}"
        )
        took.append(until_live(fleet.proxies, before, started))
    return took


def rotate(fleet: Fleet) -> float:
    """Seconds until a new key of Azure is live everywhere."""
    before = {proxy.name: len(applied(proxy)) for proxy in fleet.proxies}
    started = time.time()
    fleet.apply(manifests.azure_secret(credentials.AZURE_API_KEY_2))
    return until_live(fleet.proxies, before, started)


def kill_the_operator(fleet: Fleet, traffic: Traffic) -> None:
    """kill -9, a proxy restarts while it is down, a change waits for it, all goes on."""
    operator, proxy = fleet.operators[0], fleet.proxies[0]
    operator.kill()
    traffic.avoid(proxy.port)
    proxy.stop()
    proxy.start()
    proxy.until_ready()
    traffic.resume(proxy.port)
    operator.start()
    operator.until_ready()


def break_a_manifest(fleet: Fleet) -> None:
    """One that the schema refuses, one that gets a condition: neither may touch what serves."""
    try:
        fleet.apply(manifests.route("broken", {("bedrock", "claude"): -1}))
    except AssertionError as refused:
        if "spec.targets[0].weight" not in str(refused):
            raise
    else:
        raise AssertionError("a negative weight was accepted")
    fleet.apply(manifests.route("lost", {("no-such-provider", "x"): 1}))
    until("a condition", lambda: fleet.condition("modelroute", "lost", "ResolvedRefs").get("status") == "False")


def run() -> None:
    """`python -m tests.load.reconfigure`: progress, then one line of JSON."""
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--proxies", type=int, default=10)
    parser.add_argument("--changes", type=int, default=50)
    parser.add_argument("--rate", type=float, default=200, help="requests a second in all")
    options = parser.parse_args()
    with ControlPlane() as plane, simulated_clouds() as clouds:
        install_crds(plane)
        plane.kubectl("create", "namespace", NAMESPACE)
        fleet = Fleet(plane, NAMESPACE)
        try:
            fleet.install()
            fleet.apply(*manifests.both_clouds(clouds))
            operator = fleet.start_operator()
            operator.until_ready()
            for number in range(options.proxies):
                fleet.start_gateway(f"gateway-{number}", operator=operator)
            for proxy in fleet.proxies:
                proxy.until_ready(seconds=120)
            with Traffic([proxy.port for proxy in fleet.proxies], rate=options.rate) as traffic:
                time.sleep(2)
                took = change_weights(fleet, options.changes)
                say(f"{len(took)} changes of weights: median {statistics.median(took) * 1000:.0f} ms")
                say(f"a rotated Secret: {rotate(fleet) * 1000:.0f} ms")
                kill_the_operator(fleet, traffic)
                say("the operator was killed and a proxy restarted meanwhile")
                break_a_manifest(fleet)
                took += change_weights(fleet, 5)
            for failure, count in traffic.tally.failures.items():
                say(f"{count} × {failure}")
        finally:
            fleet.stop()
    print(json.dumps(summary(took, traffic, options.proxies)))


def summary(took: list[float], traffic: Traffic, proxies: int) -> dict[str, float]:
    """What the budget is held against; the 99th percentile is over all changes, each counted by its slowest proxy."""
    ordered = sorted(took)
    return {
        "apply_to_live_ms_p50": round(statistics.median(ordered) * 1000, 1),
        "apply_to_live_ms_p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000, 1),
        "requests": traffic.tally.requests,
        "failed": traffic.tally.failed,
        "proxies": proxies,
    }
