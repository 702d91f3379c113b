from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.names import RouteKey
from pilothouse_api.snapshot.routes import Route
from pilothouse_proxy.routing.table import Table


def route(*models: str, created: str = "2026-01-01T00:00:00Z", access: tuple[str, ...] | None = ()) -> Route:
    return Route(models=models, created=created, generation=1, access=access)


def served(routes: dict[str, Route], namespace: str, name: str) -> str | None:
    found = Table({RouteKey(key): value for key, value in routes.items()}).find(namespace=namespace, name=name)
    return found.route if found is not None else None


def test_a_route_of_another_namespace_is_closed_unless_it_opens_itself() -> None:
    routes = {"a/r": route("m")}
    assert served(routes, "a", "m") == "a/r"
    assert served(routes, "b", "m") is None
    assert served({"a/r": route("m", access=("b",))}, "b", "m") == "a/r"
    assert served({"a/r": route("m", access=("c",))}, "b", "m") is None
    assert served({"a/r": route("m", access=None)}, "b", "m") == "a/r"


def test_the_own_namespace_wins_even_with_a_shorter_prefix() -> None:
    routes = {"a/r": route("*"), "b/r": route("m", access=None)}
    assert served(routes, "a", "m") == "a/r"
    assert served(routes, "c", "m") == "b/r"


def test_an_exact_name_beats_a_prefix_and_a_longer_prefix_a_shorter() -> None:
    routes = {"a/exact": route("gpt-4o"), "a/long": route("gpt-4*"), "a/short": route("gpt-*"), "a/all": route("*")}
    assert served(routes, "a", "gpt-4o") == "a/exact"
    assert served(routes, "a", "gpt-4.1") == "a/long"
    assert served(routes, "a", "gpt-5") == "a/short"
    assert served(routes, "a", "claude") == "a/all"


def test_a_prefix_also_matches_itself_and_nothing_shorter() -> None:
    routes = {"a/r": route("gpt-4*"), "a/s": route("g*")}
    assert served(routes, "a", "gpt-4") == "a/r"
    assert served(routes, "a", "gpt") == "a/s"
    assert served(routes, "a", "g") == "a/s"
    assert served(routes, "a", "h") is None


def test_of_two_equal_routes_the_older_serves_then_the_lower_key() -> None:
    routes = {
        "a/young": route("m", created="2026-02-01T00:00:00Z"),
        "a/old": route("m", created="2026-01-01T00:00:00Z"),
    }
    assert served(routes, "x", "m") is None
    assert served(routes, "a", "m") == "a/old"
    assert served({"a/y": route("m"), "a/x": route("m")}, "a", "m") == "a/x"


def test_public_routes_and_those_open_to_one_namespace_compete_on_equal_terms() -> None:
    routes = {"a/public": route("m*", access=None), "b/named": route("m", access=("c",))}
    assert served(routes, "c", "m") == "b/named"
    routes = {"a/public": route("m", access=None), "b/named": route("m*", access=("c",))}
    assert served(routes, "c", "m") == "a/public"


def test_visible_lists_each_pattern_once_with_the_route_that_serves_it() -> None:
    table = Table(
        {
            RouteKey("a/r"): route("m", "own"),
            RouteKey("b/r"): route("m", "shared", access=None),
            RouteKey("c/r"): route("hidden"),
        }
    )
    found = {match.pattern: match.route for match in table.visible(namespace="a")}
    assert found == {"m": "a/r", "own": "a/r", "shared": "b/r"}


names = st.text(alphabet="ab", min_size=1, max_size=4)
patterns = st.one_of(names, names.map(lambda name: name + "*"), st.just("*"))
keys = st.tuples(st.sampled_from("xyz"), st.sampled_from("pqr")).map("/".join)
some_routes = st.dictionaries(
    keys,
    st.builds(
        route,
        patterns,
        patterns,
        created=st.sampled_from(["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]),
        access=st.sampled_from([None, (), ("x",), ("y", "z")]),
    ),
)


def by_the_book(routes: dict[str, Route], namespace: str, name: str) -> str | None:
    """The rule as it is written, by looking at everything."""
    for step in (
        {key for key in routes if key.startswith(namespace + "/")},
        {
            key
            for key, value in routes.items()
            if not key.startswith(namespace + "/") and (value.access is None or namespace in value.access)
        },
    ):
        ranked = [
            (0 if pattern == name else 1, -len(pattern), routes[key].created, key)
            for key in step
            for pattern in routes[key].models
            if pattern == name or (pattern.endswith("*") and name.startswith(pattern[:-1]))
        ]
        if ranked:
            return min(ranked)[3]
    return None


@given(some_routes, st.sampled_from("xyzw"), names)
def test_the_index_finds_what_the_rule_says(routes: dict[str, Route], namespace: str, name: str) -> None:
    assert served(routes, namespace, name) == by_the_book(routes, namespace, name)
