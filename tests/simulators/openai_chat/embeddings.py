"""Embeddings that depend on nothing but the text: a unit vector drawn from its hash."""

from __future__ import annotations

import array
import base64
import hashlib
import math
import sys
from collections.abc import Mapping
from typing import Any

from tests.simulators import speech
from tests.simulators.models import OpenAIModel


def vector(text: str, dimensions: int) -> array.array[float]:
    """`dimensions` float32 of length 1 together; shorter vectors are the renormalised start of longer ones."""
    raw = array.array("h")
    raw.frombytes(hashlib.shake_256(text.encode()).digest(2 * dimensions))
    length = math.sqrt(sum(value * value for value in raw)) or 1.0
    return array.array("f", (value / length for value in raw))


def _inputs(body: Mapping[str, Any]) -> list[Any]:
    given = body["input"]
    if isinstance(given, str) or (given and isinstance(given[0], int)):
        return [given]
    return list(given)


def tokens(body: Mapping[str, Any]) -> int:
    return sum(len(item) if isinstance(item, list) else speech.count_tokens(item) for item in _inputs(body))


def longest(body: Mapping[str, Any]) -> int:
    """Tokens of the longest single input."""
    return max(len(item) if isinstance(item, list) else speech.count_tokens(item) for item in _inputs(body))


def answer(body: Mapping[str, Any], *, model: OpenAIModel) -> dict[str, Any]:
    dimensions = body.get("dimensions") or model.dimensions
    rows = []
    for index, item in enumerate(_inputs(body)):
        values = vector(item if isinstance(item, str) else repr(item), dimensions)
        embedding: Any
        if body.get("encoding_format") == "base64":
            if sys.byteorder == "big":
                values.byteswap()
            embedding = base64.b64encode(values.tobytes()).decode()
        else:
            embedding = list(values)
        rows.append({"embedding": embedding, "index": index, "object": "embedding"})
    used = tokens(body)
    return {
        "data": rows,
        "model": model.reported,
        "object": "list",
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }
