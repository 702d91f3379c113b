"""The half of the dialect that faces providers, as `translation` loads it."""

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.anthropic import body, reply
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.anthropic_messages import stream
from pilothouse_proxy.exchange.reply import Reply
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.ports import EventDecoder


class Provider:
    """`ProviderDialect` of anthropic.messages."""

    def encode_request(self, request: Request, call: Call) -> bytes:
        """See `body.encode`."""
        delivery = body.Delivery.STREAM if call.streams else body.Delivery.WHOLE
        return body.encode(request, call.model, body.Surface.MESSAGES, delivery)

    def decode_reply(self, request: Request, model: Model, body: bytes) -> Reply:
        """See `reply.decode`."""
        return reply.decode(request, body)

    def event_decoder(self, request: Request, call: Call, headers: Headers) -> EventDecoder:
        """For one answer in server-sent events."""
        return stream.Decoder(request, headers)
