"""Which module answers for which family: a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from tests.simulators import answers
from tests.simulators.answers import Answer, Whole
from tests.simulators.bedrock import errors
from tests.simulators.bedrock.invoke import embed_cohere, embed_marengo, embed_nova, embed_titan, rerank
from tests.simulators.bedrock.invoke.schema import Invoked, Refused
from tests.simulators.models import BedrockModel

FAMILIES: Final[Mapping[str, Callable[[Any, BedrockModel], Invoked]]] = {
    "cohere-embed-v3": embed_cohere.v3,
    "cohere-embed-v4": embed_cohere.v4,
    "marengo": embed_marengo.answer,
    "nova-embed": embed_nova.answer,
    "rerank": rerank.answer,
    "titan-embed": embed_titan.text,
    "titan-multimodal": embed_titan.multimodal,
}
"""By a model's `invoke`."""

_LATENCY_MS: Final = 42


def prepared(raw: bytes, *, model: BedrockModel) -> tuple[Answer, int, int] | Whole:
    """The answer with the tokens that admission reserves and settlement charges, or a refusal."""
    family = FAMILIES.get(model.invoke)
    if family is None:
        return errors.answer("ValidationException", "The simulator knows no native body of this model.")
    try:
        body = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return errors.answer(
            "ValidationException", "Malformed input request, please reformat your input and try again."
        )
    try:
        invoked = family(body, model)
    except Refused as refused:
        return errors.answer("ValidationException", str(refused))
    headers = [
        ("content-type", "application/json"),
        ("x-amzn-requestid", answers.REQUEST_ID),
        ("x-amzn-bedrock-invocation-latency", str(_LATENCY_MS)),
        ("x-amzn-bedrock-input-token-count", str(invoked.input_tokens)),
    ]
    answer = answers.whole(200, headers, msgspec.json.encode(invoked.body))
    return answer, invoked.input_tokens, invoked.input_tokens
