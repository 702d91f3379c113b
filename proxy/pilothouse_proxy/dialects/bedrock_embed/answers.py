"""Reading answers: one way of saying that one is broken, one place where tokens are counted."""

from typing import TypeVar

import msgspec

from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.http.messages import Headers

T = TypeVar("T")

_TOKENS = b"x-amzn-bedrock-input-token-count"


def read(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """A body.

    Raises:
        UpstreamBroken: it is not what the model promises.
    """
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise UpstreamBroken(f"the provider's embeddings are not what the model promises: {error}") from None


def tokens(headers: Headers, told: int | None = None) -> int | None:
    """What was read of one request: by the body, else by InvokeModel's header; None where neither tells."""
    if told is not None:
        return told
    for name, value in headers:
        if name == _TOKENS and value.isdigit() and len(value) < 16:
            return int(value)
    return None
