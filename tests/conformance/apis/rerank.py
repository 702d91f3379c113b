"""Reranking as Cohere and Jina share it. There is no small SDK for it: the documented shape is checked by hand."""

import json
from typing import Any

from tests.conformance.features import Feature
from tests.conformance.said import Said

_DOCUMENTS = ["the blue sea", "a red ship", "green land"]


def asks(feature: Feature, model: str) -> dict[str, Any] | None:
    """The body of a request."""
    if feature not in {Feature.RANK, Feature.RANK_DOCUMENTS}:
        return None
    body: dict[str, Any] = {"model": model, "query": "red ship", "documents": _DOCUMENTS, "top_n": 2}
    return {**body, "return_documents": True} if feature is Feature.RANK_DOCUMENTS else body


def reads(body: bytes, streamed: bool) -> Said:
    """What it says."""
    results = json.loads(body)["results"]
    scores = [result["relevance_score"] for result in results]
    assert scores == sorted(scores, reverse=True)
    documents = [result["document"] for result in results if "document" in result]
    texts = [document["text"] if isinstance(document, dict) else document for document in documents]
    return Said(ranks=tuple(result["index"] for result in results), text=" | ".join(texts))
