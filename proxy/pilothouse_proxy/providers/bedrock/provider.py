"""Bedrock as a `ports.Provider`."""

from functools import lru_cache
from typing import Final

from pilothouse_api.snapshot.credentials import AccessKey, APIKey, BearerToken, Credential
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.providers import Endpoint, Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.errors import Failure, GatewayError, Kind
from pilothouse_proxy.http import heads, origins
from pilothouse_proxy.http.body import Body, whole
from pilothouse_proxy.http.messages import Headers, Lines, UpstreamRequest
from pilothouse_proxy.http.origins import Base
from pilothouse_proxy.operations import DialectName, Operation
from pilothouse_proxy.ports import NativeRequest, Provider
from pilothouse_proxy.providers.bedrock import classify, sign, surfaces
from pilothouse_proxy.providers.bedrock.endpoint import Path, as_it_is, canonical, path

_JSON: Final = (b"content-type", b"application/json")
_UNFIT: Final = "the provider's credential is no AWS access key that can sign, nor an API key that can be sent"


class BedrockProvider:
    """Stateless."""

    kind: str = "bedrock"

    def dialects(self, operation: Operation, endpoint: Endpoint, model: Model) -> tuple[DialectName, ...]:
        """As `ports.Provider` says."""
        return surfaces.dialects(operation, model)

    def check(self, call: Call) -> None:
        """As `ports.Provider` says."""
        surfaces.check(call)

    def urls(self, endpoint: Endpoint) -> tuple[str, ...]:
        """The runtime host, and `bedrock-mantle` where a model is asked there."""
        mantle = _of_bedrock(endpoint).mantle_url
        return (endpoint.url,) if mantle is None else (endpoint.url, mantle)

    def url(self, endpoint: Endpoint, dialect: DialectName, model: Model) -> str:
        """One of the two."""
        return surfaces.url(_of_bedrock(endpoint), dialect, model)

    def prepare(
        self, *, endpoint: Endpoint, base: Base, credential: Credential, call: Call, body: Body, now: float
    ) -> UpstreamRequest:
        """An operation on the model, or the path of another API; signed, or with an API key as a Bearer token.

        Raises:
            GatewayError: a model id that Bedrock cannot have, or a credential that cannot sign.
        """
        found = _of_bedrock(endpoint)
        origin, base_path = base
        target, canonical_path = _path(base_path, call)
        own = surfaces.headers(call)
        if not isinstance(credential, AccessKey):
            lines = _lines(credential)
            headers = Lines(lines + heads.header_lines(own)) if own else lines
            return UpstreamRequest(origin=origin, method=b"POST", target=target, headers=headers, body=body)
        if not sign.fits(credential):
            raise GatewayError(Kind.UPSTREAM_AUTH, _UNFIT)
        host = origins.authority(origin.scheme, origin.host, origin.port)
        service = surfaces.service(found, call)
        body = whole(body)
        if own and call.dialect in surfaces.NATIVE:
            # Bedrock's own headers are signed too.
            request = NativeRequest(method=b"POST", path=b"", query=b"", headers=[_JSON, *own], body=body)
            signed = sign.headers(
                request,
                host=host,
                canonical_path=canonical_path,
                credential=credential,
                region=found.region,
                service=service,
                now=now,
            )
            return UpstreamRequest(
                origin=origin, method=b"POST", target=target, headers=[*request.headers, *signed], body=body
            )
        lines = sign.lines(
            host=host,
            canonical_path=canonical_path,
            body=body,
            credential=credential,
            region=found.region,
            service=service,
            now=now,
        )
        headers = Lines(lines + heads.header_lines(own)) if own else lines
        return UpstreamRequest(origin=origin, method=b"POST", target=target, headers=headers, body=body)

    def native(
        self, *, endpoint: Endpoint, base: Base, credential: Credential, request: NativeRequest, now: float
    ) -> UpstreamRequest:
        """As `ports.Provider` says; on the runtime host."""
        endpoint = _of_bedrock(endpoint)
        origin, base_path = base
        if isinstance(credential, AccessKey):
            if not sign.fits(credential):
                raise GatewayError(Kind.UPSTREAM_AUTH, _UNFIT)
            signed = sign.headers(
                request,
                host=origins.authority(origin.scheme, origin.host, origin.port),
                canonical_path=canonical(base_path + request.path.decode("ascii")),
                credential=credential,
                region=endpoint.region,
                service=endpoint.service,
                now=now,
            )
        else:
            signed = [(b"authorization", b"Bearer " + _key(credential))]
        return UpstreamRequest(
            origin=origin,
            method=request.method,
            target=request.target(base_path),
            headers=[*request.headers, *signed],
            body=request.body,
        )

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


def _path(base: str, call: Call) -> Path:
    """Of an operation on the model, or of another API."""
    native = surfaces.NATIVE.get(call.dialect)
    if native is not None:
        return path(base, surfaces.model_id(call), native[call.streams])
    return as_it_is(base + surfaces.path(call.dialect, call.model))


def _of_bedrock(endpoint: Endpoint) -> BedrockEndpoint:
    if not isinstance(endpoint, BedrockEndpoint):
        raise TypeError(f"a {type(endpoint).__name__} is no endpoint of Bedrock")
    return endpoint


@lru_cache(maxsize=256)
def _lines(credential: Credential) -> Lines:
    """The headers with an API key."""
    return heads.header_lines(
        [(b"content-type", b"application/json"), (b"authorization", b"Bearer " + _key(credential))]
    )


def _key(credential: Credential) -> bytes:
    """An API key, of long term or of short, as it is sent.

    https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html
    """
    key = ""
    if isinstance(credential, APIKey):
        key = credential.key.reveal()
    elif isinstance(credential, BearerToken):
        key = credential.token.reveal()
    if not key or not key.isascii() or not key.isprintable():
        raise GatewayError(Kind.UPSTREAM_AUTH, _UNFIT)
    return key.encode("ascii")


PROVIDER: Provider = BedrockProvider()
