"""What a model takes, as facts: a dialect that reaches many models refuses by these, not by names in its code."""

import enum

import msgspec

from pilothouse_proxy.exchange.request import ToolMode


class Sampling(enum.Enum):
    """Which of temperature and top_p may be set."""

    BOTH = "both"
    ONE = "one"
    NONE = "none"


class SystemTurns(enum.Enum):
    """Where instructions may stand that come after the conversation has begun."""

    ANYWHERE = "anywhere"
    FIRST = "first"


class Reasoning(enum.Enum):
    """How an effort is asked for."""

    NONE = "none"
    """It does not reason."""
    ALWAYS = "always"
    """It reasons, and nothing can be said about how much."""
    BUDGET = "budget"
    """A budget of tokens."""
    ADAPTIVE = "adaptive"
    """The model chooses, within an effort that the API has a member for."""
    ADAPTIVE_UNTYPED = "adaptive, untyped"
    """The same, the effort among the model's own fields."""
    NOVA = "nova"
    """Amazon Nova 2's reasoningConfig."""
    OBJECT = "object"
    """`reasoning: {effort}`, as OpenAI's newer models on Bedrock take it."""
    FIELD = "field"
    """`reasoning_effort`, as open-weight models take it."""


class History(enum.Enum):
    """Which reasoning of earlier turns may be sent back."""

    NONE = "none"
    SIGNED = "signed"
    """What the model itself has signed or redacted."""
    UNSIGNED = "unsigned"
    """Plain text."""


class Caching(enum.Enum):
    """Whether the client may mark what is worth caching."""

    NONE = "none"
    FIVE_MINUTES = "five minutes"
    ONE_HOUR = "one hour"
    """Five minutes or an hour."""


class InputCount(enum.Enum):
    """Whether the provider's count of input tokens holds those read from and written to its cache."""

    WITHOUT_CACHE = "without cache"
    WITH_CACHE = "with cache"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """One family of models. Defaults are what most take; a limit that is unknown is the provider's to enforce."""

    family: str
    output_ceiling: int | None = None
    """The most tokens that the model writes."""
    least_output: int = 1
    sampling: Sampling = Sampling.BOTH
    stop_sequences: int = 2500
    """How many; 0 = none."""
    tells_stop: bool = False
    """Whether it can be asked which sequence it has stopped at."""
    tools: frozenset[ToolMode] = frozenset({ToolMode.AUTO, ToolMode.ANY, ToolMode.NAMED})
    """Which choices may be put; empty = it has no tools."""
    stream_tools: bool = True
    """Whether an answer may be streamed that is offered tools."""
    streaming: bool = True
    forced_while_reasoning: bool = True
    strict_tools: bool = False
    serial_calls: bool = False
    """Whether parallel calls can be forbidden."""
    mixed_turns: bool = True
    """Whether text may stand beside calls or results of tools in one turn."""
    images: bool = True
    tool_images: bool = False
    tool_status: bool = False
    """Whether a result can say that its tool has failed."""
    tool_caching: bool = False
    """Whether a prefix worth caching may end behind the tools."""
    documents: bool = True
    audio: frozenset[str] = frozenset()
    system: bool = True
    system_turns: SystemTurns = SystemTurns.FIRST
    prefill: bool = True
    """Whether the last turn may be the assistant's, to be continued."""
    answer_schema: bool = False
    reasoning: Reasoning = Reasoning.NONE
    efforts: tuple[str, ...] = ()
    """Those that may be asked for, by OpenAI's names."""
    reasons_unasked: bool = False
    history: History = History.NONE
    caching: Caching = Caching.NONE
    input_count: InputCount = InputCount.WITHOUT_CACHE
    extras: frozenset[tuple[str, str]] = frozenset()
    """Further parameters: (OpenAI's name, the model's own)."""
