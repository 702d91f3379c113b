"""Azure OpenAI as a `ports.Provider`."""

from collections.abc import Mapping
from functools import lru_cache

from pilothouse_api.snapshot.credentials import APIKey, BearerToken, Credential
from pilothouse_api.snapshot.endpoints.azure_openai import AzureOpenAIEndpoint
from pilothouse_api.snapshot.providers import Endpoint, Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_chat import lookup
from pilothouse_proxy.dialects.openai_responses import models
from pilothouse_proxy.errors import Failure, GatewayError, Kind
from pilothouse_proxy.http import heads
from pilothouse_proxy.http.body import Body
from pilothouse_proxy.http.messages import Headers, Lines, UpstreamRequest
from pilothouse_proxy.http.origins import Base
from pilothouse_proxy.operations import WRITING, DialectName, Operation
from pilothouse_proxy.ports import NativeRequest, Provider
from pilothouse_proxy.providers.azure_openai import classify, fitting
from pilothouse_proxy.providers.azure_openai.endpoint import has_responses, target

_DIALECTS: Mapping[Operation, tuple[DialectName, ...]] = {
    Operation.CHAT: (DialectName.OPENAI_CHAT,),
    Operation.EMBEDDINGS: (DialectName.OPENAI_EMBEDDINGS,),
    Operation.MESSAGES: (DialectName.OPENAI_CHAT,),
    Operation.RESPONSES: (DialectName.OPENAI_CHAT,),
}
_PATHS: Mapping[DialectName, str] = {
    DialectName.OPENAI_CHAT: "chat/completions",
    DialectName.OPENAI_COMPLETIONS: "completions",
    DialectName.OPENAI_EMBEDDINGS: "embeddings",
    DialectName.OPENAI_RESPONSES: "responses",
}
_STREAMED = frozenset({DialectName.OPENAI_CHAT, DialectName.OPENAI_COMPLETIONS})
"""Whose bodies the API versions treat differently."""


class AzureOpenAIProvider:
    """Stateless."""

    kind: str = "azureOpenAI"

    def dialects(self, operation: Operation, endpoint: Endpoint, model: Model) -> tuple[DialectName, ...]:
        """As `ports.Provider` says. Legacy completions are served by the few models of that kind alone."""
        has = isinstance(endpoint, AzureOpenAIEndpoint) and has_responses(endpoint.api_version)
        if has and models.serves(operation, model):
            return (DialectName.OPENAI_RESPONSES,)
        if operation is not Operation.COMPLETIONS:
            # A model of that kind holds no conversation.
            return () if operation in WRITING and lookup.rules(model).completions else _DIALECTS.get(operation, ())
        return (DialectName.OPENAI_COMPLETIONS,) if lookup.rules(model).completions else (DialectName.OPENAI_CHAT,)

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
        """The operation on the deployment that the target names.

        Raises:
            GatewayError: a name that no deployment can have, or a credential that cannot be sent.
        """
        if not isinstance(endpoint, AzureOpenAIEndpoint):
            raise TypeError(f"a {type(endpoint).__name__} is no endpoint of Azure OpenAI")
        lines = _lines(credential)
        origin, base_path = base
        if call.dialect in _STREAMED:
            body = fitting.fitted(body, call, endpoint.api_version)
        path = target(base_path, endpoint.api_version, call.model.upstream, _PATHS[call.dialect])
        return UpstreamRequest(origin=origin, method=b"POST", target=path, headers=lines, body=body)

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
    name, scheme, key = _signed_in_with(credential)
    # A line break in a key would let it write headers of its own; and no codec's message may quote it.
    if not key or not key.isascii() or not key.isprintable():
        raise GatewayError(Kind.UPSTREAM_AUTH, "the provider's credential is no API key or token that can be sent")
    return [(name, scheme + key.encode("ascii"))]


def _signed_in_with(credential: Credential) -> tuple[bytes, bytes, str]:
    """Name of the header, what stands before the value, and the value: Entra's tokens and keys go different ways."""
    if isinstance(credential, BearerToken):
        return b"authorization", b"Bearer ", credential.token.reveal()
    return b"api-key", b"", credential.key.reveal() if isinstance(credential, APIKey) else ""


PROVIDER: Provider = AzureOpenAIProvider()
