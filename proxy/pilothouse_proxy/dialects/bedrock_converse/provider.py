"""The half of the dialect that faces providers, as `translation` loads it; there is no other."""

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_converse import decode, encode, stream
from pilothouse_proxy.exchange.reply import Reply
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.ports import EventDecoder


class Provider:
    """`ProviderDialect` of bedrock.converse."""

    def encode_request(self, request: Request, call: Call) -> bytes:
        """See `encode.body`."""
        return encode.body(request, call)

    def decode_reply(self, request: Request, model: Model, body: bytes) -> Reply:
        """See `decode.reply`."""
        return decode.reply(request, model, body)

    def event_decoder(self, request: Request, call: Call, headers: Headers) -> EventDecoder:
        """For one answer of ConverseStream."""
        return stream.Decoder(request, call, headers)
