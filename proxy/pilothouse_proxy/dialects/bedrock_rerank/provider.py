"""The half of the dialect that faces providers, as `translation` loads it; there is no other."""

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_rerank import models, wire
from pilothouse_proxy.errors import GatewayError, Kind, UpstreamBroken
from pilothouse_proxy.exchange.rerank import Reply, Request, Result
from pilothouse_proxy.http.messages import Headers

_reply = msgspec.json.Decoder(wire.Reply)
_TOKENS = b"x-amzn-bedrock-input-token-count"


class Provider:
    """`RerankProvider` of bedrock.invoke.rerank."""

    def encode_request(self, request: Request, model: Model) -> bytes:
        """The body.

        Raises:
            GatewayError: UNSUPPORTED that names the parameter.
        """
        for name in request.others:
            message = f"`{name}` is not supported by rerank models on Amazon Bedrock"
            raise GatewayError(Kind.UNSUPPORTED, message, param=name)
        documents = [document.text for document in request.documents]
        # More than there are would be refused; and who asks for no number gets all, which is no model's default.
        top_n = len(documents) if request.top_n is None else min(request.top_n, len(documents))
        body: dict[str, object] = {"query": request.query, "documents": documents, "top_n": top_n}
        body.update(models.find(model) or {})
        return msgspec.json.encode(body)

    def decode_reply(self, request: Request, headers: Headers, body: bytes) -> Reply:
        """The ranking.

        Raises:
            UpstreamBroken: not one of the documents that were sent.
        """
        try:
            found = _reply.decode(body).results
        except (ValueError, RecursionError) as error:
            raise UpstreamBroken(f"the provider's ranking is not what the model promises: {error}") from None
        for result in found:
            if not 0 <= result.index < len(request.documents):
                raise UpstreamBroken(f"the provider ranks document {result.index} of {len(request.documents)}")
        return Reply(
            results=tuple([Result(index=result.index, score=result.relevance_score) for result in found]),
            input_tokens=_tokens(headers),
        )


def _tokens(headers: Headers) -> int | None:
    for name, value in headers:
        if name == _TOKENS and value.isdigit() and len(value) < 16:
            return int(value)
    return None
