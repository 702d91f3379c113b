"""`bedrock.invoke.titan_embed`: Titan Embeddings G1 and Titan Text Embeddings V2, a text a call.

V2's vectors are normalised unasked, as OpenAI's are. Its `binary` vectors hold a bit a dimension: they are never asked
for, and are not what OpenAI means by `base64`.
"""

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_embed import answers as read
from pilothouse_proxy.dialects.bedrock_embed import asked, models, wire
from pilothouse_proxy.exchange.embedding import Asked, Reply, Request
from pilothouse_proxy.http.messages import Headers

_answer = msgspec.json.Decoder(wire.Titan)
_encode = msgspec.json.encode


class Provider:
    """`EmbeddingProvider`."""

    def encode_requests(self, request: Request, model: Model) -> list[Asked]:
        """A body for each text."""
        row = models.row(model)
        asked.check(request, row)
        length = asked.dimensions(request, row)
        more: dict[str, object] = {} if length is None else {"dimensions": length}
        return [
            Asked(body=_encode({"inputText": given.text, **more}), places=(at,))
            for at, given in enumerate(request.inputs)
        ]

    def decode_reply(self, headers: Headers, body: bytes) -> Reply:
        """The one vector."""
        answer = read.read(_answer, body)
        return Reply(vectors=(answer.embedding,), input_tokens=read.tokens(headers, answer.inputTextTokenCount))
