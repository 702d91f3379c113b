"""Reranking as model servers and Jina answer it, and as Cohere does for a model of its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulators import answers, ranking, speech
from tests.simulators.models import OpenAIModel

_COHERES = "rerank-v"


def texts(body: Mapping[str, Any]) -> list[str]:
    return [it if isinstance(it, str) else it["text"] for it in body["documents"]]


def tokens(body: Mapping[str, Any]) -> int:
    return sum(speech.count_tokens(text) for text in (body["query"], *texts(body)))


def answer(body: Mapping[str, Any], *, model: OpenAIModel) -> dict[str, Any]:
    documents = texts(body)
    ranked = ranking.ranked(body["query"], documents)[: body.get("top_n") or len(documents)]
    results: list[dict[str, Any]] = [{"index": index, "relevance_score": score} for index, score in ranked]
    if body.get("return_documents"):
        for result in results:
            result["document"] = {"text": documents[result["index"]]}
    if model.id.startswith(_COHERES):
        units = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1.0}}
        return {"id": f"{answers.RUN}-{answers.SLOT}", "results": results, "meta": units}
    used = tokens(body)
    return {
        "model": model.reported,
        "usage": {"prompt_tokens": used, "total_tokens": used},
        "results": results,
    }
