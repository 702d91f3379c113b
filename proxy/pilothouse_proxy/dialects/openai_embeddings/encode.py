"""Vectors of the exchange to a list of embeddings.

`base64` is the little-endian float32 of each number, one after the other: so SDKs ask for them, and decode them.
"""

import binascii
import sys
from array import array
from collections.abc import Sequence

import msgspec

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_embeddings import decode
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange.usage import Usage

_numbers = msgspec.json.Decoder(list[float])
_encode = msgspec.json.encode
_SWAPPED = sys.byteorder == "big"


def reply(call: Call, vectors: Sequence[bytes], usage: Usage) -> bytes:
    """The body; each vector as `vector` has it."""
    rows: list[object] = [
        {"object": "embedding", "index": at, "embedding": msgspec.Raw(encoded)} for at, encoded in enumerate(vectors)
    ]
    return _encode(
        {
            "object": "list",
            "data": rows,
            "model": call.peek.model,
            "usage": {"prompt_tokens": usage.input_tokens, "total_tokens": usage.total_tokens},
        }
    )


def vector(call: Call, raw: msgspec.Raw) -> bytes:
    """A JSON list of numbers as the client wants it: as it was written, no digit lost or added; or in base64.

    Raises:
        UpstreamBroken: it is none.
    """
    try:
        numbers = _numbers.decode(raw)
    except (ValueError, RecursionError) as error:
        raise UpstreamBroken(f"the provider's embedding is no list of numbers: {error}") from None
    if decode.encoding_format(call.peek.members) != "base64":
        return bytes(raw)
    packed = array("f", numbers)
    if _SWAPPED:
        packed.byteswap()
    return b'"%b"' % binascii.b2a_base64(packed.tobytes(), newline=False)
