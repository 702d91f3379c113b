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
HUNDREDS = 4
GROWTH_KIB = 1_024
"""In a hundred: ten of each, where all of one would be 170, and the TLS of its acknowledgement 50."""


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
    stand.control.wait_for_ack(version)


def answered(stand: Stand, running: Load, more: int) -> None:
    """So many more requests have been answered."""
    begun = len(running.results)
    stand.process.until(lambda: len(running.results) >= begun + more, "no request is answered")


def test_no_request_fails_while_configurations_change_one_by_one(stand: Stand, changes: Iterator[Snapshot]) -> None:
    with load(stand.process.port, callers=20) as running:
        for _ in range(15):
            applied(stand, publish(stand, changes))
            answered(stand, running, 20)
    assert not running.failures
    assert len(running.results) >= 300


def in_quick_succession(stand: Stand, changes: Iterator[Snapshot], running: Load, *, count: int) -> None:
    """None waits for the one before."""
    for _ in range(count):
        version = publish(stand, changes)
    applied(stand, version)
    answered(stand, running, 100)


def one_by_one(stand: Stand, changes: Iterator[Snapshot], *, count: int) -> None:
    """Each acknowledged, over a connection of its own."""
    for _ in range(count):
        applied(stand, publish(stand, changes))


def test_no_request_fails_while_a_hundred_come_in_quick_succession(stand: Stand, changes: Iterator[Snapshot]) -> None:
    with load(stand.process.port, callers=20) as running:
        in_quick_succession(stand, changes, running, count=100)
    assert not running.failures


def test_configurations_that_have_gone_leave_nothing_behind(stand: Stand, changes: Iterator[Snapshot]) -> None:
    """What stays of each shows in every hundred; what the allocator keeps at hand, and where, only in some."""
    with load(stand.process.port, callers=20) as running:
        sizes_kib = [stand.settled_kib()]
        for _ in range(HUNDREDS):
            in_quick_succession(stand, changes, running, count=50)
            one_by_one(stand, changes, count=50)
            sizes_kib.append(stand.settled_kib())
    least_kib = min(after - before for before, after in itertools.pairwise(sizes_kib))
    assert least_kib < GROWTH_KIB, sizes_kib


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
