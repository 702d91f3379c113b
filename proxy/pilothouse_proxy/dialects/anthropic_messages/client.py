"""The half of the dialect that faces clients, as `translation` loads it."""

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.anthropic_messages import chunks, decode, encode
from pilothouse_proxy.exchange.counting import CountReply
from pilothouse_proxy.exchange.reply import Reply
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.ports import EventEncoder


class Client:
    """`ClientDialect` of anthropic.messages."""

    def decode_request(self, call: Call) -> Request:
        """See `decode.decode`."""
        return decode.decode(call)

    def encode_reply(self, call: Call, reply: Reply) -> bytes:
        """The body of a Message."""
        return encode.reply(call, reply)

    def event_encoder(self, call: Call) -> EventEncoder:
        """For the stream of one Message."""
        return chunks.Encoder(call)


class CountClient:
    """`CountClientDialect` of anthropic.count_tokens."""

    def decode_request(self, call: Call) -> Request:
        """See `decode.decode`."""
        return decode.decode(call)

    def encode_count(self, call: Call, reply: CountReply) -> bytes:
        """The body of the answer."""
        return encode.count(reply)
