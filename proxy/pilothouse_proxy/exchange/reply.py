"""A complete answer in neutral words."""

import enum

import msgspec

from pilothouse_proxy.exchange.filters import Finding
from pilothouse_proxy.exchange.parts import Citation, RedactedThinking, Text, Thinking, ToolCall
from pilothouse_proxy.exchange.usage import Usage


class Finish(enum.StrEnum):
    """Why the model stopped, as OpenAI names it."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


ReplyPart = Text | ToolCall | Thinking | RedactedThinking


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """`parts` in the model's order. `unknown` names what the provider sent and no other dialect has a place for."""

    parts: tuple[ReplyPart, ...]
    finish: Finish
    usage: Usage
    stop_sequence: str | None = None
    """Which of the request's it was, where that is what the model stopped at; empty: the provider does not tell."""
    refusal: str | None = None
    """Why the model declined, in words, where the provider tells."""
    citations: tuple[Citation, ...] = ()
    findings: tuple[Finding, ...] = ()
    """Of content filters, on the prompt and on the reply."""
    service_tier: str | None = None
    invoked: str = ""
    """The model that has answered, where the provider chooses among several and says which."""
    unknown: tuple[str, ...] = ()
