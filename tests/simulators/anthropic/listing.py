"""The list of models, the only one of a provider that tells what its models can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.simulators.models import AnthropicModel, Reasoning

_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def info(model: AnthropicModel) -> dict[str, Any]:
    """One model."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": model.created_at,
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "max_input_tokens": model.context_window,
        "max_tokens": model.max_output_tokens,
        "capabilities": _capabilities(model),
    }


def page(models: Sequence[AnthropicModel], query: Mapping[str, str]) -> dict[str, Any]:
    """The newest first, `limit` of them from behind `after_id`."""
    newest = sorted(models, key=lambda model: model.created_at, reverse=True)
    ids = [model.id for model in newest]
    start = ids.index(query["after_id"]) + 1 if query.get("after_id") in ids else 0
    chosen = newest[start : start + int(query.get("limit", "20"))]
    return {
        "data": [info(model) for model in chosen],
        "has_more": start + len(chosen) < len(newest),
        "first_id": chosen[0].id if chosen else None,
        "last_id": chosen[-1].id if chosen else None,
    }


def _capabilities(model: AnthropicModel) -> dict[str, Any]:
    def is_supported(supported: bool) -> dict[str, bool]:
        return {"supported": supported}

    thinks = model.reasoning is not Reasoning.NONE
    return {
        "batch": is_supported(True),
        "citations": is_supported(True),
        "code_execution": is_supported(False),
        "context_management": is_supported(False),
        "effort": {
            "supported": bool(model.efforts),
            **{name: is_supported(name in model.efforts) for name in _EFFORTS},
        },
        "image_input": is_supported(True),
        "pdf_input": is_supported(True),
        "server_tools": {
            **is_supported(False),
            "code_execution": is_supported(False),
            "web_search": is_supported(False),
        },
        "structured_outputs": is_supported(model.structured),
        "thinking": {
            "supported": thinks,
            "types": {
                "adaptive": is_supported(model.reasoning is Reasoning.ADAPTIVE),
                "between_tools": is_supported(False),
                "disabled": is_supported(not model.always_thinks),
                "enabled": is_supported(model.reasoning is Reasoning.BUDGET),
            },
        },
    }
