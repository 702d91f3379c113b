"""All of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pilothouse_proxy.ports import Operation
from tests.conformance.apis import chat
from tests.conformance.features import Feature
from tests.conformance.said import Said


@dataclass(frozen=True)
class API:
    """One API of clients."""

    title: str
    operation: Operation
    path: str
    asks: Callable[[Feature, str], dict[str, Any] | None]
    """The body for a feature and a model; None: the API has no such feature."""
    reads: Callable[[bytes, bool], Said]
    """(body, whether it is a stream) → what it says. Raises what the SDK's types raise."""


APIS = (API("Chat completions", Operation.CHAT, "/v1/chat/completions", chat.asks, chat.reads),)
