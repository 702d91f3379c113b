"""`python -m tests.conformance`: the matrix, tried; `--write` and `--check` for docs/providers.md."""

import asyncio
import json
import sys
import threading
from pathlib import Path

import uvloop

from tests.conformance.cells import cells, declared
from tests.conformance.drive import attempt, configuration
from tests.conformance.page import page
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.process import process
from tests.simulators.fleet import Simulators

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"


def main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        PAGE.write_text(page())
        return 0
    if arguments == ["--check"]:
        if PAGE.exists() and PAGE.read_text() == page():
            return 0
        print("docs/providers.md is not what the code says: run `make docs`", file=sys.stderr)
        return 1
    return _run()


def _run() -> int:
    loop = uvloop.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    simulators = Simulators()
    asyncio.run_coroutine_threadsafe(simulators.start(), loop).result(timeout=10)
    failed = 0
    found = cells()
    with ControlServer(configuration(simulators)) as control, process(*control.flags) as proxy:
        proxy.event("configuration applied")
        for cell in found:
            try:
                attempt(cell, f"http://127.0.0.1:{proxy.port}")
            except (AssertionError, ValueError) as error:
                failed += 1
                print(f"FAIL {cell.name}: {error}")
            else:
                told = declared(cell)
                print(f"pass {cell.name}: {told.dialect or f'refused ({told.param})'}")
    asyncio.run_coroutine_threadsafe(simulators.stop(), loop).result(timeout=10)
    print(json.dumps({"cells": len(found), "pass": len(found) - failed, "fail": failed}))
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
