"""The half of the dialect that faces clients, as `translation` loads it."""

from collections.abc import Sequence

import msgspec

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_embeddings import decode, encode
from pilothouse_proxy.exchange.embedding import Request
from pilothouse_proxy.exchange.usage import Usage


class Client:
    """`EmbeddingClient` of openai.embeddings."""

    def decode_request(self, call: Call) -> Request:
        """See `decode.decode`."""
        return decode.decode(call)

    def encode_vector(self, call: Call, vector: msgspec.Raw) -> bytes:
        """See `encode.vector`."""
        return encode.vector(call, vector)

    def encode_reply(self, call: Call, vectors: Sequence[bytes], usage: Usage) -> bytes:
        """See `encode.reply`."""
        return encode.reply(call, vectors, usage)
