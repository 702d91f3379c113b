"""The proxies of several replicas as one picture."""

from pilothouse_api.names import GATEWAY_SCOPE, RouteKey, SnapshotVersion
from pilothouse_api.snapshot.routes import Route
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from pilothouse_operator.compile.world import Kind, ResourceKey
from pilothouse_operator.distribution.fleet import FleetView, ProxyView, rollouts
from pilothouse_operator.distribution.history import ScopeHistory
from pilothouse_operator.ports import Rollout

CHAT = ResourceKey(Kind.ROUTE, "default", "chat")
OLD, NEW = SnapshotVersion("sha256:old"), SnapshotVersion("sha256:new")


def history() -> ScopeHistory:
    made = ScopeHistory(GATEWAY_SCOPE)
    for generation, version in ((1, OLD), (2, NEW)):
        route = Route(models=("chat",), created="", generation=generation)
        made.record(version, Snapshot(schema=SCHEMA, scope=GATEWAY_SCOPE, routes={RouteKey("default/chat"): route}))
    return made


def view(replica: str, **proxies: ProxyView) -> FleetView:
    return FleetView(replica=replica, revision="1", scopes={GATEWAY_SCOPE: proxies})


def count(*views: FleetView, unreachable: tuple[str, ...] = ()) -> Rollout:
    return rollouts(histories={GATEWAY_SCOPE: history()}, views=views, unreachable=unreachable)[CHAT]


def test_proxies_of_all_replicas_are_counted() -> None:
    one = view("r0", a=ProxyView(pod="a", connected=True, applied=NEW))
    two = view("r1", b=ProxyView(pod="b", connected=True, applied=OLD))
    assert count(one, two) == Rollout(applied=1, total=2, laggards=("b",))


def test_an_ack_that_came_to_another_replica_than_the_stream_counts() -> None:
    stream = view("r0", a=ProxyView(pod="a", connected=True))
    ack = view("r1", a=ProxyView(pod="a", applied=NEW))
    assert count(stream, ack) == Rollout(applied=1, total=1)


def test_a_stale_rejection_beside_a_later_ack_does_not_count() -> None:
    stream = view("r0", a=ProxyView(pod="a", connected=True, applied=NEW))
    rejection = view("r1", a=ProxyView(pod="a", rejected=NEW, path="routes.default/chat", reason="bad"))
    assert count(stream, rejection).rejection is None


def test_the_first_rejection_by_pod_is_told_whatever_the_order_of_replicas() -> None:
    one = view("r0", b=ProxyView(pod="b", connected=True, rejected=NEW, path="routes.default/chat", reason="second"))
    two = view("r1", a=ProxyView(pod="a", connected=True, rejected=NEW, path="routes.default/chat", reason="first"))
    for views in ((one, two), (two, one)):
        rejection = count(*views).rejection
        assert rejection is not None
        assert (rejection.reason, rejection.proxies) == ("first", 2)


def test_laggards_are_at_most_five() -> None:
    proxies = {f"p{n}": ProxyView(pod=f"p{n}", connected=True) for n in range(9)}
    assert count(view("r0", **proxies)).laggards == ("p0", "p1", "p2", "p3", "p4")


def test_replicas_that_do_not_answer_are_named() -> None:
    assert count(unreachable=("r1",)).unreachable == ("r1",)
