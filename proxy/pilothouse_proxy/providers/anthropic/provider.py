"""A server that speaks Anthropic's API as a `ports.Provider`."""

from collections.abc import Mapping
from functools import lru_cache

from pilothouse_api.snapshot.credentials import APIKey, BearerToken, Credential, NoCredential
from pilothouse_api.snapshot.endpoints.anthropic import AnthropicEndpoint
from pilothouse_api.snapshot.providers import Endpoint, Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.errors import Failure, GatewayError, Kind
from pilothouse_proxy.http import heads
from pilothouse_proxy.http.body import Body
from pilothouse_proxy.http.messages import Headers, Lines, UpstreamRequest
from pilothouse_proxy.http.origins import Base
from pilothouse_proxy.operations import WRITING, DialectName, Operation
from pilothouse_proxy.ports import NativeRequest, Provider
from pilothouse_proxy.providers.anthropic import classify

DEFAULT_VERSION = b"2023-06-01"
"""The version that every model knows, for clients that name none: those of other APIs."""

_DIALECTS: Mapping[Operation, tuple[DialectName, ...]] = {
    **dict.fromkeys(WRITING, (DialectName.ANTHROPIC_MESSAGES,)),
    Operation.COUNT_TOKENS: (DialectName.ANTHROPIC_COUNT_TOKENS,),
}
_PATHS: Mapping[DialectName, str] = {
    DialectName.ANTHROPIC_MESSAGES: "/v1/messages",
    DialectName.ANTHROPIC_COUNT_TOKENS: "/v1/messages/count_tokens",
}
_VERSION = b"anthropic-version"
_BETA = b"anthropic-beta"


class AnthropicProvider:
    """Stateless."""

    kind: str = "anthropic"

    def dialects(self, operation: Operation, endpoint: Endpoint, model: Model) -> tuple[DialectName, ...]:
        """As `ports.Provider` says."""
        return _DIALECTS.get(operation, ())

    def check(self, call: Call) -> None:
        """Nothing is known beforehand."""

    def urls(self, endpoint: Endpoint) -> tuple[str, ...]:
        """The one."""
        return (endpoint.url,)

    def url(self, endpoint: Endpoint, dialect: DialectName, model: Model) -> str:
        """The one."""
        return endpoint.url

    def prepare(
        self, *, endpoint: Endpoint, base: Base, credential: Credential, call: Call, body: Body, now: float
    ) -> UpstreamRequest:
        """The dialect's path below the base URL. A client of Messages chooses version and betas itself.

        Raises:
            GatewayError: a credential that cannot be sent.
        """
        if not isinstance(endpoint, AnthropicEndpoint):
            raise TypeError(f"a {type(endpoint).__name__} is no endpoint of Anthropic")
        chosen = [(_VERSION, call.headers.get(_VERSION, DEFAULT_VERSION))]
        betas = call.headers.get(_BETA)
        if betas is not None:
            chosen.append((_BETA, betas))
        origin, base_path = base
        return UpstreamRequest(
            origin=origin,
            method=b"POST",
            target=(base_path + _PATHS[call.dialect]).encode("ascii"),
            headers=Lines(_lines(credential) + heads.header_lines(chosen)),
            body=body,
        )

    def native(
        self, *, endpoint: Endpoint, base: Base, credential: Credential, request: NativeRequest, now: float
    ) -> UpstreamRequest:
        """As `ports.Provider` says."""
        origin, base_path = base
        return UpstreamRequest(
            origin=origin,
            method=request.method,
            target=request.target(base_path),
            headers=[*request.headers, *_sign_in(credential)],
            body=request.body,
        )

    def unfit(self, credential: Credential) -> str:
        """As `ports.Provider` says."""
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
    # A compressed answer could not be relayed event by event.
    plain = [(b"content-type", b"application/json"), (b"accept-encoding", b"identity")]
    return heads.header_lines([*plain, *_sign_in(credential)])


def _sign_in(credential: Credential) -> Headers:
    if isinstance(credential, NoCredential):
        return []
    name, scheme, key = _signed_in_with(credential)
    # A line break in a key would let it write headers of its own; and no codec's message may quote it.
    if not key or not key.isascii() or not key.isprintable():
        raise GatewayError(Kind.UPSTREAM_AUTH, "the provider's credential is no API key or token that can be sent")
    return [(name, scheme + key.encode("ascii"))]


def _signed_in_with(credential: Credential) -> tuple[bytes, bytes, str]:
    """Name of the header, what stands before the value, and the value: keys and tokens go different ways."""
    if isinstance(credential, BearerToken):
        return b"authorization", b"Bearer ", credential.token.reveal()
    return b"x-api-key", b"", credential.key.reveal() if isinstance(credential, APIKey) else ""


PROVIDER: Provider = AnthropicProvider()
