"""Bedrock as a `ports.Provider`."""

from collections.abc import Mapping
from types import MappingProxyType

from pilothouse_api.snapshot.credentials import AccessKey, Credential
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.providers import Endpoint
from pilothouse_proxy.errors import Failure, GatewayError, Kind
from pilothouse_proxy.http import origins
from pilothouse_proxy.http.messages import Headers, UpstreamRequest
from pilothouse_proxy.http.origins import Base
from pilothouse_proxy.ports import Call, DialectName, Operation, Provider
from pilothouse_proxy.providers.bedrock import classify, sign
from pilothouse_proxy.providers.bedrock.endpoint import path


class BedrockProvider:
    """Stateless."""

    kind: str = "bedrock"
    dialects: Mapping[Operation, DialectName] = MappingProxyType({Operation.CHAT: DialectName.BEDROCK_CONVERSE})

    def prepare(
        self, *, endpoint: Endpoint, base: Base, credential: Credential, call: Call, body: bytes, now: float
    ) -> UpstreamRequest:
        """Converse, or ConverseStream for a call that streams.

        Raises:
            GatewayError: a model id that Bedrock cannot have, or a credential that cannot sign.
        """
        if not isinstance(endpoint, BedrockEndpoint):
            raise TypeError(f"a {type(endpoint).__name__} is no endpoint of Bedrock")
        if not isinstance(credential, AccessKey) or not _fits_headers(credential):
            raise GatewayError(Kind.UPSTREAM_AUTH, "the provider's credential is no AWS access key that can sign")
        origin, base_path = base
        target, canonical_path = path(base_path, call.upstream, "converse-stream" if call.peek.stream else "converse")
        headers = sign.headers(
            host=origins.authority(origin.scheme, origin.host, origin.port),
            canonical_path=canonical_path,
            body=body,
            credential=credential,
            region=endpoint.region,
            service=endpoint.service,
            now=now,
        )
        return UpstreamRequest(origin=origin, method=b"POST", target=target, headers=headers, body=body)

    def classify(self, *, status: int, headers: Headers, body: bytes, now: float) -> Failure:
        """What a non-2xx answer means."""
        return classify.classify(status=status, headers=headers, body=body, now=now)


def _fits_headers(credential: AccessKey) -> bool:
    """A line break in a key would let it write headers of its own; and no codec's message may quote it."""
    token = "" if credential.session_token is None else credential.session_token.reveal()
    key_id = credential.access_key_id
    return key_id.isascii() and key_id.isprintable() and token.isascii() and token.isprintable()


PROVIDER: Provider = BedrockProvider()
