"""Interfaces with more than one implementation; they stand below all of these."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import msgspec

from pilothouse_api.names import ProviderKey
from pilothouse_api.snapshot.credentials import Credential
from pilothouse_api.snapshot.providers import Endpoint, Model
from pilothouse_proxy.call import Answer, Call
from pilothouse_proxy.errors import Failure
from pilothouse_proxy.exchange import embedding, rerank
from pilothouse_proxy.exchange.counting import CountReply
from pilothouse_proxy.exchange.events import Event
from pilothouse_proxy.exchange.reply import Reply
from pilothouse_proxy.exchange.request import Request as ChatRequest
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.framing.mould import Mould
from pilothouse_proxy.http.body import Body
from pilothouse_proxy.http.messages import Headers, UpstreamRequest
from pilothouse_proxy.http.origins import Base
from pilothouse_proxy.operations import DialectName, Operation


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """What signs in to a provider now."""

    provider: ProviderKey
    credential: Credential
    ends: float
    """Unix seconds; inf: it is not known to end."""
    renewed: bool = False
    """Whether it came by renewal: then the operator can be asked for another."""


class StreamRelay(Protocol):
    """Turns the upstream's bytes into the client's, event by event; sans-I/O."""

    usage: Usage | None
    finish_reason: str
    content: bool
    """Whether a byte that shows content has been returned: until then the attempt can be failed over unseen."""
    complete: bool
    """Whether the stream has ended as its dialect demands ([DONE], messageStop)."""
    failure: Failure | None
    """Set when the upstream reported an error inside the stream, or broke its format. Nothing is relayed after it."""
    unknown: tuple[str, ...]
    """What the provider sent that the client's dialect has no place for, by name; for a metric."""
    events: int
    """How many have been returned."""

    @property
    def mould(self) -> Mould | None:
        """Events that fit it may go to the client as they come, without `feed`, which would return them as they are."""
        ...

    def feed(self, received: bytes) -> bytes:
        """Bytes for the client, possibly none. Whole events only."""
        ...

    def end(self) -> bytes:
        """Call at the upstream's end of body: the last bytes for the client. Sets `failure` if the stream was cut."""
        ...

    def error_event(self, failure: Failure) -> bytes:
        """The event that tells the client, after content went out, that its stream has failed."""
        ...


class Meter(Protocol):
    """Reads along what an answer that passes as it is tells of tokens."""

    usage: Usage | None
    """What it has told until now."""

    def feed(self, piece: bytes) -> None: ...

    def end(self) -> None: ...


class Translation(Protocol):
    """From one client dialect to one provider dialect and back. Stateless; one instance serves all requests."""

    def request(self, call: Call) -> Body:
        """The upstream body.

        Raises:
            GatewayError: 400 that names the parameter which the target cannot honour, or is malformed.
        """
        ...

    def reply(self, call: Call, headers: Headers, body: bytes) -> Answer:
        """The client's answer to a 2xx upstream answer: told as a stream where the client asked for one.

        Raises:
            UpstreamBroken: the body is not what the dialect promises.
        """
        ...

    def relay(self, call: Call, headers: Headers) -> StreamRelay:
        """For a 2xx answer to a request with `stream`."""
        ...


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of several, made ready to be joined with the others."""

    pieces: tuple[bytes, ...]
    """Of the client's answer."""
    input_tokens: int | None


@runtime_checkable
class Parted(Translation, Protocol):
    """A translation that may ask the provider several times for one request: `request` sets `call.further`."""

    def part(self, call: Call, at: int, headers: Headers, body: bytes) -> Part:
        """The 2xx answer to the body `at`, the first being 0. This is most of the work: done while others are awaited.

        Raises:
            UpstreamBroken: the body is not what the dialect promises.
        """
        ...

    def joined(self, call: Call, parts: Sequence[Part]) -> Answer:
        """The client's answer, of all parts in the order in which they were asked for."""
        ...


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How one operation reaches one model."""

    dialect: DialectName
    """What the provider is spoken to in."""
    translation: Translation
    base: Base
    """Where that is spoken."""
    parted: Parted | None = None
    """The translation, if it is one that may ask several times."""


class EventDecoder(Protocol):
    """A provider's stream to neutral events; sans-I/O."""

    def feed(self, received: bytes) -> list[Event]:
        """The events that are whole now. After Settled or Failed there are none."""
        ...

    def end(self) -> list[Event]:
        """Call at the end of the body: Failed if the stream was cut, Settled if only the token counts are missing."""
        ...


class EventEncoder(Protocol):
    """Neutral events to a client's stream."""

    def encode(self, event: Event) -> bytes:
        """The bytes that tell of it, possibly none. Failed is not told: see `error_event`."""
        ...

    def error_event(self, failure: Failure) -> bytes: ...


class ClientDialect(Protocol):
    """The half of a dialect that faces clients: requests in, answers out."""

    def decode_request(self, call: Call) -> ChatRequest:
        """The neutral request.

        Raises:
            GatewayError: 400 that names the parameter which is malformed.
        """
        ...

    def encode_reply(self, call: Call, reply: Reply) -> bytes: ...

    def event_encoder(self, call: Call) -> EventEncoder: ...


class ProviderDialect(Protocol):
    """The half of a dialect that faces providers: requests out, answers in."""

    def encode_request(self, request: ChatRequest, call: Call) -> bytes:
        """The upstream body for `call.model`, which asks to stream if `call.streams`.

        Raises:
            GatewayError: 400 that names the parameter which the model cannot honour.
        """
        ...

    def decode_reply(self, request: ChatRequest, model: Model, body: bytes) -> Reply:
        """The neutral answer.

        Raises:
            UpstreamBroken: the body is not what the dialect promises.
        """
        ...

    def event_decoder(self, request: ChatRequest, call: Call, headers: Headers) -> EventDecoder:
        """For one stream; `headers` are those of the answer."""
        ...


class NativeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client sends to a provider's own API. `path` below the provider's URL and `query` as they were sent."""

    method: bytes
    path: bytes
    query: bytes
    headers: Headers
    """Those that are the provider's business: no sign-in, nothing of the way here."""
    body: bytes

    def target(self, base_path: str) -> bytes:
        """Path and query as the provider gets them."""
        path = base_path.encode("ascii") + self.path
        return path + b"?" + self.query if self.query else path


class CountClientDialect(Protocol):
    """The half of a dialect of token counts that faces clients."""

    def decode_request(self, call: Call) -> ChatRequest:
        """The neutral request whose input is to be counted.

        Raises:
            GatewayError: 400 that names the parameter which is malformed.
        """
        ...

    def encode_count(self, call: Call, reply: CountReply) -> bytes: ...


class CountProviderDialect(Protocol):
    """The half that faces a provider which counts as it would bill."""

    def encode_request(self, request: ChatRequest, model: Model) -> bytes:
        """The upstream body.

        Raises:
            GatewayError: 400 that names the parameter which cannot be counted.
        """
        ...

    def decode_count(self, request: ChatRequest, model: Model, body: bytes) -> CountReply:
        """The count.

        Raises:
            UpstreamBroken: the body is not what the dialect promises.
        """
        ...


class EmbeddingClient(Protocol):
    """The half of a dialect of embeddings that faces clients."""

    def decode_request(self, call: Call) -> embedding.Request:
        """The neutral request.

        Raises:
            GatewayError: 400 that names the parameter which is malformed, or which only a pass-through can honour.
        """
        ...

    def encode_vector(self, call: Call, vector: msgspec.Raw) -> bytes:
        """A vector of a reply in the form that the client asked for, as JSON.

        Raises:
            UpstreamBroken: it is no list of numbers.
        """
        ...

    def encode_reply(self, call: Call, vectors: Sequence[bytes], usage: Usage) -> bytes:
        """The answer's body. `vectors` are encoded, one for each input."""
        ...


class EmbeddingProvider(Protocol):
    """The half of a dialect of embeddings that faces providers."""

    def encode_requests(self, request: embedding.Request, model: Model) -> list[embedding.Asked]:
        """What the provider is asked, at least one body. Each input is in one of them.

        Raises:
            GatewayError: 400 that names the parameter which the model cannot honour.
        """
        ...

    def decode_reply(self, headers: Headers, body: bytes) -> embedding.Reply:
        """The neutral answer to one of them.

        Raises:
            UpstreamBroken: the body is not what the dialect promises.
        """
        ...


class HeadedDialect(ProviderDialect, Protocol):
    """One whose whole answers have their token counts in the headers."""

    def counted(self, reply: Reply, call: Call, headers: Headers) -> Usage:
        """The tokens of an answer that has been decoded."""
        ...


class RerankClient(Protocol):
    """The half of a dialect of reranking that faces clients. Errors as in `EmbeddingClient`."""

    def decode_request(self, call: Call) -> rerank.Request: ...

    def encode_reply(self, call: Call, request: rerank.Request, reply: rerank.Reply) -> bytes: ...


class RerankProvider(Protocol):
    """The half of a dialect of reranking that faces providers. Errors as in `EmbeddingProvider`."""

    def encode_request(self, request: rerank.Request, model: Model) -> bytes: ...

    def decode_reply(self, request: rerank.Request, headers: Headers, body: bytes) -> rerank.Reply: ...


class Provider(Protocol):
    """A kind of provider: where a request goes, how it is signed, what an error answer means. Pure functions."""

    kind: str

    def dialects(self, operation: Operation, endpoint: Endpoint, model: Model) -> tuple[DialectName, ...]:
        """What an operation can be put to the model in, the best first. One that cannot honour a request gives way to
        the next. Empty: not at all, which is a 400 that says so.
        """
        ...

    def check(self, call: Call) -> None:
        """Before a request is put in `call.dialect`: whether the model there takes it, by its top-level members alone.

        Raises:
            GatewayError: UNSUPPORTED that names the parameter; the next dialect is tried.
        """
        ...

    def urls(self, endpoint: Endpoint) -> tuple[str, ...]:
        """All that it may be spoken to at."""
        ...

    def url(self, endpoint: Endpoint, dialect: DialectName, model: Model) -> str:
        """Below which of `urls` the dialect is spoken."""
        ...

    def prepare(
        self, *, endpoint: Endpoint, base: Base, credential: Credential, call: Call, body: Body, now: float
    ) -> UpstreamRequest:
        """The signed request of `call.dialect`. `base` is the URL and the way there; `now` in Unix seconds."""
        ...

    def native(
        self, *, endpoint: Endpoint, base: Base, credential: Credential, request: NativeRequest, now: float
    ) -> UpstreamRequest:
        """A request to the provider's own API, signed in. `base` is that of the first of `urls`; `now` in Unix seconds.

        Raises:
            GatewayError: a credential that cannot sign or be sent.
        """
        ...

    def unfit(self, credential: Credential) -> str:
        """Why nobody can sign in with it there, without a word of its value; empty if one can.

        What can be prepared for requests that sign in with it is prepared.
        """
        ...

    def classify(self, *, status: int, headers: Headers, body: bytes, now: float) -> Failure:
        """What a non-2xx answer means. `body` may be empty, HTML or cut short."""
        ...


class Clock(Protocol):
    """Time as the shell hands it in."""

    def monotonic(self) -> float: ...

    def wall(self) -> float: ...
