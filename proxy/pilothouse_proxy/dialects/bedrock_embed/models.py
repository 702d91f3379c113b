"""The embedding models on Bedrock: rows by the longest prefix of the model id. Sources as in the package."""

import functools
from collections.abc import Mapping

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.parts import ImageFormat
from pilothouse_proxy.operations import DialectName


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One family. `most` is how many inputs a call may hold."""

    family: str
    dialect: DialectName
    dimensions: tuple[int, ...]
    """What may be asked for; with one only, it is not asked for but what comes."""
    most: int = 1
    most_images: int = 1
    images: frozenset[ImageFormat] = frozenset()
    """Empty: it takes texts alone."""
    pairs: bool = False
    """Whether a text and an image make one vector together."""
    purposes: bool = False
    """Whether it must know what the vectors are for."""


_ALL = frozenset(ImageFormat)
_D = DialectName

ROWS: Mapping[str, Row] = {
    "amazon.titan-embed-text-v1": Row(
        family="Titan Embeddings G1", dialect=_D.BEDROCK_TITAN_EMBED, dimensions=(1_536,)
    ),
    "amazon.titan-embed-g1-text": Row(
        family="Titan Embeddings G1", dialect=_D.BEDROCK_TITAN_EMBED, dimensions=(1_536,)
    ),
    "amazon.titan-embed-text-v2": Row(
        family="Titan Text Embeddings V2", dialect=_D.BEDROCK_TITAN_EMBED, dimensions=(256, 512, 1_024)
    ),
    "amazon.titan-embed-image": Row(
        family="Titan Multimodal Embeddings",
        dialect=_D.BEDROCK_TITAN_MULTIMODAL,
        dimensions=(256, 384, 1_024),
        images=frozenset({ImageFormat.PNG, ImageFormat.JPEG}),
        pairs=True,
    ),
    "amazon.nova-2-multimodal-embeddings": Row(
        family="Nova Multimodal Embeddings",
        dialect=_D.BEDROCK_NOVA_EMBED,
        dimensions=(256, 384, 1_024, 3_072),
        images=_ALL,
        purposes=True,
    ),
    "cohere.embed-english-v3": Row(
        family="Cohere Embed v3",
        dialect=_D.BEDROCK_COHERE_EMBED,
        dimensions=(1_024,),
        most=96,
        images=_ALL,
        purposes=True,
    ),
    "cohere.embed-multilingual-v3": Row(
        family="Cohere Embed v3",
        dialect=_D.BEDROCK_COHERE_EMBED,
        dimensions=(1_024,),
        most=96,
        images=_ALL,
        purposes=True,
    ),
    "cohere.embed-v4": Row(
        family="Cohere Embed v4",
        dialect=_D.BEDROCK_COHERE_EMBED,
        dimensions=(256, 512, 1_024, 1_536),
        most=96,
        most_images=96,
        images=_ALL,
        pairs=True,
        purposes=True,
    ),
    "twelvelabs.marengo-embed-2-7": Row(family="Marengo Embed 2.7", dialect=_D.BEDROCK_MARENGO, dimensions=(1_024,)),
    "twelvelabs.marengo-embed-3-0": Row(family="Marengo Embed 3.0", dialect=_D.BEDROCK_MARENGO, dimensions=(512,)),
}


def find(model: Model) -> Row | None:
    """What is known of a model: by the family that the manifest names, else by the upstream name (id, profile, ARN)."""
    return _found(model.family, model.upstream)


def row(model: Model) -> Row:
    """The same of a model that must be known.

    Raises:
        GatewayError: UNSUPPORTED, it is not.
    """
    found = find(model)
    if found is None:
        message = f"{model.upstream[:64]!r} is no embedding model on Amazon Bedrock that is known here; `family` of the"
        raise GatewayError(Kind.UNSUPPORTED, f"{message} provider's model can name one", param="model")
    return found


@functools.lru_cache(maxsize=1024)
def _found(family: str | None, upstream: str) -> Row | None:
    for name in (family, upstream):
        if name is None:
            continue
        base = name.rpartition("/")[2].lower()
        # With or without the geography of an inference profile, and as a family without its vendor.
        named = (base, base.partition(".")[2])
        fitting = [
            prefix
            for prefix in ROWS
            if any(it.startswith(prefix) for it in named) or base.startswith(prefix.partition(".")[2])
        ]
        if fitting:
            return ROWS[max(fitting, key=len)]
    return None
