"""A streamed answer in neutral words: Started, any number of pieces, Finished, Settled; or it ends in Failed."""

import msgspec

from pilothouse_proxy.errors import Failure
from pilothouse_proxy.exchange.filters import Finding
from pilothouse_proxy.exchange.parts import RedactedThinking, Thinking
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.usage import Usage


class Started(msgspec.Struct, frozen=True):
    """The model has begun to answer; nothing is shown yet. `usage`: of the request, where it is told this early."""

    usage: Usage | None = None


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    text: str


class ThinkingDelta(msgspec.Struct, frozen=True, gc=False):
    text: str


class ThinkingEnded(msgspec.Struct, frozen=True):
    """A whole block of reasoning that must go back as it is: signed or redacted. Its text came before, in deltas."""

    block: Thinking | RedactedThinking


class ToolCallStarted(msgspec.Struct, frozen=True, gc=False):
    """`index` counts the reply's tool calls from 0."""

    index: int
    id: str
    name: str


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the call's arguments: of JSON text."""

    index: int
    arguments: str


class Judged(msgspec.Struct, frozen=True):
    """What content filters have found; between Started and Settled, behind Finished too.

    A later finding of the same stage and category is about a later piece of the text.
    """

    findings: tuple[Finding, ...]


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The model has stopped: the content is complete."""

    finish: Finish
    stop_sequence: str | None = None
    refusal: str | None = None


class Settled(msgspec.Struct, frozen=True):
    """The last event of a whole stream."""

    usage: Usage
    service_tier: str | None = None


class Failed(msgspec.Struct, frozen=True):
    """The provider reported an error inside its stream, or broke the format. Nothing follows."""

    failure: Failure


class Unknown(msgspec.Struct, frozen=True):
    """Something that no other dialect has a place for."""

    name: str


Event = (
    Started
    | TextDelta
    | ThinkingDelta
    | ThinkingEnded
    | ToolCallStarted
    | ToolCallDelta
    | Judged
    | Finished
    | Settled
    | Failed
    | Unknown
)
