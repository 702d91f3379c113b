"""Bedrock as a `ports.Provider`."""

from functools import lru_cache

from pilothouse_api.snapshot.credentials import AccessKey, APIKey, BearerToken, Credential
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.providers import Endpoint, Model
from pilothouse_proxy.errors import Failure, GatewayError, Kind
from pilothouse_proxy.http import heads, origins
from pilothouse_proxy.http.messages import Headers, Lines, UpstreamRequest
from pilothouse_proxy.http.origins import Base
from pilothouse_proxy.ports import WRITING, Call, DialectName, Operation, Provider
from pilothouse_proxy.providers.bedrock import classify, sign
from pilothouse_proxy.providers.bedrock.endpoint import path

_UNFIT = "the provider's credential is no AWS access key that can sign, nor an API key that can be sent"


class BedrockProvider:
    """Stateless."""

    kind: str = "bedrock"

    def dialects(self, operation: Operation, endpoint: Endpoint, model: Model) -> tuple[DialectName, ...]:
        """As `ports.Provider` says."""
        return (DialectName.BEDROCK_CONVERSE,) if operation in WRITING else ()

    def urls(self, endpoint: Endpoint) -> tuple[str, ...]:
        """The one."""
        return (endpoint.url,)

    def url(self, endpoint: Endpoint, dialect: DialectName, model: Model) -> str:
        """The one."""
        return endpoint.url

    def prepare(
        self, *, endpoint: Endpoint, base: Base, credential: Credential, call: Call, body: bytes, now: float
    ) -> UpstreamRequest:
        """Converse, or ConverseStream for a call that streams; signed, or with an API key as a Bearer token.

        Raises:
            GatewayError: a model id that Bedrock cannot have, or a credential that cannot sign.
        """
        if not isinstance(endpoint, BedrockEndpoint):
            raise TypeError(f"a {type(endpoint).__name__} is no endpoint of Bedrock")
        origin, base_path = base
        target, canonical_path = path(base_path, call.upstream, "converse-stream" if call.streams else "converse")
        if not isinstance(credential, AccessKey):
            lines = _lines(credential)
            return UpstreamRequest(origin=origin, method=b"POST", target=target, headers=lines, body=body)
        if not sign.fits(credential):
            raise GatewayError(Kind.UPSTREAM_AUTH, _UNFIT)
        headers = sign.lines(
            host=origins.authority(origin.scheme, origin.host, origin.port),
            canonical_path=canonical_path,
            body=body,
            credential=credential,
            region=endpoint.region,
            service=endpoint.service,
            now=now,
        )
        return UpstreamRequest(origin=origin, method=b"POST", target=target, headers=headers, body=body)

    def unfit(self, credential: Credential) -> str:
        """As `ports.Provider` says."""
        if isinstance(credential, AccessKey):
            return "" if sign.fits(credential) else _UNFIT
        try:
            _lines(credential)
        except GatewayError as error:
            return error.message
        return ""

    def classify(self, *, status: int, headers: Headers, body: bytes, now: float) -> Failure:
        """What a non-2xx answer means."""
        return classify.classify(status=status, headers=headers, body=body, now=now)


@lru_cache(maxsize=256)
def _lines(credential: Credential) -> Lines:
    """The headers with an API key, of long term or of short.

    https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html
    """
    key = ""
    if isinstance(credential, APIKey):
        key = credential.key.reveal()
    elif isinstance(credential, BearerToken):
        key = credential.token.reveal()
    if not key or not key.isascii() or not key.isprintable():
        raise GatewayError(Kind.UPSTREAM_AUTH, _UNFIT)
    return heads.header_lines(
        [(b"content-type", b"application/json"), (b"authorization", b"Bearer " + key.encode("ascii"))]
    )


PROVIDER: Provider = BedrockProvider()
