"""Which dialects meet, and how: the same one passes bytes through, two different ones meet in the exchange.

Dialects are named by string and loaded when a snapshot first needs them: a proxy without Bedrock never loads Converse.
"""

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec import structs

from pilothouse_proxy.errors import Failure, GatewayError, UpstreamBroken
from pilothouse_proxy.exchange import events, telling
from pilothouse_proxy.exchange.reply import Reply
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.ports import (
    Answer,
    Call,
    ClientDialect,
    CountClientDialect,
    CountProviderDialect,
    DialectName,
    EventDecoder,
    EventEncoder,
    Peek,
    ProviderDialect,
    StreamRelay,
    Translation,
)

_D = DialectName
_ROOM = "pilothouse_proxy.dialects."

PEEKS: Mapping[DialectName, str] = {
    _D.OPENAI_CHAT: "openai_chat.peek:read",
    _D.OPENAI_EMBEDDINGS: "openai_embeddings.peek:read",
    _D.ANTHROPIC_MESSAGES: "anthropic_messages.peek:read",
    _D.ANTHROPIC_COUNT_TOKENS: "anthropic_messages.peek:read_count",
}
"""What clients may speak."""

HEADERS: Mapping[DialectName, str] = {
    _D.ANTHROPIC_MESSAGES: "anthropic_messages.versions:read",
    _D.ANTHROPIC_COUNT_TOKENS: "anthropic_messages.versions:read",
}
"""Which dialects of clients say something in headers."""

PASS_THROUGH: Mapping[DialectName, str] = {
    _D.OPENAI_CHAT: "openai_chat.passthrough:PassThrough",
    _D.OPENAI_EMBEDDINGS: "openai_embeddings.passthrough:PassThrough",
    _D.ANTHROPIC_MESSAGES: "anthropic_messages.passthrough:PassThrough",
    _D.ANTHROPIC_COUNT_TOKENS: "anthropic_messages.passthrough:CountPassThrough",
}
REFRAMED: Mapping[tuple[DialectName, DialectName], str] = {
    (_D.ANTHROPIC_MESSAGES, _D.BEDROCK_INVOKE_ANTHROPIC): "bedrock_invoke_anthropic.passthrough:PassThrough",
}
"""Two dialects with one body in different frames: bytes pass here too."""

CLIENTS: Mapping[DialectName, str] = {
    _D.OPENAI_CHAT: "openai_chat.client:Client",
    _D.ANTHROPIC_MESSAGES: "anthropic_messages.client:Client",
}
PROVIDERS: Mapping[DialectName, str] = {
    _D.BEDROCK_CONVERSE: "bedrock_converse.provider:Provider",
    _D.ANTHROPIC_MESSAGES: "anthropic_messages.provider:Provider",
    _D.BEDROCK_INVOKE_ANTHROPIC: "bedrock_invoke_anthropic.provider:Provider",
}
COUNT_CLIENTS: Mapping[DialectName, str] = {
    _D.ANTHROPIC_COUNT_TOKENS: "anthropic_messages.client:CountClient",
}
COUNT_PROVIDERS: Mapping[DialectName, str] = {}
WORDS: Mapping[DialectName, str] = {
    _D.ANTHROPIC_MESSAGES: "anthropic_messages.words:own",
    _D.ANTHROPIC_COUNT_TOKENS: "anthropic_messages.words:own",
}
"""Dialects of clients with names of their own for what refusals name as OpenAI does."""


def peek(client: DialectName) -> Callable[[bytes], Peek]:
    """What finds in a client's body what routing must know; it raises GatewayError, INVALID_REQUEST, that names the
    parameter.

    Raises:
        KeyError: no client speaks this dialect.
    """
    read: Callable[[bytes], Peek] = _load(PEEKS[client])
    return read


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
        reply = self._provider.decode_reply(self._decoded(call), call.model, body)
        return Answer(
            body=self._told(call, reply) if call.peek.stream else self._client.encode_reply(call, reply),
            usage=reply.usage,
            finish_reason=reply.finish.value,
            unknown=reply.unknown,
        )

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


_SHOWS = frozenset({events.TextDelta, events.ThinkingDelta, events.ThinkingEnded, events.ToolCallStarted})
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
                self.finish_reason = event.finish.value
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
