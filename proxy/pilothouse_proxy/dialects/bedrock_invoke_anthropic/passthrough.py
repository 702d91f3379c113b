"""A client's Messages to InvokeModel: values pass byte for byte, members are put where Bedrock wants them.

`model` and `stream` are in the path. The version is Bedrock's own, whatever the client said: newer SDKs send one that
InvokeModel refuses. Betas, which Anthropic takes in a header, go into the body.
"""

import msgspec

from pilothouse_proxy.anthropic import ahead, framed, passing
from pilothouse_proxy.anthropic.body import INVOKE_VERSION
from pilothouse_proxy.call import Answer, Call
from pilothouse_proxy.dialects.bedrock_invoke_anthropic import relay
from pilothouse_proxy.exchange import members
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.ports import StreamRelay

_IN_PATH = frozenset({"model", "stream"})
_BETAS = "anthropic_beta"

_texts: msgspec.json.Decoder[list[str] | None] = msgspec.json.Decoder(list[str] | None)


class PassThrough:
    """`Translation` from anthropic.messages to bedrock.invoke.anthropic."""

    def request(self, call: Call) -> bytes:
        """The client's members in Bedrock's order of things.

        Raises:
            GatewayError: UNSUPPORTED, what the model is known to refuse.
        """
        ahead.check(call.model, call.peek.members)
        sent = {name: raw for name, raw in call.peek.members.items() if name not in _IN_PATH}
        named = members.value(sent, _BETAS, _texts) if _BETAS in sent else None
        betas = framed.betas(call.headers.get(b"anthropic-beta"), named or ())
        if betas:
            return members.replaced(sent, anthropic_version=INVOKE_VERSION, anthropic_beta=betas)
        sent.pop(_BETAS, None)
        return members.replaced(sent, anthropic_version=INVOKE_VERSION)

    def reply(self, call: Call, headers: Headers, body: bytes) -> Answer:
        """The provider's body, byte for byte."""
        usage, finish = passing.read_reply(body)
        return Answer(body=body, usage=usage, finish_reason=finish)

    def relay(self, call: Call, headers: Headers) -> StreamRelay:
        """Each chunk's JSON, byte for byte, as a server-sent event."""
        return relay.Relay(call, headers)
