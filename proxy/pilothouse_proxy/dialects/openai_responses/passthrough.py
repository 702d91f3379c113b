"""Responses to a provider that speaks them: bytes pass, unknown members and tools survive as they came.

Only `model` is replaced. What rests on the provider's memory (`previous_response_id`, `conversation`, `store`) passes
too, and works as long as the same provider is asked.
"""

import msgspec

from pilothouse_proxy.call import Answer, Call
from pilothouse_proxy.dialects.openai_responses import ahead, errors, relay, views
from pilothouse_proxy.dialects.openai_responses import usage as wire_usage
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange import members
from pilothouse_proxy.http.body import Body
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.ports import StreamRelay

_response = msgspec.json.Decoder(views.Response)


class PassThrough:
    """`Translation` from openai.responses to openai.responses."""

    def request(self, call: Call) -> Body:
        """The client's body under the upstream's model name.

        Raises:
            GatewayError: UNSUPPORTED, what the model is known to refuse.
        """
        ahead.check(call)
        return members.renamed(call.body, call.peek.members, call.model.upstream)

    def reply(self, call: Call, headers: Headers, body: bytes) -> Answer:
        """The provider's body, byte for byte."""
        try:
            response = _response.decode(body)
        except (ValueError, RecursionError) as error:
            raise UpstreamBroken(f"the provider's answer is not a response: {error}") from None
        if response.status == "failed":
            failed = errors.failure(response.error)
            raise UpstreamBroken(f"the provider reports a failed response: {failed.message}")
        return Answer(
            body=body,
            usage=None if response.usage is None else wire_usage.decode(response.usage),
            finish_reason=relay.finish_reason(response),
        )

    def relay(self, call: Call, headers: Headers) -> StreamRelay:
        """Events as they came."""
        return relay.Relay()
