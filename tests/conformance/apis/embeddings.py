"""OpenAI's embeddings."""

import base64
import json
import struct
from typing import Any

from openai.types import CreateEmbeddingResponse

from tests.conformance.contents import HELLO, PNG
from tests.conformance.features import Feature
from tests.conformance.said import Said

_MEMBERS: dict[Feature, dict[str, Any]] = {
    Feature.EMBED: {"input": HELLO},
    Feature.EMBED_MANY: {"input": [HELLO, "one", "two"]},
    Feature.BASE64: {"input": HELLO, "encoding_format": "base64"},
    Feature.DIMENSIONS: {"input": HELLO, "dimensions": 256},
    Feature.EMBED_IMAGE: {"input": [{"image": "data:image/png;base64," + PNG}]},
}


def asks(feature: Feature, model: str) -> dict[str, Any] | None:
    """The body of a request."""
    return {"model": model, **_MEMBERS[feature]} if feature in _MEMBERS else None


def reads(body: bytes, streamed: bool) -> Said:
    """What it says."""
    document = json.loads(body)
    for row in document["data"]:
        if isinstance(row["embedding"], str):
            # As the SDK does it, before its type sees the vector.
            raw = base64.b64decode(row["embedding"])
            row["embedding"] = list(struct.unpack(f"<{len(raw) // 4}f", raw))
    answer = CreateEmbeddingResponse.model_validate(document)
    return Said(vectors=tuple(tuple(row.embedding) for row in answer.data), tokens=answer.usage.total_tokens)
