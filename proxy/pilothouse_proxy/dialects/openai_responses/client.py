"""The half of the dialect that faces clients, as `translation` loads it."""

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_responses import decode, stream
from pilothouse_proxy.exchange import events, telling
from pilothouse_proxy.exchange.reply import Reply
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.ports import EventEncoder


class Client:
    """`ClientDialect` of openai.responses."""

    def decode_request(self, call: Call) -> Request:
        """See `decode.decode`."""
        return decode.decode(call)

    def encode_reply(self, call: Call, reply: Reply) -> bytes:
        """The response."""
        encoder = stream.Encoder(call)
        for event in telling.events_of(reply):
            if not isinstance(event, events.Settled):
                encoder.encode(event)
        return encoder.whole(reply.usage, reply.service_tier, reply.citations)

    def event_encoder(self, call: Call) -> EventEncoder:
        """For one stream."""
        return stream.Encoder(call)
