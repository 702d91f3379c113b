"""Bedrock's paths: `/model/{id}/{operation}`, the id as one segment.

An id may hold `:` and, as an ARN, `/`. On the wire each is percent-encoded once (`%3A`, `%2F`), as botocore does; the
signature is computed over a path that is encoded once more.
"""

from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote

from pilothouse_api.names import UpstreamModel
from pilothouse_proxy.errors import GatewayError, Kind

MAX_MODEL_ID_CHARS: Final = 2_048
"""As the service model bounds `modelId`."""


class Path(NamedTuple):
    """A path as sent, and as signed."""

    wire: bytes
    canonical: str


@lru_cache(maxsize=512)
def path(base: str, model: UpstreamModel, operation: str) -> Path:
    """The path of an operation on a model, below the path of the endpoint (usually empty).

    Raises:
        GatewayError: MODEL_NOT_FOUND for an id that would be no segment of its own (empty, `.`, `..`) or is too long.
    """
    if model in {"", ".", ".."} or len(model) > MAX_MODEL_ID_CHARS:
        raise GatewayError(Kind.MODEL_NOT_FOUND, f"{model[:64]!r} is no model id of Bedrock")
    wire = f"{base}/model/{quote(model, safe='')}/{operation}"
    return Path(wire.encode("ascii"), canonical(wire))


@lru_cache(maxsize=512)
def as_it_is(wire: str) -> Path:
    """A path that names no model."""
    return Path(wire.encode("ascii"), canonical(wire))


def canonical(wire: str) -> str:
    """A path as sent → as signed."""
    return quote(wire, safe="/~")
