"""Titan's embedding models: G1, Text V2 and Multimodal G1."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from tests.simulators import speech
from tests.simulators.bedrock.invoke.schema import Invoked, Key, Refused, check
from tests.simulators.models import BedrockModel
from tests.simulators.openai_chat.embeddings import vector

_CHARS = 50_000


def text(body: Any, model: BedrockModel) -> Invoked:
    """G1 knows no member but the text; V2 is told apart by its having a choice of dimensions."""
    keys = {"inputText": Key(kind=str, required=True, least=1, most=_CHARS)}
    chooses = len(model.dimensions) > 1
    if chooses:
        keys["dimensions"] = Key(kind=int, values=model.dimensions)
        keys["normalize"] = Key(kind=bool)
        keys["embeddingTypes"] = Key(kind=list, each=6)
    check(body, keys)
    tokens = speech.count_tokens(body["inputText"])
    _fits(tokens, model)
    found = list(vector(body["inputText"], body.get("dimensions") or max(model.dimensions)))
    answer: dict[str, Any] = {"embedding": found, "inputTextTokenCount": tokens}
    if chooses:
        answer["embeddingsByType"] = {"float": found}
        if "binary" in body.get("embeddingTypes", ()):
            answer["embeddingsByType"]["binary"] = [int(value > 0) for value in found]
    return Invoked(body=answer, input_tokens=tokens)


def multimodal(body: Any, model: BedrockModel) -> Invoked:
    check(
        body,
        {
            "inputText": Key(kind=str, least=1),
            "inputImage": Key(kind=str, least=1),
            "embeddingConfig": Key(kind=dict),
        },
    )
    if "inputText" not in body and "inputImage" not in body:
        raise Refused("Malformed input request: #: at least one of [inputText, inputImage] is required.")
    config = body.get("embeddingConfig", {})
    check(config, {"outputEmbeddingLength": Key(kind=int, values=model.dimensions)}, "#/embeddingConfig")
    tokens = speech.count_tokens(body["inputText"]) if "inputText" in body else 0
    _fits(tokens, model)
    if "inputImage" in body:
        _check_image(body["inputImage"])
    found = vector(_meaning(body), config.get("outputEmbeddingLength") or max(model.dimensions))
    return Invoked(body={"embedding": list(found), "inputTextTokenCount": tokens, "message": None}, input_tokens=tokens)


def _meaning(body: Mapping[str, Any]) -> str:
    return "\n".join(body[name] for name in ("inputText", "inputImage") if name in body)


def _fits(tokens: int, model: BedrockModel) -> None:
    if tokens > model.context_window:
        raise Refused(
            f"400 Bad Request: Too many input tokens. Max input tokens: {model.context_window}, "
            f"request input token count: {tokens} "
        )


def _check_image(encoded: str) -> None:
    try:
        image = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        image = b""
    if not image.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        raise Refused("Unable to decode image: it must be PNG or JPEG in base64.")
