"""Reranking to a provider that speaks it: only the model's name is replaced, answers are never decoded."""

import msgspec

from pilothouse_proxy.call import Answer, Call
from pilothouse_proxy.dialects.rerank import wire
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange import members
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.http.body import Body
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.ports import StreamRelay

_reply = msgspec.json.Decoder(wire.Reply)


class PassThrough:
    """`Translation` from rerank to rerank."""

    def request(self, call: Call) -> Body:
        """The client's body under the upstream's model name."""
        return members.renamed(call.body, call.peek.members, call.model.upstream)

    def reply(self, call: Call, headers: Headers, body: bytes) -> Answer:
        """The provider's body, byte for byte. What it counts no tokens for has none: nothing is estimated."""
        try:
            reply = _reply.decode(body)
        except (ValueError, RecursionError) as error:
            raise UpstreamBroken(f"the provider's ranking is not what the API promises: {error}") from None
        billed = reply.meta.billed_units if reply.meta is not None else None
        return Answer(
            body=body,
            usage=Usage(input_tokens=_tokens(reply.usage, billed)),
            search_units=int((billed.search_units if billed is not None else None) or 0),
        )

    def relay(self, call: Call, headers: Headers) -> StreamRelay:
        """Rankings are never streamed."""
        raise UpstreamBroken("the provider streams an answer to a rerank request, which the API does not have")


def _tokens(usage: wire.WireUsage | None, billed: wire.BilledUnits | None) -> int:
    if usage is not None:
        return usage.prompt_tokens or usage.total_tokens or 0
    return int((billed.input_tokens if billed is not None else None) or 0)
