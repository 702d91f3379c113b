"""The half of the dialect that faces providers, as `translation` loads it."""

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_chat import reply as replies
from pilothouse_proxy.dialects.openai_chat import request as requests
from pilothouse_proxy.dialects.openai_chat import stream
from pilothouse_proxy.dialects.openai_chat.request import Streams
from pilothouse_proxy.exchange.reply import Reply
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.ports import EventDecoder


class Provider:
    """`ProviderDialect` of openai.chat."""

    def encode_request(self, request: Request, call: Call) -> bytes:
        """See `request.body`."""
        return requests.body(request, call.model, Streams.YES if call.streams else Streams.NO)

    def decode_reply(self, request: Request, model: Model, body: bytes) -> Reply:
        """See `reply.reply`."""
        return replies.reply(request, body)

    def event_decoder(self, request: Request, call: Call, headers: Headers) -> EventDecoder:
        """For one stream of `chat.completion.chunk`."""
        return stream.Decoder(request, headers)
