"""Which dialects meet, and how: the same one passes bytes through, two different ones meet in the exchange.

Dialects are named by string and loaded when a snapshot first needs them: a proxy without Bedrock never loads Converse.
"""

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec import structs

from pilothouse_proxy.call import Answer, Call, Peek
from pilothouse_proxy.errors import Failure, GatewayError, UpstreamBroken
from pilothouse_proxy.exchange import embedding, estimate, events, rerank, telling
from pilothouse_proxy.exchange.reply import Reply
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.operations import DialectName
from pilothouse_proxy.ports import (
    ClientDialect,
    CountClientDialect,
    CountProviderDialect,
    EmbeddingClient,
    EmbeddingProvider,
    EventDecoder,
    EventEncoder,
    HeadedDialect,
    Meter,
    Part,
    ProviderDialect,
    RerankClient,
    RerankProvider,
    StreamRelay,
    Translation,
)

_D = DialectName
_ROOM: Final = "pilothouse_proxy.dialects."

PEEKS: Final[Mapping[DialectName, str]] = {
    _D.OPENAI_CHAT: "openai_chat.peek:read",
    _D.OPENAI_COMPLETIONS: "openai_chat.legacy.peek:read",
    _D.OPENAI_EMBEDDINGS: "openai_embeddings.peek:read",
    _D.OPENAI_RESPONSES: "openai_responses.peek:read",
    _D.ANTHROPIC_MESSAGES: "anthropic_messages.peek:read",
    _D.ANTHROPIC_COUNT_TOKENS: "anthropic_messages.peek:read_count",
    _D.RERANK: "rerank.peek:read",
}
"""What clients may speak."""

HEADERS: Final[Mapping[DialectName, str]] = {
    _D.ANTHROPIC_MESSAGES: "anthropic_messages.versions:read",
    _D.ANTHROPIC_COUNT_TOKENS: "anthropic_messages.versions:read",
}
"""Which dialects of clients say something in headers."""

PASS_THROUGH: Final[Mapping[DialectName, str]] = {
    _D.OPENAI_CHAT: "openai_chat.passthrough:PassThrough",
    _D.OPENAI_COMPLETIONS: "openai_chat.passthrough:PassThrough",
    _D.OPENAI_EMBEDDINGS: "openai_embeddings.passthrough:PassThrough",
    _D.OPENAI_RESPONSES: "openai_responses.passthrough:PassThrough",
    _D.RERANK: "rerank.passthrough:PassThrough",
    _D.ANTHROPIC_MESSAGES: "anthropic_messages.passthrough:PassThrough",
    _D.ANTHROPIC_COUNT_TOKENS: "anthropic_messages.passthrough:CountPassThrough",
}
REFRAMED: Final[Mapping[tuple[DialectName, DialectName], str]] = {
    (_D.ANTHROPIC_MESSAGES, _D.BEDROCK_INVOKE_ANTHROPIC): "bedrock_invoke_anthropic.passthrough:PassThrough",
}
"""Two dialects with one body in different frames: bytes pass here too."""

