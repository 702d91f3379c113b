"""The half of the dialect that faces providers, as `translation` loads it."""

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_responses import answer, ask, reading
from pilothouse_proxy.exchange.reply import Reply
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.ports import EventDecoder


class Provider:
    """`ProviderDialect` of openai.responses."""

    def encode_request(self, request: Request, call: Call) -> bytes:
        """See `ask.body`."""
        return ask.body(request, call)

    def decode_reply(self, request: Request, model: Model, body: bytes) -> Reply:
        """See `answer.reply`."""
        return answer.reply(body)

    def event_decoder(self, request: Request, call: Call, headers: Headers) -> EventDecoder:
        """For one streamed response."""
        return reading.Decoder()
