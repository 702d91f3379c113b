"""`bedrock.invoke.marengo`: TwelveLabs Marengo Embed 2.7 and 3.0, a text a call.

What else they embed (sound, film) is asked for asynchronously and is none of this dialect's business.
"""

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_embed import answers as read
from pilothouse_proxy.dialects.bedrock_embed import asked, models, wire
from pilothouse_proxy.exchange.embedding import Asked, Reply, Request
from pilothouse_proxy.http.messages import Headers

_NESTED = (512,)
"""The vectors of the generation that has the text in an object of its own."""

_answer = msgspec.json.Decoder(wire.Marengo)


class Provider:
    """`EmbeddingProvider`."""

    def encode_requests(self, request: Request, model: Model) -> list[Asked]:
        """A body for each text. A text that is too long for 2.7 is refused, not cut: it wants to be told."""
        row = models.row(model)
        asked.check(request, row)
        asked.dimensions(request, row)
        nested = row.dimensions == _NESTED
        return [
            Asked(body=_body(given.text or "", nested=nested), places=(at,)) for at, given in enumerate(request.inputs)
        ]

    def decode_reply(self, headers: Headers, body: bytes) -> Reply:
        """The one vector."""
        data = read.read(_answer, body).data
        found = data if isinstance(data, list) else [data]
        return Reply(vectors=tuple([one.embedding for one in found]), input_tokens=read.tokens(headers))


def _body(text: str, *, nested: bool) -> bytes:
    document: dict[str, object] = {"inputType": "text"}
    if nested:
        document["text"] = {"inputText": text}
    else:
        document.update(inputText=text, textTruncate="none")
    return msgspec.json.encode(document)
