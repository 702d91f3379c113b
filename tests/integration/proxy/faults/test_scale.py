"""Many connections and streams at once, as many as every machine allows; `make bench-scale` takes many more."""

from tests.integration.proxy.faults.crowd import Crowd
from tests.integration.proxy.faults.stand import Stand
from tests.load.scale import measure

IDLE = 400
IDLE_KIB = 16
STREAMS, EVENTS = 200, 20


def test_idle_connections_cost_little_and_are_served_again(stand: Stand, both: Crowd) -> None:
    idle = measure.idle(stand, both.port, connections=IDLE)
    assert idle.failed == 0
    assert idle.rss_kib < IDLE * IDLE_KIB


def test_streams_at_once_lose_no_event_and_keep_their_order(stand: Stand, both: Crowd) -> None:
    streams = measure.streams(stand, both.port, count=STREAMS, events=EVENTS, pause_s=0.05)
    assert (streams.failed, streams.events) == (0, STREAMS * EVENTS)


def test_callers_who_leave_one_after_the_other_are_all_seen_to_leave(stand: Stand) -> None:
    measure.cancelled(stand, times=20)
    stand.process.until(lambda: stand.metric("pilothouse_connections", 'direction="out"') == 0, "some are left over")
