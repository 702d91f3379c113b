"""CountTokens: how many input tokens Bedrock would bill for a request of Converse.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html. It takes ids of models, neither
profiles nor ARNs: what is asked through a profile is counted as its model.
"""

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_converse import encode
from pilothouse_proxy.errors import GatewayError, Kind, UpstreamBroken
from pilothouse_proxy.exchange.counting import CountReply
from pilothouse_proxy.exchange.request import Request

_NAMED = (":inference-profile/", "::foundation-model/")
"""Parts of the ARNs that tell the model."""


class Counter:
    """`CountProviderDialect` of bedrock.count_tokens."""

    def encode_request(self, request: Request, model: Model) -> bytes:
        """The body of CountTokens.

        Raises:
            GatewayError: UNSUPPORTED or INVALID_REQUEST, as Converse would refuse it; UNSUPPORTED, an ARN that does not
                tell its model.
        """
        if model.upstream.startswith("arn:") and not any(part in model.upstream for part in _NAMED):
            raise GatewayError(
                Kind.UNSUPPORTED,
                "Amazon Bedrock counts tokens by the ids of models: the ARN that serves this one does not tell it",
                param="model",
            )
        return msgspec.json.encode({"input": {"converse": encode.prompt(request, model)}})

    def decode_count(self, request: Request, model: Model, body: bytes) -> CountReply:
        """The count.

        Raises:
            UpstreamBroken: not an answer of CountTokens.
        """
        try:
            tokens = msgspec.json.decode(body)["inputTokens"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UpstreamBroken(f"the provider's answer is not one of CountTokens: {error}") from None
        if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
            raise UpstreamBroken("the provider's answer is not one of CountTokens: inputTokens is no count")
        return CountReply(input_tokens=tokens)
