"""`bedrock.invoke.marengo`: TwelveLabs Marengo Embed 2.7 and 3.0, a text a call.

What else they embed (sound, film) is asked for asynchronously and is none of this dialect's business.
"""

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_embed import answers as read
from pilothouse_proxy.dialects.bedrock_embed import asked, models, wire
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange.embedding import Reply, Request
from pilothouse_proxy.ports import AnswerParts

_NESTED = (512,)
"""The vectors of the generation that has the text in an object of its own."""

_answer = msgspec.json.Decoder(wire.Marengo)


class Provider:
    """`EmbeddingProvider`."""

    def encode_requests(self, request: Request, model: Model) -> list[bytes]:
        """A body for each text. A text that is too long for 2.7 is refused, not cut: it wants to be told."""
        row = models.row(model)
        asked.check(request, row)
        asked.dimensions(request, row)
        nested = row.dimensions == _NESTED
        return [_body(given.text or "", nested=nested) for given in request.inputs]

    def decode_replies(self, request: Request, model: Model, answers: AnswerParts) -> Reply:
        """A vector of each body."""
        vectors: list[msgspec.Raw] = []
        counts: list[int | None] = []
        for headers, body in answers:
            data = read.read(_answer, body).data
            found = data if isinstance(data, list) else [data]
            if len(found) != 1:
                raise UpstreamBroken(f"the provider sent {len(found)} vectors for an input")
            vectors.append(found[0].embedding)
            counts.append(read.tokens(headers))
        return Reply(vectors=tuple(vectors), input_tokens=read.total(counts))


def _body(text: str, *, nested: bool) -> bytes:
    document: dict[str, object] = {"inputType": "text"}
    if nested:
        document["text"] = {"inputText": text}
    else:
        document.update(inputText=text, textTruncate="none")
    return msgspec.json.encode(document)
