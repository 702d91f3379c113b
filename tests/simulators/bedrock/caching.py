"""Prompt caching: what a prefix up to a cache point costs, and what was there already.

https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html. A prefix is kept for the time of its cache
point and renewed when it is read; one that is too short for the model is passed over without a word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tests.simulators import speech

_TTL_S: Final[Mapping[str, float]] = {"5m": 300.0, "1h": 3600.0}


@dataclass(frozen=True, slots=True)
class Caching:
    """Tokens read from and written to the cache; writes also by time to live."""

    read: int = 0
    written: int = 0
    written_by_ttl: Mapping[str, int] = field(default_factory=dict)


class PromptCache:
    """Prefixes by hash, with the time until which they are kept."""

    def __init__(self) -> None:
        self._kept_until: dict[bytes, float] = {}

    def account(self, body: Mapping[str, Any], *, model: str, min_tokens: int, now: float) -> Caching:
        """Settle one request: find the longest prefix that is kept, keep those that are not. `now` in seconds."""
        read, covered = 0, 0
        by_ttl: dict[str, int] = {}
        for tokens, ttl, digest in _prefixes(body, model):
            if tokens < min_tokens:
                continue
            key = digest
            if self._kept_until.get(key, 0.0) > now:
                read, covered = tokens, tokens
                by_ttl.clear()
            else:
                by_ttl[ttl] = by_ttl.get(ttl, 0) + tokens - covered
                covered = tokens
            self._kept_until[key] = now + _TTL_S[ttl]
        return Caching(read, sum(by_ttl.values()), by_ttl)


def _prefixes(body: Mapping[str, Any], model: str) -> Iterator[tuple[int, str, bytes]]:
    """(tokens, ttl, digest) at each cache point, in the order in which the prompt is put together."""
    digest = hashlib.sha256(model.encode())
    tokens = 0
    for item in _items(body):
        point = item.get("cachePoint") if isinstance(item, dict) else None
        if point is not None:
            yield tokens, point.get("ttl", "5m"), digest.digest()
            continue
        digest.update(msgspec.json.encode(item))
        tokens += item_tokens(item)


def _items(body: Mapping[str, Any]) -> Iterator[Any]:
    yield from (body.get("toolConfig") or {}).get("tools", ())
    yield from body.get("system") or ()
    for message in body.get("messages") or ():
        yield from message["content"]


def item_tokens(item: Mapping[str, Any]) -> int:
    """Tokens of one tool, system block or content block."""
    if "cachePoint" in item:
        return 0
    if "text" in item:
        return speech.count_tokens(item["text"])
    if "image" in item:
        return speech.media_tokens(images=1, documents=0)
    if "document" in item:
        return speech.media_tokens(images=0, documents=1)
    return speech.count_tokens(msgspec.json.encode(item))


def input_tokens(body: Mapping[str, Any]) -> int:
    """All input tokens of a request, cached or not."""
    messages = len(body.get("messages") or ())
    return sum(item_tokens(item) for item in _items(body)) + 4 * messages
