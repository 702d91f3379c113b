from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_api.names import ProviderKey
from pilothouse_api.snapshot.routes import Target
from pilothouse_proxy.routing.plan import Order


def targets(*ranks: tuple[int, int]) -> list[Target]:
    """Of (priority, weight)."""
    return [
        Target(provider=ProviderKey(f"ns/p{index}"), priority=priority, weight=weight)
        for index, (priority, weight) in enumerate(ranks)
    ]


ranks = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=6)
points = st.floats(0, 1, exclude_max=True)


def walk(order: Order, point: float, shunned: int = 0) -> list[int]:
    """The whole order in which targets are tried."""
    tried, found = 0, []
    while (index := order.choose(tried=tried, shunned=shunned, point=point)) is not None:
        found.append(index)
        tried |= 1 << index
    return found


@given(ranks, points)
def test_every_target_is_tried_exactly_once(ranks: list[tuple[int, int]], point: float) -> None:
    assert sorted(walk(Order(targets(*ranks)), point)) == list(range(len(ranks)))


@given(ranks, points)
def test_priorities_are_tried_in_their_order(ranks: list[tuple[int, int]], point: float) -> None:
    tried = [ranks[index][0] for index in walk(Order(targets(*ranks)), point)]
    assert tried == sorted(tried)


@given(ranks, points)
def test_within_a_priority_weight_zero_comes_last(ranks: list[tuple[int, int]], point: float) -> None:
    for priority in {priority for priority, _ in ranks}:
        zero = [ranks[i][1] == 0 for i in walk(Order(targets(*ranks)), point) if ranks[i][0] == priority]
        assert zero == sorted(zero)


@given(ranks, points, st.integers(0, 63))
def test_a_shunned_target_is_tried_only_after_all_that_are_not(
    ranks: list[tuple[int, int]], point: float, shunned: int
) -> None:
    order = walk(Order(targets(*ranks)), point, shunned)
    avoided = [bool(shunned >> index & 1) for index in order]
    assert avoided == sorted(avoided)


@settings(max_examples=15)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any), st.integers(0, 2**32))
def test_first_choices_converge_to_the_weights(weights: list[int], seed: int) -> None:
    rng, order, rounds = Random(seed), Order(targets(*((0, weight) for weight in weights))), 4_000
    seen = Counter(order.choose(tried=0, shunned=0, point=rng.random()) for _ in range(rounds))
    for index, weight in enumerate(weights):
        share = weight / sum(weights)
        # Five standard deviations of a binomial share.
        assert abs(seen[index] / rounds - share) <= 5 * (share * (1 - share) / rounds) ** 0.5


@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_the_rest_of_a_priority_is_weighted_too(seed: int) -> None:
    rng, order, rounds = Random(seed), Order(targets((0, 5), (0, 3), (0, 1))), 4_000
    seen = Counter(order.choose(tried=0b001, shunned=0, point=rng.random()) for _ in range(rounds))
    assert abs(seen[1] / rounds - 0.75) < 0.04


def test_a_shunned_first_choice_is_passed_over() -> None:
    order = Order(targets((0, 9), (0, 1)))
    assert {order.choose(tried=0, shunned=0b01, point=point / 10) for point in range(10)} == {1}


def test_with_all_shunned_the_weights_decide_as_ever() -> None:
    order = Order(targets((0, 1), (1, 1)))
    assert walk(order, 0.5, shunned=0b11) == [0, 1]


def test_a_route_without_targets_has_nothing_to_choose() -> None:
    assert Order([]).choose(tried=0, shunned=0, point=0.5) is None
