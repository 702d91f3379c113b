"""A request for embeddings and its reply, in neutral words."""

import enum
from collections.abc import Mapping

import msgspec

from pilothouse_proxy.exchange.parts import Image


class Purpose(enum.StrEnum):
    """What the vectors are for, by Cohere's names. A corpus is searched with queries of the same model."""

    DOCUMENT = "search_document"
    QUERY = "search_query"
    CLASSIFICATION = "classification"
    CLUSTERING = "clustering"


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes one vector: a text, an image, or the two together. `path` is the client's name for it."""

    path: str
    text: str | None = None
    image: Image | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the client wants; None: whatever the model does unasked.

    `others` holds what no model here takes, by the client's own parameter names. Null is not in it.
    """

    inputs: tuple[Input, ...]
    dimensions: int | None = None
    purpose: Purpose = Purpose.DOCUMENT
    others: Mapping[str, msgspec.Raw] = {}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream body, and the places in the request of the inputs that it holds."""

    body: bytes
    places: tuple[int, ...]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one body: a vector for each input, in their order.

    Vectors are JSON lists of numbers, as the provider wrote them. `input_tokens` is None where it has not told.
    """

    vectors: tuple[msgspec.Raw, ...]
    input_tokens: int | None
