"""A reply of the exchange to a list of embeddings.

`base64` is the little-endian float32 of each number, one after the other: so SDKs ask for them, and decode them.
"""

import binascii
import sys
from array import array

import msgspec

from pilothouse_proxy.dialects.openai_embeddings import decode
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange.embedding import Reply
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.ports import Call

_numbers = msgspec.json.Decoder(list[float])
_encode = msgspec.json.encode
_SWAPPED = sys.byteorder == "big"


def reply(call: Call, answer: Reply, usage: Usage) -> bytes:
    """The body.

    Raises:
        UpstreamBroken: a vector is no list of numbers.
    """
    packed = decode.encoding_format(call.peek.members) == "base64"
    rows: list[object] = [
        {"object": "embedding", "index": at, "embedding": in_base64(raw) if packed else _checked(raw)}
        for at, raw in enumerate(answer.vectors)
    ]
    return _encode(
        {
            "object": "list",
            "data": rows,
            "model": call.peek.model,
            "usage": {"prompt_tokens": usage.input_tokens, "total_tokens": usage.total_tokens},
        }
    )


def in_base64(raw: msgspec.Raw) -> str:
    """A JSON list of numbers in the other form.

    Raises:
        UpstreamBroken: it is none.
    """
    vector = array("f", _decoded(raw))
    if _SWAPPED:
        vector.byteswap()
    return binascii.b2a_base64(vector.tobytes(), newline=False).decode("ascii")


def _checked(raw: msgspec.Raw) -> msgspec.Raw:
    # Passed on as it was written: no digit is lost or added.
    _decoded(raw)
    return raw


def _decoded(raw: msgspec.Raw) -> list[float]:
    try:
        return _numbers.decode(raw)
    except (ValueError, RecursionError) as error:
        raise UpstreamBroken(f"the provider's embedding is no list of numbers: {error}") from None
