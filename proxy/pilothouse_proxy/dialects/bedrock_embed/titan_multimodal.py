"""`bedrock.invoke.titan_multimodal`: Titan Multimodal Embeddings G1, a text, an image or a pair of them a call."""

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_embed import answers as read
from pilothouse_proxy.dialects.bedrock_embed import asked, models, wire
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange.embedding import Asked, Input, Reply, Request
from pilothouse_proxy.http.messages import Headers

_answer = msgspec.json.Decoder(wire.Titan)


class Provider:
    """`EmbeddingProvider`."""

    def encode_requests(self, request: Request, model: Model) -> list[Asked]:
        """A body for each input."""
        row = models.row(model)
        asked.check(request, row)
        length = asked.dimensions(request, row)
        return [Asked(body=_body(given, length), places=(at,)) for at, given in enumerate(request.inputs)]

    def decode_reply(self, headers: Headers, body: bytes) -> Reply:
        """The one vector. Images count no tokens."""
        answer = read.read(_answer, body)
        if answer.message:
            raise UpstreamBroken("the model has failed on an input, and says so in its answer's `message`")
        return Reply(vectors=(answer.embedding,), input_tokens=read.tokens(headers, answer.inputTextTokenCount))


def _body(given: Input, length: int | None) -> bytes:
    document: dict[str, object] = {}
    if given.text is not None:
        document["inputText"] = given.text
    if given.image is not None:
        document["inputImage"] = given.image.base64
    if length is not None:
        document["embeddingConfig"] = {"outputEmbeddingLength": length}
    return msgspec.json.encode(document)
