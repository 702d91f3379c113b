"""Cohere Embed v3 and v4. Vectors depend on what they are for: the wrong `input_type` is seen in a test."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.simulators import answers, speech
from tests.simulators.bedrock.invoke.schema import Invoked, Key, Refused, check
from tests.simulators.models import BedrockModel
from tests.simulators.openai_chat.embeddings import vector

_V3_CHARS = 2_048
_PURPOSES = ("search_document", "search_query", "classification", "clustering")


def v3(body: Any, model: BedrockModel) -> Invoked:
    check(
        body,
        {
            "input_type": Key(kind=str, required=True, values=(*_PURPOSES, "image")),
            "texts": Key(kind=list, least=1, most=96, each=_V3_CHARS),
            "images": Key(kind=list, least=1, most=1),
            "truncate": Key(kind=str, values=("NONE", "START", "END")),
            "embedding_types": Key(kind=list, each=7),
        },
    )
    _one_of(body, "texts", "images")
    if ("images" in body) != (body["input_type"] == "image"):
        raise Refused("Malformed input request: images are sent with input_type image, and nothing else is.")
    return _answered(body, body.get("texts") or body["images"], model, size=max(model.dimensions))


def v4(body: Any, model: BedrockModel) -> Invoked:
    check(
        body,
        {
            "input_type": Key(kind=str, required=True, values=_PURPOSES),
            "texts": Key(kind=list, least=1, most=96, each=500_000),
            "images": Key(kind=list, least=1, most=96),
            "inputs": Key(kind=list, least=1, most=96),
            "output_dimension": Key(kind=int, values=model.dimensions),
            "max_tokens": Key(kind=int),
            "truncate": Key(kind=str, values=("NONE", "LEFT", "RIGHT")),
            "embedding_types": Key(kind=list, each=7),
        },
    )
    _one_of(body, "texts", "images", "inputs")
    for at, given in enumerate(body.get("inputs", ())):
        check(given, {"content": Key(kind=list, required=True, least=1)}, f"#/inputs/{at}")
    given = body.get("texts") or body.get("images") or [msgspec.json.encode(it).decode() for it in body["inputs"]]
    return _answered(body, given, model, size=body.get("output_dimension") or max(model.dimensions))


def _answered(body: Any, given: list[str], model: BedrockModel, *, size: int) -> Invoked:
    counts = [0 if "images" in body else speech.count_tokens(text) for text in given]
    if max(counts) > model.context_window and body.get("truncate", "NONE") == "NONE":
        raise Refused(
            f"too many tokens: total number of tokens in the input cannot exceed {model.context_window} - received "
            f"{max(counts)}. Try using a shorter input, or enable truncation"
        )
    floats = [list(vector(f"{body['input_type']} {text}", size)) for text in given]
    answer: dict[str, Any] = {"id": f"{answers.RUN}-{answers.SLOT}"}
    if body.get("embedding_types"):
        answer |= {"embeddings": {"float": floats}, "response_type": "embeddings_by_type"}
    else:
        answer |= {"embeddings": floats, "response_type": "embeddings_floats"}
    answer |= {name: body[name] for name in ("texts", "inputs") if name in body}
    return Invoked(body=answer, input_tokens=sum(counts))


def _one_of(body: Any, *names: str) -> None:
    if sum(name in body for name in names) != 1:
        raise Refused(f"Malformed input request: #: exactly one of [{', '.join(names)}] is expected.")
