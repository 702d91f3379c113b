"""Messages to a provider that speaks it: unknown members survive as they came, `model` alone is replaced."""

import msgspec

from pilothouse_proxy.anthropic import ahead, passing
from pilothouse_proxy.call import Answer, Call
from pilothouse_proxy.dialects.anthropic_messages import relay
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange import members
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.http.body import Body
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.ports import StreamRelay


class _Count(msgspec.Struct):
    input_tokens: int


_count = msgspec.json.Decoder(_Count)


class PassThrough:
    """`Translation` from anthropic.messages to anthropic.messages."""

    def request(self, call: Call) -> Body:
        """The client's body under the upstream's model name.

        Raises:
            GatewayError: UNSUPPORTED, what the model is known to refuse.
        """
        ahead.check(call.model, call.peek.members)
        return members.renamed(call.body, call.peek.members, call.model.upstream)

    def reply(self, call: Call, headers: Headers, body: bytes) -> Answer:
        """The provider's body, byte for byte."""
        usage, finish = passing.read_reply(body)
        return Answer(body=body, usage=usage, finish_reason=finish)

    def relay(self, call: Call, headers: Headers) -> StreamRelay:
        """Events as they came."""
        return relay.Relay(call, headers)


class CountPassThrough:
    """`Translation` from anthropic.count_tokens to anthropic.count_tokens. Counting costs nothing."""

    def request(self, call: Call) -> Body:
        """The client's body under the upstream's model name."""
        return members.renamed(call.body, call.peek.members, call.model.upstream)

    def reply(self, call: Call, headers: Headers, body: bytes) -> Answer:
        """The provider's body, byte for byte."""
        try:
            _count.decode(body)
        except (ValueError, RecursionError) as error:
            raise UpstreamBroken(f"the provider's answer is no count of tokens: {error}") from None
        return Answer(body=body, usage=Usage())

    def relay(self, call: Call, headers: Headers) -> StreamRelay:
        """Counts are never streamed."""
        raise UpstreamBroken("the provider streams an answer to a token count, which the API does not have")