CLIENTS: Final[Mapping[DialectName, str]] = {
    _D.OPENAI_CHAT: "openai_chat.client:Client",
    _D.OPENAI_RESPONSES: "openai_responses.client:Client",
    _D.ANTHROPIC_MESSAGES: "anthropic_messages.client:Client",
    _D.OPENAI_COMPLETIONS: "openai_chat.legacy.client:Client",
}
PROVIDERS: Final[Mapping[DialectName, str]] = {
    _D.OPENAI_CHAT: "openai_chat.provider:Provider",
    _D.BEDROCK_CONVERSE: "bedrock_converse.provider:Provider",
    _D.OPENAI_RESPONSES: "openai_responses.provider:Provider",
    _D.ANTHROPIC_MESSAGES: "anthropic_messages.provider:Provider",
    _D.BEDROCK_INVOKE_ANTHROPIC: "bedrock_invoke_anthropic.provider:Provider",
}
COUNT_CLIENTS: Final[Mapping[DialectName, str]] = {
    _D.ANTHROPIC_COUNT_TOKENS: "anthropic_messages.client:CountClient",
}
COUNT_PROVIDERS: Final[Mapping[DialectName, str]] = {
    _D.BEDROCK_COUNT_TOKENS: "bedrock_converse.counting:Counter",
}
WORDS: Final[Mapping[DialectName, str]] = {
    _D.OPENAI_RESPONSES: "openai_responses.words:own",
    _D.ANTHROPIC_MESSAGES: "anthropic_messages.words:own",
    _D.ANTHROPIC_COUNT_TOKENS: "anthropic_messages.words:own",
}
"""Dialects of clients with names of their own for what refusals name as OpenAI does."""
HEADED: Final[Mapping[DialectName, str]] = {
    _D.BEDROCK_INVOKE_TITAN_TEXT: "bedrock_invoke.provider:TITAN_TEXT",
    _D.BEDROCK_INVOKE_CLAUDE_TEXT: "bedrock_invoke.provider:CLAUDE_TEXT",
    _D.BEDROCK_INVOKE_JURASSIC: "bedrock_invoke.provider:JURASSIC",
    _D.BEDROCK_INVOKE_JAMBA: "bedrock_invoke.provider:JAMBA",
    _D.BEDROCK_INVOKE_COMMAND: "bedrock_invoke.provider:COMMAND",
    _D.BEDROCK_INVOKE_COMMAND_R: "bedrock_invoke.provider:COMMAND_R",
    _D.BEDROCK_INVOKE_LLAMA: "bedrock_invoke.provider:LLAMA",
    _D.BEDROCK_INVOKE_MISTRAL: "bedrock_invoke.provider:MISTRAL",
    _D.BEDROCK_INVOKE_MISTRAL_CHAT: "bedrock_invoke.provider:MISTRAL_CHAT",
    _D.BEDROCK_INVOKE_DEEPSEEK: "bedrock_invoke.provider:DEEPSEEK",
    _D.BEDROCK_INVOKE_NOVA: "bedrock_invoke.provider:NOVA",
    _D.BEDROCK_INVOKE_OPENAI: "bedrock_invoke.provider:OPENAI",
}
"""Provider dialects whose answers are told in part by their headers."""
EMBEDDING_CLIENTS: Final[Mapping[DialectName, str]] = {
    _D.OPENAI_EMBEDDINGS: "openai_embeddings.client:Client",
}
EMBEDDING_PROVIDERS: Final[Mapping[DialectName, str]] = {
    _D.BEDROCK_TITAN_EMBED: "bedrock_embed.titan:Provider",
    _D.BEDROCK_TITAN_MULTIMODAL: "bedrock_embed.titan_multimodal:Provider",
    _D.BEDROCK_NOVA_EMBED: "bedrock_embed.nova:Provider",
    _D.BEDROCK_COHERE_EMBED: "bedrock_embed.cohere:Provider",
    _D.BEDROCK_MARENGO: "bedrock_embed.marengo:Provider",
}
RERANK_CLIENTS: Final[Mapping[DialectName, str]] = {
    _D.RERANK: "rerank.client:Client",
}
RERANK_PROVIDERS: Final[Mapping[DialectName, str]] = {
    _D.BEDROCK_RERANK: "bedrock_rerank.provider:Provider",
}


def peek(client: DialectName) -> Callable[[bytes], Peek]:
    """What finds in a client's body what routing must know; it raises GatewayError, INVALID_REQUEST, that names the
    parameter.

    Raises:
        KeyError: no client speaks this dialect.
    """
    read: Callable[[bytes], Peek] = _load(PEEKS[client])
    return read


def meter(headers: Headers) -> Meter:
    """What reads the tokens of an answer that passes as it is."""
    found: Meter = _load("native.meter:of")(headers)
    return found


def headers(client: DialectName) -> Callable[[Headers], Mapping[bytes, bytes]] | None:
    """What finds in a client's headers what its dialect must know; None if it says nothing there. It raises
    GatewayError, INVALID_REQUEST, that names the header.
    """
    name = HEADERS.get(client)
    read: Callable[[Headers], Mapping[bytes, bytes]] | None = None if name is None else _load(name)
    return read


@functools.cache
def between(client: DialectName, upstream: DialectName) -> Translation | None:
    """How a client of one dialect is served by a provider of another; None if it cannot be."""
    translation: Translation | None = None
    if client is upstream:
        if client in PASS_THROUGH:
            translation = _load(PASS_THROUGH[client])()
    elif (client, upstream) in REFRAMED:
        translation = _load(REFRAMED[client, upstream])()
    elif client in CLIENTS and upstream in PROVIDERS:
        translation = Hub(client=_load(CLIENTS[client])(), provider=_load(PROVIDERS[upstream])(), words=_words(client))
    elif client in COUNT_CLIENTS and upstream in COUNT_PROVIDERS:
        counts, counter = _load(COUNT_CLIENTS[client])(), _load(COUNT_PROVIDERS[upstream])()
        translation = CountHub(client=counts, provider=counter, words=_words(client))
    elif client in CLIENTS and upstream in HEADED:
        client_half, headed = _load(CLIENTS[client])(), _load(HEADED[upstream])()
        translation = HeadedHub(client=client_half, provider=headed, words=_words(client))
    elif client in EMBEDDING_CLIENTS and upstream in EMBEDDING_PROVIDERS:
        translation = EmbeddingHub(
            client=_load(EMBEDDING_CLIENTS[client])(), provider=_load(EMBEDDING_PROVIDERS[upstream])()
        )
    elif client in RERANK_CLIENTS and upstream in RERANK_PROVIDERS:
        translation = RerankHub(client=_load(RERANK_CLIENTS[client])(), provider=_load(RERANK_PROVIDERS[upstream])())
    return translation


