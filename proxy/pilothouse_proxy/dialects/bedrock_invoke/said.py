"""What the families have in common: a body of a request, and what a document of an answer says."""

import enum
from collections.abc import Callable, Mapping

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.request import Request


class CallPiece(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call or a piece of one. `index` is the family's own: it may have gaps. No `id`: the family has none."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    """JSON text."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens as told; None: not told. `input_tokens` without what a cache has read and written."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a whole answer says, or one document of a stream."""

    thinking: str = ""
    text: str = ""
    calls: tuple[CallPiece, ...] = ()
    reason: str | None = None
    """Why the model stopped, in the family's words; None: it goes on."""
    stop_sequence: str | None = None
    counts: Counts | None = None
    unknown: tuple[str, ...] = ()


class Thoughts(msgspec.Struct, frozen=True, kw_only=True):
    """The tags between which a family's text holds its reasoning. `open` empty: the prompt has opened it already."""

    open: str = ""
    close: str


class Lead(enum.Enum):
    """What becomes of blanks at the head of an answer."""

    KEPT = "kept"
    TRIMMED = "trimmed"
    """Left out: the model writes them because its turn's mark ends without one. Not where it continues a text."""


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """How one family is spoken to."""

    row: Callable[[Model], Row]
    """What a model takes."""
    body: Callable[[Request, Call, Row], dict[str, object]]
    """A request that has been checked against its row.

    Raises:
        GatewayError: INVALID_REQUEST or UNSUPPORTED that names the parameter.
    """
    whole: Callable[[bytes], Said]
    """A whole answer. Raises ValueError (msgspec's) if it is none."""
    document: Callable[[bytes], Said]
    """The same for one document of a stream."""
    finishes: Mapping[str, Finish]
    failures: frozenset[str] = frozenset()
    """Reasons that are no answer at all."""
    thoughts: Thoughts | None = None
    lead: Lead = Lead.KEPT
