"""`python -m tests.simulators`: start the simulators and serve until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.simulators import workers
from tests.simulators.fleet import Simulators


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulators", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--bedrock-port", type=int, default=9101)
    parser.add_argument("--azure-port", type=int, default=9102, help="Azure OpenAI, and plain OpenAI under /v1")
    parser.add_argument("--admin-port", type=int, default=9100)
    parser.add_argument("--port", type=int, choices=[0], help="0: free ports for all three")
    parser.add_argument("--region", default="us-east-1", help="the region that Bedrock is in")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the two service ports")
    parser.add_argument("--everything", action="store_true", help="STS, Entra and all secret stores too, on free ports")
    parser.add_argument("--share-ports", action="store_true", help="let other processes listen on the same ports")
    chosen = parser.parse_args(argv)
    if chosen.everything and chosen.workers > 1:
        parser.error("--everything is one process: what is issued is known in it alone")
    if chosen.port == 0:
        chosen.bedrock_port = chosen.azure_port = chosen.admin_port = 0
    return chosen


async def _until_signal() -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()


async def _serve(chosen: argparse.Namespace) -> None:
    simulators = Simulators(
        host=chosen.host,
        bedrock_port=chosen.bedrock_port,
        azure_port=chosen.azure_port,
        admin_port=chosen.admin_port,
        region=chosen.region,
        reuse_port=chosen.share_ports,
    )
    if chosen.everything:
        await _serve_everything(simulators)
        return
    async with simulators:
        print(json.dumps(simulators.addresses()), flush=True)
        await _until_signal()


async def _serve_everything(simulators: Simulators) -> None:
    # moto and all of the estate's SDKs are not for who wants models alone.
    from tests.simulators.estate.admin import EstateAdmin
    from tests.simulators.estate.fleet import Estate

    with tempfile.TemporaryDirectory(prefix="pilothouse-simulators-") as folder:
        estate = Estate(simulators, Path(folder))
        simulators.admin = EstateAdmin(estate, simulators.admin)
        async with simulators, estate:
            print(json.dumps(estate.addresses()), flush=True)
            await _until_signal()


async def _serve_many(chosen: argparse.Namespace) -> None:
    fleet = workers.Workers(
        number=chosen.workers,
        host=chosen.host,
        bedrock_port=chosen.bedrock_port,
        azure_port=chosen.azure_port,
        region=chosen.region,
    )
    addresses = await fleet.start()
    try:
        admin = await fleet.serve_admin(chosen.admin_port)
        addresses["admin"] = f"http://{chosen.host}:{admin.sockets[0].getsockname()[1]}"
        print(json.dumps(addresses), flush=True)
        await _until_signal()
    finally:
        await fleet.stop()


def main() -> int:
    chosen = _arguments(sys.argv[1:])
    try:
        uvloop.run(_serve_many(chosen) if chosen.workers > 1 else _serve(chosen))
    except OSError as exc:
        print(f"the simulators cannot listen: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