Words: TypeAlias = Callable[[GatewayError, Call], GatewayError]
"""A refusal in the words of the client's dialect."""


def _words(client: DialectName) -> Words | None:
    words: Words | None = _load(WORDS[client]) if client in WORDS else None
    return words


class Hub:
    """`Translation` by way of the exchange."""

    def __init__(self, *, client: ClientDialect, provider: ProviderDialect, words: Words | None = None) -> None:
        self._client = client
        self._provider = provider
        self._words = words

    def request(self, call: Call) -> bytes:
        """The upstream body. The neutral request is kept in the call, for further attempts and the answer."""
        request = self._decoded(call)
        try:
            return self._provider.encode_request(request, call)
        except GatewayError as error:
            if self._words is None:
                raise
            raise self._words(error, call) from None

    def reply(self, call: Call, headers: Headers, body: bytes) -> Answer:
        """The client's answer."""
        reply = self._reply(call, headers, body)
        call.invoked = reply.invoked
        return Answer(
            body=self._told(call, reply) if call.peek.stream else self._client.encode_reply(call, reply),
            usage=reply.usage,
            finish_reason=reply.finish,
            unknown=reply.unknown,
        )

    def _reply(self, call: Call, headers: Headers, body: bytes) -> Reply:
        return self._provider.decode_reply(self._decoded(call), call.model, body)

    def _told(self, call: Call, reply: Reply) -> bytes:
        """The answer as a stream."""
        encoder = self._client.event_encoder(call)
        return b"".join(encoder.encode(event) for event in telling.events_of(reply))

    def relay(self, call: Call, headers: Headers) -> StreamRelay:
        """For one stream."""
        decoder = self._provider.event_decoder(self._decoded(call), call, headers)
        return HubRelay(decoder=decoder, encoder=self._client.event_encoder(call))

    def _decoded(self, call: Call) -> Request:
        request = call.decoded
        if not isinstance(request, Request):
            request = call.decoded = self._client.decode_request(call)
        return request


class CountHub:
    """`Translation` of a token count by way of the exchange. Counting costs nothing: its usage is none."""

    def __init__(
        self, *, client: CountClientDialect, provider: CountProviderDialect, words: Words | None = None
    ) -> None:
        self._client = client
        self._provider = provider
        self._words = words

    def request(self, call: Call) -> bytes:
        """The upstream body."""
        request = self._decoded(call)
        try:
            return self._provider.encode_request(request, call.model)
        except GatewayError as error:
            if self._words is None:
                raise
            raise self._words(error, call) from None

    def reply(self, call: Call, headers: Headers, body: bytes) -> Answer:
        """The client's answer."""
        counted = self._provider.decode_count(self._decoded(call), call.model, body)
        return Answer(body=self._client.encode_count(call, counted), usage=Usage())

    def relay(self, call: Call, headers: Headers) -> StreamRelay:
        """Counts are never streamed."""
        raise UpstreamBroken("the provider streams an answer to a token count, which no API has")

    def _decoded(self, call: Call) -> Request:
        request = call.decoded
        if not isinstance(request, Request):
            request = call.decoded = self._client.decode_request(call)
        return request


class _Embedded:
    """What a call keeps of a request for embeddings: the neutral form, and which inputs each upstream body holds."""

    def __init__(self, request: embedding.Request) -> None:
        self.request = request
        self.places: list[tuple[int, ...]] = []


