"""One request and its answer, as the rooms between client and provider hand them on."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from pilothouse_api.names import ModelName
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.operations import DialectName, Operation

_NO_HEADERS: Final[Mapping[bytes, bytes]] = {}
_NO_MEMBERS: Final[Mapping[str, msgspec.Raw]] = {}


class Peek:
    """What routing and quotas must know of a client's body, read without decoding the rest."""

    def __init__(
        self,
        *,
        model: ModelName,
        stream: bool = False,
        include_usage: bool = False,
        max_output_tokens: int | None = None,
        choices: int = 1,
        members: Mapping[str, msgspec.Raw] = _NO_MEMBERS,
    ) -> None:
        self.model: Final = model
        self.stream: Final = stream
        self.include_usage: Final = include_usage
        self.max_output_tokens: Final = max_output_tokens
        """0 where the answer is none of tokens."""
        self.choices: Final = choices
        self.members: Final = members
        """The body's top-level members, undecoded."""


class Call:
    """One attempt's view of a request: what the client sent, and the target that was chosen for it."""

    def __init__(  # noqa: PLR0913 -- a record: its keywords are its fields
        self,
        *,
        operation: Operation,
        request_id: str,
        created: int,
        peek: Peek,
        body: bytes,
        model: Model,
        dialect: DialectName,
        streams: bool,
        invoked: str = "",
        headers: Mapping[bytes, bytes] = _NO_HEADERS,
    ) -> None:
        self.operation: Final = operation
        self.request_id: Final = request_id
        self.created: Final = created
        """Unix seconds, for the answer's `created`."""
        self.peek: Final = peek
        self.body: Final = body
        """As the client sent it."""
        self.model = model
        """The target's upstream name and facts."""
        self.dialect = dialect
        """What the provider is spoken to in."""
        self.streams = streams
        """Whether the provider is asked to stream. A translation may say no where the client says yes: the answer is
        then told as a stream when it is whole."""
        self.invoked = invoked
        """The model that has answered, where the provider chooses among several and says which."""
        self.headers: Final = headers
        """Those of the client's headers that its dialect declares (`translation.HEADERS`), names in lower case."""
        self.decoded: object = None
        """Where a translation keeps the neutral request between the attempts of one request."""
        self.further: Sequence[bytes] = ()
        """What a `Parted` translation asks the provider beside the body that `request` returned."""


class Answer:
    """A complete answer in the client's dialect. `finish_reason` as OpenAI names it, for metrics."""

    def __init__(
        self,
        *,
        body: bytes,
        usage: Usage | None,
        finish_reason: str = "",
        unknown: tuple[str, ...] = (),
        search_units: int = 0,
    ) -> None:
        self.body: Final = body
        self.usage: Final = usage
        self.finish_reason: Final = finish_reason
        self.unknown: Final = unknown
        """What the provider sent that the client's dialect has no place for, by name; for a metric."""
        self.search_units: Final = search_units
        """What a rerank is billed by, where the provider says so."""
