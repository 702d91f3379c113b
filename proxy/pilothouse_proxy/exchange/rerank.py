"""A request to order documents by what they have to do with a query, and its reply, in neutral words."""

from collections.abc import Mapping

import msgspec


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """`text` is what is ranked; `sent` the document as the client wrote it, for it to be given back."""

    text: str
    sent: msgspec.Raw


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the client wants. `top_n` None: all documents are ranked.

    `others` holds what only some models know, by the client's own parameter names. Null is not in it.
    """

    query: str
    documents: tuple[Document, ...]
    top_n: int | None = None
    others: Mapping[str, msgspec.Raw] = {}


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`index` is the document's place in the request; the higher `score`, the more it has to do with the query."""

    index: int
    score: float


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The best first. `input_tokens` is None where the provider counts none."""

    results: tuple[Result, ...]
    input_tokens: int | None = None
