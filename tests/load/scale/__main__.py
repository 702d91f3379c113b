"""Ten thousand idle connections, a thousand streams at once, callers who leave and who take nothing.

`python -m tests.load.scale`. The last line is JSON; `failed` counts connections and streams that went wrong.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator

from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.faults import crowd
from tests.integration.proxy.faults.stand import Stand
from tests.integration.proxy.process import process
from tests.load.scale import measure

IDLE = 10_000
FLAGS = ("--access-log=off", "--max-connections=20000", "--max-connections-per-peer=0")
STREAMS, EVENTS, PAUSE_S = 1_000, 20, 0.25
READERS = 200
LEAVING = 50
SPARE_FILES = 500
"""Of the proxy and of this process, beside the connections."""


def run() -> None:
    """Each against a proxy of its own: what one has used and given back would hide what the next one takes."""
    connections = min(IDLE, measure.raise_limit() - SPARE_FILES)
    if connections < IDLE:
        print(f"the system allows {connections} connections only, not {IDLE}: raise its limit of open files")
    provider = subprocess.Popen([sys.executable, "-m", crowd.__name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert provider.stdin is not None and provider.stdout is not None
    try:
        figures = _measured(int(provider.stdout.readline()), connections)
    finally:
        provider.stdin.close()
        provider.wait()
    print(json.dumps(figures))
    raise SystemExit(1 if figures["failed"] else 0)


@contextlib.contextmanager
def _proxy() -> Iterator[Stand]:
    with ControlServer(None) as control, process(*control.flags, *FLAGS) as running:
        yield Stand(control, running)


def _measured(port: int, connections: int) -> dict[str, float]:
    with _proxy() as stand:
        left = measure.cancelled(stand, times=LEAVING)
    print(f"{LEAVING} callers left: cancelled after {left.median_ms:.1f} ms, {left.max_ms:.1f} ms at most", flush=True)
    with _proxy() as stand:
        idle = measure.idle(stand, port, connections=connections)
    a_connection = idle.rss_kib / idle.connections
    print(f"{idle.connections} idle connections: {a_connection:.2f} KiB each, {idle.failed} failed", flush=True)
    with _proxy() as stand:
        streams = measure.streams(stand, port, count=STREAMS, events=EVENTS, pause_s=PAUSE_S)
    print(
        f"{streams.streams} streams of {EVENTS} events, {PAUSE_S:g} s apart: {streams.seconds:.1f} s,"
        f" {streams.failed} failed",
        flush=True,
    )
    with _proxy() as stand:
        held_kib = measure.slow_readers(stand, port, readers=READERS)
    print(f"{READERS} readers who take nothing: {held_kib / READERS:.0f} KiB each", flush=True)
    return {
        "idle_connections": idle.connections,
        "rss_kib_a_connection": round(a_connection, 2),
        "streams": streams.streams,
        "events": streams.events,
        "failed": idle.failed + streams.failed,
        "slow_readers": READERS,
        "rss_kib_a_slow_reader": round(held_kib / READERS),
        "cancelled_ms_median": round(left.median_ms, 2),
        "cancelled_ms_max": round(left.max_ms, 2),
    }


run()
