"""A chat request in neutral words."""

import enum
from collections.abc import Mapping

import msgspec

from pilothouse_proxy.exchange.parts import CacheMark, Part


class Role(enum.Enum):
    """Who speaks. SYSTEM holds OpenAI's `system` and `developer`; TOOL a tool's answer."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the client's; nothing is merged or dropped yet. `at` is its place in the client's list."""

    role: Role
    parts: tuple[Part, ...]
    at: int
    name: str | None = None
    """Which participant of that role."""


class Strict(enum.Enum):
    """Whether the provider must hold the model to the schema."""

    YES = "yes"
    NO = "no"


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the model may call. `schema`: JSON schema as the client wrote it; None: no arguments."""

    name: str
    description: str = ""
    schema: msgspec.Raw | None = None
    strict: Strict = Strict.NO
    cache: CacheMark | None = None


class ToolMode(enum.Enum):
    """What the model may do with the tools: as it likes, none, at least one, the one that is named."""

    AUTO = "auto"
    NONE = "none"
    ANY = "any"
    NAMED = "named"


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """`names`: the one of NAMED; with AUTO and ANY the tools that are allowed, empty for all."""

    mode: ToolMode
    names: tuple[str, ...] = ()


class ParallelCalls(enum.Enum):
    """Whether the model may ask for several calls at once."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON schema that the answer's text must hold to. `schema` as the client wrote it."""

    name: str
    description: str = ""
    schema: msgspec.Raw


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the client wants. None and empty: not asked for.

    `others` holds what only some dialects know, by the client's own parameter names, as the client wrote it: a target
    takes what it can and refuses the rest by name. Parameters that ask for nothing are not in it.
    """

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_calls: ParallelCalls = ParallelCalls.ALLOWED
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    effort: str | None = None
    thinking_tokens: int | None = None
    """How many the model may think with, where the client says so itself; it goes before `effort`."""
    answer_schema: Schema | None = None
    service_tier: str | None = None
    metadata: Mapping[str, str] = {}
    others: Mapping[str, msgspec.Raw] = {}
