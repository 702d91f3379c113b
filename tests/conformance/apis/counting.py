"""Anthropic's count of tokens."""

from typing import Any

from anthropic.types import MessageTokensCount

from tests.conformance.contents import HELLO
from tests.conformance.features import Feature
from tests.conformance.said import Said


def asks(feature: Feature, model: str) -> dict[str, Any] | None:
    """The body of a request."""
    if feature is not Feature.COUNT:
        return None
    return {"model": model, "messages": [{"role": "user", "content": HELLO}]}


def reads(body: bytes, streamed: bool) -> Said:
    """What it says."""
    return Said(tokens=MessageTokensCount.model_validate_json(body).input_tokens)
