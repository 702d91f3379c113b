"""Pytest fixtures: `simulators`, started in a thread with a loop of its own, so that blocking SDKs can call them.

Import into a `conftest.py`: `from tests.simulators.fixtures import simulators, simulator_process`.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from tests.simulators.fleet import Simulators

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def simulators_thread() -> Iterator[Simulators]:
    """One set for the session. Use `simulators`, which resets it."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simulators", daemon=True)
    thread.start()
    fleet = Simulators()
    asyncio.run_coroutine_threadsafe(fleet.start(), loop).result(timeout=10)
    yield fleet
    asyncio.run_coroutine_threadsafe(fleet.stop(), loop).result(timeout=10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(timeout=10)
    loop.close()


@pytest.fixture
def simulators(simulators_thread: Simulators) -> Simulators:
    """The session's simulators, as freshly started."""
    simulators_thread.controls.reset()
    return simulators_thread


@pytest.fixture
def simulator_process() -> Iterator[dict[str, str]]:
    """`python -m tests.simulators --port 0` in a process of its own; its addresses by name."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.simulators", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()
