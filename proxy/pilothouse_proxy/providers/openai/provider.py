"""An OpenAI-compatible server as a `ports.Provider`."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from pilothouse_api.snapshot.credentials import APIKey, BearerToken, Credential, NoCredential
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint, Responses
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
from pilothouse_proxy.providers.openai import classify

_DIALECTS: Final[Mapping[Operation, tuple[DialectName, ...]]] = {
    Operation.CHAT: (DialectName.OPENAI_CHAT,),
    Operation.EMBEDDINGS: (DialectName.OPENAI_EMBEDDINGS,),
    Operation.MESSAGES: (DialectName.OPENAI_CHAT,),
    Operation.RESPONSES: (DialectName.OPENAI_CHAT,),
    Operation.RERANK: (DialectName.RERANK,),
}
_OPENAI: Final = re.compile(r"https://([a-z0-9-]+\.)?api\.openai\.com(:443)?(/.*)?")
"""OpenAI's own servers, also those of a region."""
_PATHS: Final[Mapping[DialectName, str]] = {
    DialectName.OPENAI_CHAT: "/chat/completions",
    DialectName.OPENAI_COMPLETIONS: "/completions",
    DialectName.OPENAI_EMBEDDINGS: "/embeddings",
    DialectName.OPENAI_RESPONSES: "/responses",
    DialectName.RERANK: "/rerank",
}


class OpenAIProvider:
    """Stateless."""

    kind: str = "openAI"

    def dialects(self, operation: Operation, endpoint: Endpoint, model: Model) -> tuple[DialectName, ...]:
        """As `ports.Provider` says.

        OpenAI's chat models answer 404 to legacy completions; model servers serve every model so.
        """
        if (
            isinstance(endpoint, OpenAIEndpoint)
            and endpoint.responses is Responses.NATIVE
            and models.serves(operation, model)
        ):
            return (DialectName.OPENAI_RESPONSES,)
        if operation is not Operation.COMPLETIONS:
            # A model of that kind holds no conversation.
            return () if operation in WRITING and lookup.rules(model).completions else _DIALECTS.get(operation, ())
        serves = lookup.rules(model).completions
        if serves is None:
            serves = _OPENAI.fullmatch(endpoint.url) is None
        return (DialectName.OPENAI_COMPLETIONS,) if serves else (DialectName.OPENAI_CHAT,)

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
        """The dialect's path below the base URL.

        Raises:
            GatewayError: a credential that cannot be sent.
        """
        if not isinstance(endpoint, OpenAIEndpoint):
            raise TypeError(f"a {type(endpoint).__name__} is no endpoint of an OpenAI-compatible server")
        origin, base_path = base
        return UpstreamRequest(
            origin=origin,
            method=b"POST",
            target=(base_path + _PATHS[call.dialect]).encode("ascii"),
            headers=_lines(credential),
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
    key = _key(credential)
    # A line break in a key would let it write headers of its own; and no codec's message may quote it.
    if not key or not key.isascii() or not key.isprintable():
        raise GatewayError(Kind.UPSTREAM_AUTH, "the provider's credential is no API key or token that can be sent")
    return [(b"authorization", b"Bearer " + key.encode("ascii"))]


def _key(credential: Credential) -> str:
    if isinstance(credential, BearerToken):
        return credential.token.reveal()
    return credential.key.reveal() if isinstance(credential, APIKey) else ""


PROVIDER: Provider = OpenAIProvider()
