"""`make bench-proxy`: the proxy beside nginx in one run."""

import argparse
import json

from tests.integration.proxy.control import ControlServer
from tests.load.bench import pilothouse, report, rig
from tests.load.bench.configuration import configuration
from tests.load.bench.measure import Measured, Plan, measure
from tests.load.bench.works import WORKS


def run() -> None:
    """`python -m tests.load.bench`: tables, then one line of JSON."""
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--rounds", type=int, default=Plan.rounds)
    parser.add_argument(
        "--seconds", type=float, default=Plan.seconds, help="of each window; paced streams take twice that"
    )
    parser.add_argument("--only", choices=[work.name for work in WORKS], help="one kind of work: no line of JSON")
    options = parser.parse_args()
    plan = Plan(
        works=tuple(work for work in WORKS if options.only in (None, work.name)),
        rounds=options.rounds,
        seconds=options.seconds,
        paced_seconds=2 * options.seconds,
    )
    rig.build()
    with (
        rig.upstream(seconds=1800) as upstream_port,
        ControlServer(configuration(upstream_port)) as control,
    ):
        gateways = [rig.nginx(upstream_port), pilothouse.gateway(control)]
        (nginx, proxy), alone = measure(gateways, upstream_port=upstream_port, plan=plan)
    for line in report.table([nginx, proxy], alone, plan):
        print(line)
    print(f"proxy: {proxy.gateway.about}")
    if options.only is None:
        print(json.dumps(summary(proxy, nginx)))


def summary(proxy: Measured, nginx: Measured) -> dict[str, float | None]:
    """The figures that budgets are held against."""
    mine, theirs = proxy.figures, nginx.figures
    return {
        **report.ratios(proxy),
        "json_us": round(mine["chat"].us, 1),
        "sse_event_us": round(mine["sse_paced"].us, 1),
        "converse_us": round(mine["bedrock"].us, 1),
        "nginx_json_us": round(theirs["chat"].us, 1),
        "nginx_sse_event_us": round(theirs["sse_paced"].us, 1),
        **report.footprint(proxy),
    }
