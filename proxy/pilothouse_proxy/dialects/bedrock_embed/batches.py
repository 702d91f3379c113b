"""How a list is put to a model that takes several of it at a time, but not all."""

from collections.abc import Sequence


def split(sizes: Sequence[int], *, most: int, most_bytes: int) -> list[list[int]]:
    """Places in the list, in order, by batch: at most `most` a batch, and of at most `most_bytes` together.

    What is too large alone is a batch of its own: whoever gets it says so.
    """
    batches: list[list[int]] = []
    held = 0
    for at, size in enumerate(sizes):
        if not batches or len(batches[-1]) >= most or held + size > most_bytes:
            batches.append([])
            held = 0
        batches[-1].append(at)
        held += size
    return batches
