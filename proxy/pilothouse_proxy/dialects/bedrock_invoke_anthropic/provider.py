"""The half of the dialect that faces providers, as `translation` loads it; there is no other."""

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.anthropic import body, reply
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke_anthropic import stream
from pilothouse_proxy.exchange.reply import Reply
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.ports import EventDecoder


class Provider:
    """`ProviderDialect` of bedrock.invoke.anthropic."""

    def encode_request(self, request: Request, call: Call) -> bytes:
        """See `body.encode`; whether to stream is in the path."""
        return body.encode(request, call.model, body.Surface.INVOKE, body.Delivery.WHOLE)

    def decode_reply(self, request: Request, model: Model, body: bytes) -> Reply:
        """See `reply.decode`."""
        return reply.decode(request, body)

    def event_decoder(self, request: Request, call: Call, headers: Headers) -> EventDecoder:
        """For one answer of InvokeModelWithResponseStream."""
        return stream.Decoder(request, headers)
