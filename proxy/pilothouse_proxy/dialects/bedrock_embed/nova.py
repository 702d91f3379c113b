"""`bedrock.invoke.nova_embed`: Nova Multimodal Embeddings, a text or an image a call.

A text that is too long is refused, not cut: the model wants to be told.
"""

from collections.abc import Mapping

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_embed import answers as read
from pilothouse_proxy.dialects.bedrock_embed import asked, models, wire
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange.embedding import Input, Purpose, Reply, Request
from pilothouse_proxy.ports import AnswerParts

DEFAULT_DIMENSION = 3_072
"""What the model does unasked, said all the same."""

PURPOSES: Mapping[Purpose, str] = {
    Purpose.DOCUMENT: "GENERIC_INDEX",
    Purpose.QUERY: "GENERIC_RETRIEVAL",
    Purpose.CLASSIFICATION: "CLASSIFICATION",
    Purpose.CLUSTERING: "CLUSTERING",
}

_answer = msgspec.json.Decoder(wire.Nova)


class Provider:
    """`EmbeddingProvider`."""

    def encode_requests(self, request: Request, model: Model) -> list[bytes]:
        """A body for each input."""
        row = models.row(model)
        asked.check(request, row)
        length = asked.dimensions(request, row) or DEFAULT_DIMENSION
        return [_body(given, PURPOSES[request.purpose], length) for given in request.inputs]

    def decode_replies(self, request: Request, model: Model, answers: AnswerParts) -> Reply:
        """A vector of each body."""
        vectors: list[msgspec.Raw] = []
        counts: list[int | None] = []
        for headers, body in answers:
            answer = read.read(_answer, body)
            if len(answer.embeddings) != 1:
                raise UpstreamBroken(f"the provider sent {len(answer.embeddings)} vectors for an input")
            vectors.append(answer.embeddings[0].embedding)
            counts.append(read.tokens(headers))
        return Reply(vectors=tuple(vectors), input_tokens=read.total(counts))


def _body(given: Input, purpose: str, length: int) -> bytes:
    params: dict[str, object] = {"embeddingPurpose": purpose, "embeddingDimension": length}
    if given.image is not None:
        params["image"] = {"format": given.image.format.value, "source": {"bytes": given.image.base64}}
    else:
        params["text"] = {"truncationMode": "NONE", "value": given.text}
    return msgspec.json.encode({"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params})
