"""`bedrock.invoke.titan_multimodal`: Titan Multimodal Embeddings G1, a text, an image or a pair of them a call."""

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_embed import answers as read
from pilothouse_proxy.dialects.bedrock_embed import asked, models, wire
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange.embedding import Input, Reply, Request
from pilothouse_proxy.ports import AnswerParts

_answer = msgspec.json.Decoder(wire.Titan)


class Provider:
    """`EmbeddingProvider`."""

    def encode_requests(self, request: Request, model: Model) -> list[bytes]:
        """A body for each input."""
        row = models.row(model)
        asked.check(request, row)
        length = asked.dimensions(request, row)
        return [_body(given, length) for given in request.inputs]

    def decode_replies(self, request: Request, model: Model, answers: AnswerParts) -> Reply:
        """A vector of each body. Images count no tokens."""
        vectors: list[msgspec.Raw] = []
        counts: list[int | None] = []
        for headers, body in answers:
            answer = read.read(_answer, body)
            if answer.message:
                raise UpstreamBroken("the model has failed on an input, and says so in its answer's `message`")
            vectors.append(answer.embedding)
            counts.append(read.tokens(headers, answer.inputTextTokenCount))
        return Reply(vectors=tuple(vectors), input_tokens=read.total(counts))


def _body(given: Input, length: int | None) -> bytes:
    document: dict[str, object] = {}
    if given.text is not None:
        document["inputText"] = given.text
    if given.image is not None:
        document["inputImage"] = given.image.base64
    if length is not None:
        document["embeddingConfig"] = {"outputEmbeddingLength": length}
    return msgspec.json.encode(document)
