"""Prompt caching: what a prefix up to a mark costs, and what was there already.

https://platform.claude.com/docs/en/build-with-claude/prompt-caching. A prefix is kept for the time of its mark and
renewed when it is read; one that is too short for the model is passed over without a word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tests.simulators import speech
from tests.simulators.anthropic import checks

_TTL_S: Final[Mapping[str, float]] = {"5m": 300.0, "1h": 3600.0}
_MEDIA: Final = {"image": (1, 0), "document": (0, 1)}


@dataclass(frozen=True, slots=True)
class Caching:
    """Tokens read from and written to the cache; writes also by time to live."""

    read: int = 0
    written: Mapping[str, int] = field(default_factory=dict)


class PromptCache:
    """Prefixes by hash, with the time until which they are kept."""

    def __init__(self) -> None:
        self._kept_until: dict[bytes, float] = {}

    def account(self, body: Mapping[str, Any], *, model: str, min_tokens: int, now: float) -> Caching:
        """Settle one request: find the longest prefix that is kept, keep those that are not. `now` in seconds."""
        digest = hashlib.sha256(model.encode())
        tokens = read = covered = 0
        written: dict[str, int] = {}
        for part in checks.parts(body):
            mark = part.get("cache_control")
            digest.update(msgspec.json.encode({name: value for name, value in part.items() if name != "cache_control"}))
            tokens += part_tokens(part)
            if not mark or tokens < min_tokens:
                continue
            ttl, key = mark.get("ttl") or "5m", digest.digest()
            if self._kept_until.get(key, 0.0) > now:
                read = covered = tokens
                written.clear()
            else:
                written[ttl] = written.get(ttl, 0) + tokens - covered
                covered = tokens
            self._kept_until[key] = now + _TTL_S[ttl]
        return Caching(read, written)


def part_tokens(part: Mapping[str, Any]) -> int:
    """Tokens of one tool or block."""
    if "text" in part:
        return speech.count_tokens(part["text"])
    images, documents = _MEDIA.get(part.get("type", ""), (0, 0))
    if images or documents:
        return speech.media_tokens(images=images, documents=documents)
    return speech.count_tokens(msgspec.json.encode(part))


def input_tokens(body: Mapping[str, Any]) -> int:
    """All input tokens of a request, cached or not."""
    return sum(part_tokens(part) for part in checks.parts(body)) + 4 * len(body["messages"])
