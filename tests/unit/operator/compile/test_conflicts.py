"""Settling is compared with what a proxy sees for every caller: the two must agree on who loses what."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.conditions import Reason
from pilothouse_api.names import RouteKey
from pilothouse_api.snapshot.routes import Route
from pilothouse_operator.compile.conflicts import Settled, settle
from pilothouse_operator.compile.routes import Lowered
from pilothouse_operator.compile.world import Kind, Resource, ResourceKey
from pilothouse_proxy.routing.table import Table

NAMESPACES = ("a", "a-b", "c", "d")
NAMES = ("x", "y", "x*")


def lowered(
    namespace: str, name: str, models: tuple[str, ...], *, created: int, access: tuple[str, ...] | None
) -> Lowered:
    key = ResourceKey(Kind.ROUTE, namespace, name)
    stamp = f"2026-01-0{created}T00:00:00Z"
    resource = Resource(key=key, uid=str(key), resource_version="1", generation=1, created=stamp, spec={})
    further = access if access is None else tuple(sorted({*access} - {namespace}))
    route = Route(models=models, created=stamp, generation=1, access=further)
    return Lowered(key=RouteKey(f"{namespace}/{name}"), resource=resource, route=route, problems=(), declared=1)


routes = st.lists(
    st.builds(
        lowered,
        st.sampled_from(NAMESPACES),
        st.sampled_from(("r1", "r2", "r3")),
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True).map(tuple),
        created=st.integers(1, 3),
        access=st.none() | st.lists(st.sampled_from(NAMESPACES), max_size=3).map(tuple),
    ),
    max_size=7,
    unique_by=lambda route: route.key,
)


def shared_claimants(settled: Settled, caller: str, model: str) -> list[Lowered]:
    """The routes among which a proxy chooses by age for this caller, once its own namespace has none."""
    return [
        route
        for route in settled.serving.values()
        if model in route.route.models
        and route.namespace != caller
        and (route.route.access is None or caller in route.route.access)
    ]


@given(routes)
def test_within_a_namespace_no_two_serving_routes_claim_one_name(found: list[Lowered]) -> None:
    settled = settle(found)
    claimed = [(route.namespace, name) for route in settled.serving.values() for name in route.route.models]
    assert len(claimed) == len(set(claimed))


@given(routes)
def test_what_is_left_out_says_so_and_names_an_older_route_of_its_namespace(found: list[Lowered]) -> None:
    settled = settle(found)
    for route in found:
        if route.key not in settled.serving:
            winners = [
                winner
                for winner in settled.serving.values()
                if winner.namespace == route.namespace and winner.age < route.age
            ]
            assert any(str(winner.key) in settled.problems[route.key].message for winner in winners)


@given(routes)
def test_a_serving_route_is_conflicted_exactly_when_it_loses_a_name_in_some_third_namespace(
    found: list[Lowered],
) -> None:
    settled = settle(found)
    # "elsewhere" stands for the namespaces that nobody has named: routes that are open to all are open there, too.
    losers = {
        loser.key
        for caller in (*NAMESPACES, "elsewhere")
        for model in NAMES
        for loser in sorted(shared_claimants(settled, caller, model), key=lambda route: route.age)[1:]
    }
    assert {key for key in settled.problems if key in settled.serving} == losers


@given(routes)
def test_the_proxies_let_the_same_route_win(found: list[Lowered]) -> None:
    settled = settle(found)
    table = Table({key: lowered.route for key, lowered in settled.serving.items()})
    for caller in (*NAMESPACES, "elsewhere"):
        for pattern in NAMES:
            match = table.find(namespace=caller, name=pattern.replace("*", "-something"))
            shared = shared_claimants(settled, caller, pattern)
            if match is not None and match.pattern == pattern and not match.route.startswith(f"{caller}/"):
                assert match.route == min(shared, key=lambda route: route.age).key


@given(routes)
def test_every_problem_is_a_conflict_with_a_field(found: list[Lowered]) -> None:
    for key, problem in settle(found).problems.items():
        route = next(route for route in found if route.key == key)
        assert problem.reason is Reason.CONFLICTED
        assert problem.field in {f"spec.models[{index}]" for index in range(len(route.route.models))}


@given(routes)
def test_a_loser_learns_no_name_of_another_namespace(found: list[Lowered]) -> None:
    settled = settle(found)
    for key, problem in settled.problems.items():
        strangers = {route.key for route in found if not route.key.startswith(key.partition("/")[0] + "/")}
        assert not any(stranger in problem.message for stranger in strangers)


@given(routes, st.randoms())
def test_the_order_in_which_routes_come_decides_nothing(found: list[Lowered], random: Random) -> None:
    turned = list(found)
    random.shuffle(turned)
    assert settle(turned) == settle(found)
