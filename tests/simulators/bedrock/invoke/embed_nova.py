"""Nova Multimodal Embeddings, synchronous: one text or image a call."""

from __future__ import annotations

from typing import Any

from tests.simulators import speech
from tests.simulators.bedrock.invoke.schema import Invoked, Key, Refused, check
from tests.simulators.models import BedrockModel
from tests.simulators.openai_chat.embeddings import vector

_PURPOSES = (
    "GENERIC_INDEX",
    "GENERIC_RETRIEVAL",
    "TEXT_RETRIEVAL",
    "IMAGE_RETRIEVAL",
    "VIDEO_RETRIEVAL",
    "DOCUMENT_RETRIEVAL",
    "AUDIO_RETRIEVAL",
    "CLASSIFICATION",
    "CLUSTERING",
)
_PARAMS = "#/singleEmbeddingParams"
_CHARS = 8_192


def answer(body: Any, model: BedrockModel) -> Invoked:
    check(
        body,
        {
            "schemaVersion": Key(kind=str, values=("nova-multimodal-embed-v1",)),
            "taskType": Key(kind=str, required=True, values=("SINGLE_EMBEDDING",)),
            "singleEmbeddingParams": Key(kind=dict, required=True),
        },
    )
    params = body["singleEmbeddingParams"]
    check(
        params,
        {
            "embeddingPurpose": Key(kind=str, required=True, values=_PURPOSES),
            "embeddingDimension": Key(kind=int, values=model.dimensions),
            "text": Key(kind=dict),
            "image": Key(kind=dict),
        },
        _PARAMS,
    )
    if ("text" in params) == ("image" in params):
        raise Refused(f"Malformed input request: {_PARAMS}: exactly one modality is expected.")
    if "text" in params:
        check(
            params["text"],
            {
                "truncationMode": Key(kind=str, required=True, values=("START", "END", "NONE")),
                "value": Key(kind=str, required=True, least=1, most=_CHARS),
            },
            f"{_PARAMS}/text",
        )
        meaning, kind = params["text"]["value"], "TEXT"
        tokens = speech.count_tokens(meaning)
    else:
        formats = ("png", "jpeg", "gif", "webp")
        keys = {
            "detailLevel": Key(kind=str, values=("STANDARD_IMAGE", "DOCUMENT_IMAGE")),
            "format": Key(kind=str, required=True, values=formats),
            "source": Key(kind=dict, required=True),
        }
        check(params["image"], keys, f"{_PARAMS}/image")
        check(params["image"]["source"], {"bytes": Key(kind=str, required=True)}, f"{_PARAMS}/image/source")
        meaning, kind, tokens = params["image"]["source"]["bytes"], "IMAGE", 0
    found = list(vector(f"{params['embeddingPurpose']} {meaning}", params.get("embeddingDimension") or 3_072))
    return Invoked(body={"embeddings": [{"embeddingType": kind, "embedding": found}]}, input_tokens=tokens)
