"""`bedrock.invoke.titan_embed`: Titan Embeddings G1 and Titan Text Embeddings V2, a text a call.

V2's vectors are normalised unasked, as OpenAI's are. Its `binary` vectors hold a bit a dimension: they are never asked
for, and are not what OpenAI means by `base64`.
"""

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_embed import answers as read
from pilothouse_proxy.dialects.bedrock_embed import asked, models, wire
from pilothouse_proxy.exchange.embedding import Reply, Request
from pilothouse_proxy.ports import AnswerParts

_answer = msgspec.json.Decoder(wire.Titan)
_encode = msgspec.json.encode


class Provider:
    """`EmbeddingProvider`."""

    def encode_requests(self, request: Request, model: Model) -> list[bytes]:
        """A body for each text."""
        row = models.row(model)
        asked.check(request, row)
        length = asked.dimensions(request, row)
        more: dict[str, object] = {} if length is None else {"dimensions": length}
        return [_encode({"inputText": given.text, **more}) for given in request.inputs]

    def decode_replies(self, request: Request, model: Model, answers: AnswerParts) -> Reply:
        """A vector of each body."""
        found = [(headers, read.read(_answer, body)) for headers, body in answers]
        return Reply(
            vectors=tuple([answer.embedding for _, answer in found]),
            input_tokens=read.total([read.tokens(headers, answer.inputTextTokenCount) for headers, answer in found]),
        )
