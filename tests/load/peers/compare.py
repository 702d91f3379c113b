"""`make bench-peers`: other gateways beside nginx and Pilothouse in one run."""

import argparse
import json
import os
import sys

from tests.integration.proxy.control import ControlServer
from tests.load.bench import pilothouse, report, rig
from tests.load.bench.configuration import configuration
from tests.load.bench.measure import Plan, measure
from tests.load.bench.rig import Gateway
from tests.load.bench.works import WORKS
from tests.load.peers import agentgateway
from tests.load.peers.litellm import gateway as litellm
from tests.load.peers.portkey import gateway as portkey


def peers(upstream_port: int) -> list[Gateway]:
    """Those that are there."""
    found = [litellm.gateway(upstream_port), portkey.gateway(upstream_port)]
    if binary := os.environ.get("AGENTGATEWAY"):
        found.append(agentgateway.gateway(os.path.abspath(binary), upstream_port))
    else:
        print("agentgateway is left out: set AGENTGATEWAY=/path/to/it", file=sys.stderr)
    return found


def run() -> None:
    """`python -m tests.load.peers`: tables, then one line of JSON."""
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--seconds", type=float, default=Plan.seconds, help="of each window; paced streams take twice that"
    )
    options = parser.parse_args()
    plan = Plan(
        works=WORKS, rounds=options.rounds, seconds=options.seconds, paced_seconds=2 * options.seconds, starts=3
    )
    rig.build()
    with (
        rig.upstream(seconds=3600) as upstream_port,
        ControlServer(configuration(upstream_port)) as control,
    ):
        gateways = [rig.nginx(upstream_port), pilothouse.gateway(control), *peers(upstream_port)]
        all_measured, alone = measure(gateways, upstream_port=upstream_port, plan=plan)
    for line in report.table(all_measured, alone, plan):
        print(line)
    figures = {each.gateway.name: {**report.ratios(each), **report.footprint(each)} for each in all_measured[1:]}
    print(json.dumps({"peers": figures}))
