from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.resources.refs import Access
from pilothouse_operator.compile.access import granted, labelled, permits

WORLD = {"home": {}, "gold": {"tier": "gold"}, "silver": {"tier": "silver", "eu": ""}}
NAMESPACES = labelled(WORLD)


def selecting(*, labels: Mapping[str, str] | None = None, **requirement: object) -> Access:
    selector = {"matchLabels": dict(labels)} if labels else {"matchExpressions": [requirement]}
    return Access.model_validate({"namespaces": "Selector", "selector": selector})


SAME = Access.model_validate({})
ALL = Access.model_validate({"namespaces": "All"})


@pytest.mark.parametrize("access", [None, SAME, ALL, selecting(labels={"tier": "gold"})])
def test_the_own_namespace_may_always(access: Access | None) -> None:
    assert permits(access, owner="home", user="home", namespaces=NAMESPACES)


@pytest.mark.parametrize("access", [None, SAME])
def test_nobody_else_may_unless_it_is_said(access: Access | None) -> None:
    assert not permits(access, owner="home", user="gold", namespaces=NAMESPACES)
    assert granted(access, owner="home", namespaces=NAMESPACES) == ()


def test_all_means_namespaces_that_are_not_seen_yet_as_well() -> None:
    assert permits(ALL, owner="home", user="unseen", namespaces=NAMESPACES)
    assert granted(ALL, owner="home", namespaces=NAMESPACES) is None


@pytest.mark.parametrize(
    ("access", "selected"),
    [
        (selecting(labels={"tier": "gold"}), ("gold",)),
        (selecting(labels={"kubernetes.io/metadata.name": "silver"}), ("silver",)),
        (selecting(key="tier", operator="In", values=["gold", "silver"]), ("gold", "silver")),
        (selecting(key="tier", operator="NotIn", values=["gold"]), ("silver",)),
        (selecting(key="eu", operator="Exists"), ("silver",)),
        (selecting(key="eu", operator="DoesNotExist"), ("gold",)),
    ],
)
def test_a_selector_means_what_it_means_in_kubernetes(access: Access, selected: tuple[str, ...]) -> None:
    assert granted(access, owner="home", namespaces=NAMESPACES) == selected


def test_labels_and_expressions_must_all_fit() -> None:
    selector = {"matchLabels": {"tier": "silver"}, "matchExpressions": [{"key": "eu", "operator": "DoesNotExist"}]}
    access = Access.model_validate({"namespaces": "Selector", "selector": selector})
    assert granted(access, owner="home", namespaces=NAMESPACES) == ()


def test_a_selector_never_covers_a_namespace_whose_labels_are_unknown() -> None:
    access = selecting(key="tier", operator="DoesNotExist")
    assert not permits(access, owner="home", user="unseen", namespaces=NAMESPACES)


def test_nobody_takes_another_name_by_a_label() -> None:
    world = labelled({"thief": {"kubernetes.io/metadata.name": "gold"}})
    assert granted(selecting(labels={"kubernetes.io/metadata.name": "gold"}), owner="home", namespaces=world) == ()


labels = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["1", "2"]))
accesses = st.one_of(
    st.just(SAME),
    st.just(ALL),
    st.sampled_from(["a", "b"]).map(lambda key: selecting(labels={key: "1"})),
    st.builds(lambda key, operator: selecting(key=key, operator=operator), st.sampled_from("ab"), st.just("Exists")),
)


@given(accesses, st.dictionaries(st.sampled_from(["n1", "n2", "n3", "n4"]), labels))
def test_asking_for_one_and_for_all_gives_the_same_answer(
    access: Access, world: Mapping[str, Mapping[str, str]]
) -> None:
    namespaces = labelled(world)
    everyone = granted(access, owner="n1", namespaces=namespaces)
    for user in namespaces.keys() - {"n1"}:
        expected = everyone is None or user in everyone
        assert permits(access, owner="n1", user=user, namespaces=namespaces) == expected
