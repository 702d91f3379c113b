"""New configurations while callers are served: nobody notices, and nothing of the old ones stays."""

import itertools
from collections.abc import Iterator

import pytest

from pilothouse_api.names import SnapshotVersion
from pilothouse_api.snapshot.quotas import Resource
from pilothouse_api.snapshot.routes import Retry
from pilothouse_api.snapshot.snapshot import Snapshot
from tests.integration.proxy.configurations import limit, provider, quota, route, snapshot, target
from tests.integration.proxy.faults.crowd import Crowd, play, said
from tests.integration.proxy.faults.load import Load, load
from tests.integration.proxy.faults.stand import LONG, Stand
from tests.integration.proxy.faults.wire import calling

ROUTES = 50
"""Enough for a configuration that stayed to show."""
GROWTH_KIB = 6_144


def configurations(port: int) -> Iterator[Snapshot]:
    """Each changes something else: a weight, a limit, a retry, a connection to the provider."""
    for number in itertools.count(1):
        place = provider(f"http://127.0.0.1:{port}/v1", pool_size=300 + number % 3)
        served = route(
            target("a", weight=number), timeouts=LONG, retry=Retry(attempts=1 + number % 4), models=("chat",)
        )
        others = {f"other-{other}": route(target("a"), models=(f"model-{other}",)) for other in range(ROUTES)}
        yield snapshot(
            {"a": place}, {"r": served, **others}, quotas={"q": quota(limit(Resource.TOKENS, 10**9 + number))}
        )


@pytest.fixture
def changes(stand: Stand, both: Crowd) -> Iterator[Iterator[Snapshot]]:
    found = configurations(both.port)
    applied(stand, publish(stand, found))
    yield found


def publish(stand: Stand, changes: Iterator[Snapshot]) -> SnapshotVersion:
    return stand.control.publish(next(changes))


def applied(stand: Stand, version: SnapshotVersion) -> None:
    stand.control.wait_for_ack(version, timeout_s=30)


def answered(stand: Stand, running: Load, more: int) -> None:
    """So many more requests have been answered."""
    begun = len(running.results)
    stand.process.until(lambda: len(running.results) >= begun + more, "no request is answered", seconds=30)


def test_no_request_fails_while_configurations_change_one_by_one(stand: Stand, changes: Iterator[Snapshot]) -> None:
    with load(stand.process.port, callers=20) as running:
        for _ in range(15):
            applied(stand, publish(stand, changes))
            answered(stand, running, 20)
    assert not running.failures
    assert len(running.results) >= 300


def test_a_hundred_in_quick_succession_fail_no_request_and_leave_nothing_behind(
    stand: Stand, changes: Iterator[Snapshot]
) -> None:
    with load(stand.process.port, callers=20) as running:
        for _ in range(30):
            version = publish(stand, changes)
        applied(stand, version)
        answered(stand, running, 100)
        before = stand.settled_kib()
        for _ in range(100):
            version = publish(stand, changes)
        applied(stand, version)
        answered(stand, running, 100)
        grown = stand.settled_kib() - before
    assert not running.failures
    assert grown < GROWTH_KIB


def test_a_stream_under_way_ends_as_it_began(stand: Stand, both: Crowd, changes: Iterator[Snapshot]) -> None:
    with calling(stand.process.port) as caller:
        caller.ask(stream=True, play=play("long", events=200, pause_s=0.01))
        status, _ = caller.head()
        for _ in range(20):
            applied(stand, publish(stand, changes))
        body = caller.rest()
    assert (status, body.endswith(b"data: [DONE]\n\n")) == (200, True)
    at = [body.index(said("long", number).encode()) for number in range(200)]
    assert at == sorted(at)


def test_a_route_that_is_taken_away_takes_no_stream_with_it(
    stand: Stand, both: Crowd, changes: Iterator[Snapshot]
) -> None:
    with calling(stand.process.port) as caller:
        caller.ask(stream=True, play=play("kept", events=100, pause_s=0.01))
        caller.head()
        applied(stand, stand.control.publish(snapshot({}, {})))
        assert caller.rest().endswith(b"data: [DONE]\n\n")
        caller.ask()
        assert caller.answer().status == 404
