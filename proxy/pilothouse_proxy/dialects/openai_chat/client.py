"""The half of the dialect that faces clients, as `translation` loads it."""

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_chat import chunks, decode, encode
from pilothouse_proxy.exchange.reply import Reply
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.ports import EventEncoder


class Client:
    """`ClientDialect` of openai.chat."""

    def decode_request(self, call: Call) -> Request:
        """See `decode.decode`."""
        return decode.decode(call)

    def encode_reply(self, call: Call, reply: Reply) -> bytes:
        """The body of a `chat.completion`."""
        return encode.reply(call, reply)

    def event_encoder(self, call: Call) -> EventEncoder:
        """For one stream of `chat.completion.chunk`."""
        return chunks.Encoder(call)
