"""What is read of answers. A module of its own, because these types are read from their annotations at run time."""

import msgspec


class Titan(msgspec.Struct):
    """Of both generations of Titan's text models, and of the multimodal one."""

    embedding: msgspec.Raw = msgspec.Raw(b"null")
    inputTextTokenCount: int | None = None
    message: str | None = None
    """What went wrong, of the multimodal model."""


class NovaEmbedding(msgspec.Struct):
    embedding: msgspec.Raw


class Nova(msgspec.Struct):
    embeddings: list[NovaEmbedding]


class ByType(msgspec.Struct):
    """Where types were asked for."""

    float: list[msgspec.Raw]


class Cohere(msgspec.Struct):
    """`embeddings` is a list of vectors, or such lists by type."""

    embeddings: list[msgspec.Raw] | ByType


class MarengoEmbedding(msgspec.Struct):
    embedding: msgspec.Raw


class Marengo(msgspec.Struct):
    data: list[MarengoEmbedding] | MarengoEmbedding
