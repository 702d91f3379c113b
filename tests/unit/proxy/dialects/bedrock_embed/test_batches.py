"""How lists are cut: nothing is lost, moved, or put where it does not fit."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.dialects.bedrock_embed import batches

sizes = st.lists(st.integers(0, 50), max_size=200)


@given(sizes, st.integers(1, 96), st.integers(1, 120))
def test_every_place_comes_once_and_in_order(sizes: list[int], most: int, most_bytes: int) -> None:
    cut = batches.split(sizes, most=most, most_bytes=most_bytes)
    assert [at for batch in cut for at in batch] == list(range(len(sizes)))


@given(sizes, st.integers(1, 96), st.integers(1, 120))
def test_no_batch_is_empty_or_over_a_limit_but_one_that_is_too_large_alone(
    sizes: list[int], most: int, most_bytes: int
) -> None:
    for batch in batches.split(sizes, most=most, most_bytes=most_bytes):
        assert 1 <= len(batch) <= most
        assert len(batch) == 1 or sum(sizes[at] for at in batch) <= most_bytes


@given(sizes, st.integers(1, 96), st.integers(1, 120))
def test_there_are_no_more_batches_than_it_takes(sizes: list[int], most: int, most_bytes: int) -> None:
    cut = batches.split(sizes, most=most, most_bytes=most_bytes)
    for batch, after in itertools.pairwise(cut):
        held = sum(sizes[at] for at in batch)
        assert len(batch) == most or held + sizes[after[0]] > most_bytes
