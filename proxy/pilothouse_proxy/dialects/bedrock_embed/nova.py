"""`bedrock.invoke.nova_embed`: Nova Multimodal Embeddings, a text or an image a call.

A text that is too long is refused, not cut: the model wants to be told.
"""

from collections.abc import Mapping

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_embed import answers as read
from pilothouse_proxy.dialects.bedrock_embed import asked, models, wire
from pilothouse_proxy.exchange.embedding import Asked, Input, Purpose, Reply, Request
from pilothouse_proxy.http.messages import Headers

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

    def encode_requests(self, request: Request, model: Model) -> list[Asked]:
        """A body for each input."""
        row = models.row(model)
        asked.check(request, row)
        length = asked.dimensions(request, row) or DEFAULT_DIMENSION
        purpose = PURPOSES[request.purpose]
        return [Asked(body=_body(given, purpose, length), places=(at,)) for at, given in enumerate(request.inputs)]

    def decode_reply(self, headers: Headers, body: bytes) -> Reply:
        """The one vector."""
        found = read.read(_answer, body).embeddings
        return Reply(vectors=tuple([one.embedding for one in found]), input_tokens=read.tokens(headers))


def _body(given: Input, purpose: str, length: int) -> bytes:
    params: dict[str, object] = {"embeddingPurpose": purpose, "embeddingDimension": length}
    if given.image is not None:
        params["image"] = {"format": given.image.format.value, "source": {"bytes": given.image.base64}}
    else:
        params["text"] = {"truncationMode": "NONE", "value": given.text}
    return msgspec.json.encode({"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params})
