"""`bedrock.invoke.cohere_embed`: Cohere Embed v3 and v4, up to 96 texts a call.

Texts, images and pairs of both are put in calls of their own, and the vectors back in the client's order. A text that
is too long is refused, not cut. Answers have two shapes, by whether types of vectors were asked for; here none are, and
both are read.
"""

import enum

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_embed import answers as read
from pilothouse_proxy.dialects.bedrock_embed import asked, batches, models, wire
from pilothouse_proxy.dialects.bedrock_embed.models import Row
from pilothouse_proxy.exchange.embedding import Asked, Input, Reply, Request
from pilothouse_proxy.exchange.parts import Image
from pilothouse_proxy.http.messages import Headers

MOST_BYTES = 18_000_000
"""Of what a call holds: Bedrock takes some 20 MB for this family."""

_answer = msgspec.json.Decoder(wire.Cohere)


class _Sort(enum.Enum):
    """What cannot be mixed within a call."""

    TEXT = "texts"
    IMAGE = "images"
    PAIR = "inputs"


class Provider:
    """`EmbeddingProvider`."""

    def encode_requests(self, request: Request, model: Model) -> list[Asked]:
        """A body for each batch."""
        row = models.row(model)
        asked.check(request, row)
        length = asked.dimensions(request, row)
        return [
            Asked(body=_body(sort, [request.inputs[at] for at in places], request, row, length), places=tuple(places))
            for sort, places in _plan(request, row)
        ]

    def decode_reply(self, headers: Headers, body: bytes) -> Reply:
        """The vectors of a batch."""
        found = read.read(_answer, body).embeddings
        vectors = found.float if isinstance(found, wire.ByType) else found
        return Reply(vectors=tuple(vectors), input_tokens=read.tokens(headers))


def _plan(request: Request, row: Row) -> list[tuple[_Sort, list[int]]]:
    """Which inputs go together."""
    plan: list[tuple[_Sort, list[int]]] = []
    for sort in _Sort:
        places = [at for at, given in enumerate(request.inputs) if _sort(given) is sort]
        sizes = [_size(request.inputs[at]) for at in places]
        most = row.most_images if sort is _Sort.IMAGE else row.most
        for batch in batches.split(sizes, most=most, most_bytes=MOST_BYTES):
            plan.append((sort, [places[at] for at in batch]))
    return plan


def _sort(given: Input) -> _Sort:
    if given.image is None:
        return _Sort.TEXT
    return _Sort.IMAGE if given.text is None else _Sort.PAIR


def _size(given: Input) -> int:
    """Bytes, nearly: what UTF-8 or JSON adds to a text is left to the margin of the limit."""
    return len(given.text or "") + (0 if given.image is None else len(given.image.base64))


def _body(sort: _Sort, inputs: list[Input], request: Request, row: Row, length: int | None) -> bytes:
    held: list[object]
    purpose: str = request.purpose.value
    if sort is _Sort.TEXT:
        held = [given.text for given in inputs]
    elif sort is _Sort.IMAGE:
        held = [_url(given.image) for given in inputs if given.image is not None]
        if not row.pairs:
            purpose = "image"  # v3 knows images by this alone
    else:
        held = [{"content": _content(given)} for given in inputs]
    document: dict[str, object] = {sort.value: held, "input_type": purpose}
    if sort is not _Sort.IMAGE:
        document["truncate"] = "NONE"
    if length is not None:
        document["output_dimension"] = length
    return msgspec.json.encode(document)


def _content(given: Input) -> list[object]:
    content: list[object] = [{"type": "text", "text": given.text}]
    if given.image is not None:
        content.append({"type": "image_url", "image_url": {"url": _url(given.image)}})
    return content


def _url(image: Image) -> str:
    return f"data:image/{image.format.value};base64,{image.base64}"
