from typing import Any

import pytest

from pilothouse_operator.compile.world import Kind
from pilothouse_operator.kube import resources
from pilothouse_operator.kube.errors import Forbidden, NotFound, Unavailable
from pilothouse_operator.observe import Metrics
from pilothouse_operator.sources.collection import Collection
from pilothouse_operator.sources.ledger import Move
from pilothouse_operator.sources.watch import WatchScope
from tests.unit.operator.fakes import FakeApi, Hands

ROUTES = resources.of(Kind.ROUTE)
CRD = "modelroutes.pilothouse.dev"


class Kept:
    """One kind, as the API has it and as it is known."""

    def __init__(self, scope: WatchScope) -> None:
        self.api = FakeApi()
        self.clock = Hands()
        self.metrics = Metrics()
        self.install()
        self.collection = Collection(
            Kind.ROUTE,
            api=self.api,  # type: ignore[arg-type]
            scope=scope,
            clock=self.clock,
            metrics=self.metrics,
        )

    def install(self) -> None:
        """The CRD, another each time."""
        self.api.objects.pop((resources.CRDS, "", CRD), None)
        self.api.put(resources.CRDS, "", CRD)

    def uninstall(self) -> None:
        self.api.remove(resources.CRDS, "", CRD)
        self.api.faults[ROUTES] = NotFound("the server could not find the requested resource")
        for kind, namespace, name in list(self.api.objects):
            if kind == ROUTES:
                self.api.remove(kind, namespace, name)

    def put(self, name: str, namespace: str = "ns", **metadata: Any) -> dict[str, Any]:
        return self.api.put(ROUTES, namespace, name, spec={"models": [name]}, metadata={"generation": 1, **metadata})

    def names(self) -> set[str]:
        return {key.name for key in self.collection.resources()}

    def held(self) -> float | None:
        return self.metrics.registry.get_sample_value("pilothouse_operator_source_held", {"kind": "ModelRoute"})


@pytest.fixture
def kept() -> Kept:
    return Kept(WatchScope())


async def test_a_first_list_is_a_complete_view(kept: Kept) -> None:
    kept.put("a")
    assert (kept.collection.listed, kept.collection.served) == (False, False)
    assert await kept.collection.list() is Move.CONTENT
    assert (kept.collection.listed, kept.collection.served, kept.collection.fault) == (True, True, "")
    assert kept.names() == {"a"}
    (found,) = kept.collection.resources().values()
    assert (found.spec, found.generation, found.problem) == ({"models": ["a"]}, 1, None)


async def test_an_empty_first_list_is_a_view_too(kept: Kept) -> None:
    assert await kept.collection.list() is Move.CONTENT
    assert kept.collection.listed


async def test_a_resource_without_a_spec_is_kept_with_a_problem(kept: Kept) -> None:
    kept.api.put(ROUTES, "ns", "a")
    await kept.collection.list()
    (found,) = kept.collection.resources().values()
    assert found.problem is not None


async def test_events_are_seen_at_once(kept: Kept) -> None:
    await kept.collection.list()
    assert kept.collection.see({"type": "ADDED", "object": kept.put("a")}) is Move.CONTENT
    assert kept.names() == {"a"}


async def test_a_deletion_counts_once_its_crd_is_known_to_stand(kept: Kept) -> None:
    made = kept.put("a")
    await kept.collection.list()
    kept.api.remove(ROUTES, "ns", "a")
    gone = made | {"metadata": made["metadata"] | {"resourceVersion": "50"}}
    assert kept.collection.see({"type": "DELETED", "object": gone}) is Move.NOTHING
    assert (kept.names(), kept.collection.doubtful) == ({"a"}, True)
    assert await kept.collection.confirm() is Move.CONTENT
    assert (kept.names(), kept.collection.doubtful) == (set(), False)


async def test_a_deletion_that_the_crd_brought_does_not_count(kept: Kept) -> None:
    made = kept.put("a")
    await kept.collection.list()
    kept.uninstall()
    kept.collection.see({"type": "DELETED", "object": made})
    assert await kept.collection.confirm() is None
    await kept.collection.list()
    assert kept.names() == {"a"}
    assert kept.held() == 1
    assert "what it last held stays in force" in kept.collection.fault


async def test_while_the_api_server_is_away_deletions_wait_for_a_list(kept: Kept) -> None:
    made = kept.put("a")
    await kept.collection.list()
    kept.collection.see({"type": "DELETED", "object": made})
    kept.api.faults[resources.CRDS] = Unavailable("away")
    assert await kept.collection.confirm() is None
    assert kept.names() == {"a"}


async def test_a_crd_that_comes_back_is_refilled(kept: Kept) -> None:
    for name in ("a", "b"):
        kept.put(name)
    await kept.collection.list()
    kept.uninstall()
    await kept.collection.list()
    del kept.api.faults[ROUTES]
    kept.install()
    await kept.collection.list()
    assert kept.names() == {"a", "b"}
    kept.put("a", generation=7)
    await kept.collection.list()
    assert kept.names() == {"a", "b"}
    kept.clock.now += 31
    assert await kept.collection.list() is Move.CONTENT
    assert kept.names() == {"a"}
    assert (kept.held(), kept.collection.fault) == (0, "")


async def test_without_the_right_to_read_crds_discovery_is_asked(kept: Kept) -> None:
    made = kept.put("a")
    kept.api.faults[resources.CRDS] = Forbidden("no")
    verbs = ["delete", "get", "list", "watch"]
    discovery = {"resources": [{"name": "modelroutes", "verbs": [*verbs, "create"]}]}
    kept.api.documents["/apis/pilothouse.dev/v1alpha1"] = discovery
    await kept.collection.list()
    assert kept.collection.listed
    discovery["resources"][0]["verbs"] = verbs
    kept.collection.see({"type": "DELETED", "object": made})
    assert await kept.collection.confirm() is None
    assert kept.names() == {"a"}


async def test_a_missing_crd_is_named(kept: Kept) -> None:
    kept.uninstall()
    await kept.collection.list()
    assert not kept.collection.listed
    assert kept.collection.fault == (
        "the CRD modelroutes.pilothouse.dev is not installed: install the CRDs of the chart"
    )


async def test_a_missing_right_is_named(kept: Kept) -> None:
    kept.api.faults[ROUTES] = Forbidden("User poor cannot list")
    await kept.collection.list()
    assert not kept.collection.listed
    assert "the right to list and watch them is missing: User poor cannot list" in kept.collection.fault


async def test_an_outage_leaves_what_is_known(kept: Kept) -> None:
    kept.put("a")
    await kept.collection.list()
    kept.api.faults[ROUTES] = Unavailable("away")
    assert await kept.collection.list() is Move.NOTHING
    assert (kept.names(), kept.collection.served) == ({"a"}, True)
    assert "away" in kept.collection.fault


async def test_only_the_named_namespaces_are_listed() -> None:
    kept = Kept(WatchScope(namespaces=("a", "b")))
    for namespace in ("a", "b", "c"):
        kept.put(f"in-{namespace}", namespace)
    await kept.collection.list()
    assert kept.names() == {"in-a", "in-b"}
    elsewhere = kept.put("stray", "c")
    assert kept.collection.see({"type": "ADDED", "object": elsewhere}) is Move.NOTHING


async def test_the_newest_version_is_that_of_lists_and_events(kept: Kept) -> None:
    await kept.collection.list()
    listed = kept.collection.newest
    made = kept.put("a")
    kept.collection.see({"type": "ADDED", "object": made})
    assert kept.collection.newest == int(made["metadata"]["resourceVersion"]) > listed
