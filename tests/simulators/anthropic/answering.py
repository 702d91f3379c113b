"""A request that is checked, and what is said to it: the same wherever Messages is spoken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulators import speech
from tests.simulators.anthropic import caching, checks, messages
from tests.simulators.anthropic.caching import Caching, PromptCache
from tests.simulators.anthropic.errors import BadRequest
from tests.simulators.anthropic.messages import Said, Speaker
from tests.simulators.models import AnthropicModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A checked request and the tokens of its input, cached or not."""

    body: Mapping[str, Any]
    model: AnthropicModel
    tokens: int


def asked(body: Any, *, model: AnthropicModel, version: str) -> Asked:
    """A request for an answer. Raises BadRequest."""
    checked = checks.message(body, model=model, version=version)
    tokens = caching.input_tokens(checked)
    window, limit = model.context_window, checked["max_tokens"]
    if tokens > window:
        raise BadRequest(f"prompt is too long: {tokens} tokens > {window} maximum")
    if tokens + limit > window:
        raise BadRequest(
            f"input length and `max_tokens` exceed context limit: {tokens} + {limit} > {window}, decrease input length "
            "or `max_tokens` and try again"
        )
    return Asked(body=checked, model=model, tokens=tokens)


def said(request: Asked, *, cache: PromptCache, speaker: Speaker, now: float) -> Said:
    """The answer. `now` in Unix seconds."""
    body, model = request.body, request.model
    cached = Caching()
    if model.cache_min_tokens is not None:
        cached = cache.account(body, model=model.id, min_tokens=model.cache_min_tokens, now=now)
    display = (body.get("thinking") or {}).get("display")
    return Said(
        speech=speech.speak(messages.prompt(body, model=model, speaker=speaker)),
        model=model,
        speaker=speaker,
        shows=display == "summarized" or (display is None and not model.omits_thinking),
        input_tokens=request.tokens,
        caching=cached,
    )
