"""OpenAI's embeddings to a provider that speaks them: only the model's name is replaced, vectors are never decoded."""

import msgspec

from pilothouse_proxy.call import Answer, Call
from pilothouse_proxy.errors import GatewayError, Kind, UpstreamBroken
from pilothouse_proxy.exchange import members
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.http.body import Body
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.ports import StreamRelay


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0


class _Reply(msgspec.Struct):
    data: msgspec.Raw
    usage: _Usage | None = None


_reply = msgspec.json.Decoder(_Reply)
_TEXTS_ALONE = "text-embedding-"
"""Part of the names of OpenAI's models. Model servers have some that take images, in a form of their own."""


class PassThrough:
    """`Translation` from openai.embeddings to openai.embeddings."""

    def request(self, call: Call) -> Body:
        """The client's body under the upstream's model name.

        Raises:
            GatewayError: UNSUPPORTED, inputs that are no text to a model of OpenAI's.
        """
        if _holds_objects(call.peek.members["input"]) and _TEXTS_ALONE in (call.model.family or call.model.upstream):
            raise GatewayError(
                Kind.UNSUPPORTED, "`input` holds objects; this model embeds texts and token ids", param="input"
            )
        return members.renamed(call.body, call.peek.members, call.model.upstream)

    def reply(self, call: Call, headers: Headers, body: bytes) -> Answer:
        """The provider's body, byte for byte."""
        try:
            reply = _reply.decode(body)
        except (ValueError, RecursionError) as error:
            raise UpstreamBroken(f"the provider's embeddings are not what the API promises: {error}") from None
        usage = None if reply.usage is None else Usage(input_tokens=reply.usage.prompt_tokens)
        return Answer(body=body, usage=usage)

    def relay(self, call: Call, headers: Headers) -> StreamRelay:
        """Embeddings are never streamed."""
        raise UpstreamBroken("the provider streams an answer to an embeddings request, which the API does not have")


def _holds_objects(sent: msgspec.Raw) -> bool:
    """Whether the list begins with one. Longer lists are not looked through."""
    return bytes(memoryview(sent)[:16]).replace(b" ", b"")[:2] == b"[{"