class EmbeddingHub:
    """`Parted` by way of the exchange: most models take fewer texts at a time than clients send."""

    def __init__(self, *, client: EmbeddingClient, provider: EmbeddingProvider) -> None:
        self._client = client
        self._provider = provider

    def request(self, call: Call) -> bytes:
        """The first upstream body; the others are in the call."""
        kept = self._kept(call)
        asked = self._provider.encode_requests(kept.request, call.model)
        kept.places = [one.places for one in asked]
        call.further = [one.body for one in asked[1:]]
        return asked[0].body

    def reply(self, call: Call, headers: Headers, body: bytes) -> Answer:
        """The client's answer, where one body was all."""
        return self.joined(call, [self.part(call, 0, headers, body)])

    def part(self, call: Call, at: int, headers: Headers, body: bytes) -> Part:
        """The vectors of one answer, as the client wants them."""
        places = self._places(call)[at]
        reply = self._provider.decode_reply(headers, body)
        if len(reply.vectors) != len(places):
            raise UpstreamBroken(f"the provider sent {len(reply.vectors)} vectors where {len(places)} were asked for")
        encode = self._client.encode_vector
        return Part(pieces=tuple([encode(call, vector) for vector in reply.vectors]), input_tokens=reply.input_tokens)

    def joined(self, call: Call, parts: Sequence[Part]) -> Answer:
        """The client's answer."""
        vectors = [b""] * len(self._kept(call).request.inputs)
        tokens = 0
        told = True
        for part, places in zip(parts, self._places(call), strict=True):
            for at, vector in zip(places, part.pieces, strict=True):
                vectors[at] = vector
            tokens += part.input_tokens or 0
            told = told and part.input_tokens is not None
        if not told:
            # The client's dialect demands a figure.
            tokens = estimate.input_tokens(call.peek.members)
        usage = Usage(input_tokens=tokens, estimated=not told)
        return Answer(body=self._client.encode_reply(call, vectors, usage), usage=usage)

    def relay(self, call: Call, headers: Headers) -> StreamRelay:
        """Embeddings are never streamed."""
        raise UpstreamBroken("embeddings are not streamed")

    def _places(self, call: Call) -> list[tuple[int, ...]]:
        kept = self._kept(call)
        if not kept.places:
            self.request(call)
        return kept.places

    def _kept(self, call: Call) -> _Embedded:
        kept = call.decoded
        if not isinstance(kept, _Embedded):
            kept = call.decoded = _Embedded(self._client.decode_request(call))
        return kept


class RerankHub:
    """`Translation` by way of the exchange."""

    def __init__(self, *, client: RerankClient, provider: RerankProvider) -> None:
        self._client = client
        self._provider = provider

    def request(self, call: Call) -> bytes:
        """The upstream body."""
        return self._provider.encode_request(self._decoded(call), call.model)

    def reply(self, call: Call, headers: Headers, body: bytes) -> Answer:
        """The client's answer. What is not counted in tokens has none: nothing is estimated."""
        request = self._decoded(call)
        reply = self._provider.decode_reply(request, headers, body)
        return Answer(
            body=self._client.encode_reply(call, request, reply), usage=Usage(input_tokens=reply.input_tokens or 0)
        )

    def relay(self, call: Call, headers: Headers) -> StreamRelay:
        """Rankings are never streamed."""
        raise UpstreamBroken("rankings are not streamed")

    def _decoded(self, call: Call) -> rerank.Request:
        request = call.decoded
        if not isinstance(request, rerank.Request):
            request = call.decoded = self._client.decode_request(call)
        return request


class HeadedHub(Hub):
    """The same with a provider dialect whose token counts stand in the headers of its answers."""

    def __init__(self, *, client: ClientDialect, provider: HeadedDialect, words: Words | None = None) -> None:
        super().__init__(client=client, provider=provider, words=words)
        self._headed = provider

    def _reply(self, call: Call, headers: Headers, body: bytes) -> Reply:
        reply = super()._reply(call, headers, body)
        return structs.replace(reply, usage=self._headed.counted(reply, call, headers))


_SHOWS: Final = frozenset({events.TextDelta, events.ThinkingDelta, events.ThinkingEnded, events.ToolCallStarted})
"""Events that a client sees something of."""


class HubRelay:
    """`StreamRelay` between two dialects."""

    def __init__(self, *, decoder: EventDecoder, encoder: EventEncoder) -> None:
        self.usage: Usage | None = None
        self.finish_reason = ""
        self.content = False
        self.complete = False
        self.failure: Failure | None = None
        self.unknown: tuple[str, ...] = ()
        self.events = 0
        self.mould = None
        self._decoder = decoder
        self._encoder = encoder
        self._begun: Usage | None = None

    def feed(self, received: bytes) -> bytes:
        """The client's events for what is whole now."""
        return self._relay(self._decoder.feed(received))

    def end(self) -> bytes:
        """The last of them; sets `failure` if the stream was cut."""
        return self._relay(self._decoder.end())

    def error_event(self, failure: Failure) -> bytes:
        """In the client's dialect."""
        return self._encoder.error_event(failure)

    def _relay(self, told: list[events.Event]) -> bytes:
        encode = self._encoder.encode
        relayed = []
        for event in told:
            if type(event) in _SHOWS:
                self.content = True
            elif isinstance(event, events.Finished):
                self.finish_reason = event.finish
            elif isinstance(event, events.Settled):
                self.usage = event.usage
                self.complete = True
            elif isinstance(event, events.Started):
                self._begun = event.usage
            elif isinstance(event, events.Failed):
                self.failure = event.failure
            elif isinstance(event, events.Unknown):
                self.unknown += (event.name,)
            if encoded := encode(event):
                self.events += 1
                relayed.append(encoded)
        if self._begun is not None and not self.complete:
            self.usage = structs.replace(self._begun, output_tokens=max(self._begun.output_tokens, self.events))
        return b"".join(relayed)


@functools.cache
def _load(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(_ROOM + module), attribute)
