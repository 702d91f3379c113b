"""The form of a row of capability data."""

import msgspec

from pilothouse_api.snapshot.settings import Surface
from pilothouse_proxy.exchange.capabilities import Capabilities


class Quirk(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a client's body that a surface refuses, or drops without a word."""

    dialect: str
    """Where it does."""
    param: str
    hint: str
    unless_effort: str | None = None
    """The `reasoning_effort` with which it is taken."""
    only: frozenset[bytes] = frozenset()
    """The values that are refused, as JSON; empty: all but `neutral` ones."""
    neutral: frozenset[bytes] = frozenset()
    """Values that ask for nothing, besides null and what is empty."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the models whose id begins with `prefix`."""

    prefix: str
    capabilities: Capabilities
    surface: Surface = Surface.CONVERSE
    """What they are asked through unless the manifest says otherwise."""
    speaks: tuple[str, ...] = ()
    """The dialects, beside Converse and their own bodies of InvokeModel, that Bedrock's runtime speaks for them."""
    mantle_speaks: tuple[str, ...] = ("openai.chat", "openai.responses", "anthropic.messages")
    """The same of the host `bedrock-mantle`."""
    mantle_prefix: str = "/v1"
    """Of the paths of OpenAI's APIs there: with another one a model is not found."""
    counted: bool = False
    """Whether Bedrock counts the tokens of a request to them (CountTokens)."""
    quirks: tuple[Quirk, ...] = ()
    source: str
    read: str
    """Year and month of the source."""
