"""Cohere Rerank 3.5, which demands `api_version`, and Amazon Rerank 1.0, which does not know it."""

from __future__ import annotations

from typing import Any

from tests.simulators import ranking, speech
from tests.simulators.bedrock.invoke.schema import Invoked, Key, Refused, check
from tests.simulators.models import BedrockModel

_DOCUMENTS = 1_000
_CHARS = 100_000


def answer(body: Any, model: BedrockModel) -> Invoked:
    keys = {
        "query": Key(kind=str, required=True, least=1),
        "documents": Key(kind=list, required=True, least=1, most=_DOCUMENTS, each=_CHARS),
        "top_n": Key(kind=int),
    }
    if model.vendor == "cohere":
        keys["api_version"] = Key(kind=int, required=True, values=(2,))
    check(body, keys)
    documents = body["documents"]
    top_n = body.get("top_n", len(documents))
    if not 1 <= top_n <= len(documents):
        raise Refused(f"Malformed input request: #/top_n: {top_n} is not between 1 and {len(documents)}.")
    ranked = ranking.ranked(body["query"], documents)[:top_n]
    tokens = sum(speech.count_tokens(text) for text in (body["query"], *documents))
    results = [{"index": index, "relevance_score": score} for index, score in ranked]
    return Invoked(body={"results": results}, input_tokens=tokens)
