"""All of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pilothouse_proxy.operations import Operation
from tests.conformance.apis import chat, completions, counting, embeddings, messages, rerank, responses
from tests.conformance.features import Feature
from tests.conformance.rows import Kind
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
    kind: Kind = Kind.CHAT
    """The models that it is for."""
    headers: dict[str, str] = field(default_factory=dict, hash=False)


_VERSION = {"anthropic-version": "2023-06-01"}

APIS = (
    API("Chat completions", Operation.CHAT, "/v1/chat/completions", chat.asks, chat.reads),
    API("Completions", Operation.COMPLETIONS, "/v1/completions", completions.asks, completions.reads),
    API("Responses", Operation.RESPONSES, "/v1/responses", responses.asks, responses.reads),
    API("Messages", Operation.MESSAGES, "/v1/messages", messages.asks, messages.reads, headers=_VERSION),
    API(
        "Count of tokens",
        Operation.COUNT_TOKENS,
        "/v1/messages/count_tokens",
        counting.asks,
        counting.reads,
        headers=_VERSION,
    ),
    API("Embeddings", Operation.EMBEDDINGS, "/v1/embeddings", embeddings.asks, embeddings.reads, kind=Kind.EMBEDDING),
    API("Reranking", Operation.RERANK, "/v1/rerank", rerank.asks, rerank.reads, kind=Kind.RERANK),
)
