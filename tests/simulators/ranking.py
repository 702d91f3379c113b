"""How simulated rerank models rank: by the words that a document shares with the query. Nothing else counts."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"\w+")


def ranked(query: str, documents: Sequence[str]) -> list[tuple[int, float]]:
    """(index, score between 0 and 1) of every document, the best first; equal ones in the order given."""
    wanted = set(_WORD.findall(query.lower()))
    scores = []
    for index, document in enumerate(documents):
        found = set(_WORD.findall(document.lower()))
        scores.append((index, round(len(wanted & found) / max(1, len(wanted | found)), 6)))
    return sorted(scores, key=lambda scored: -scored[1])
