"""How Bedrock is asked for a model: its surfaces, guardrails, latency and tiers."""

import enum
from typing import Annotated

from pydantic import Field

from pilothouse_api.resources.rules import Part


class Surface(enum.StrEnum):
    """Which of Bedrock's APIs a model is asked through."""

    CONVERSE = "Converse"
    INVOKE = "Invoke"
    OPENAI = "OpenAI"
    ANTHROPIC = "Anthropic"
    MANTLE_OPENAI = "MantleOpenAI"
    MANTLE_ANTHROPIC = "MantleAnthropic"


MANTLE = frozenset({Surface.MANTLE_OPENAI, Surface.MANTLE_ANTHROPIC})
GUARDED = frozenset({Surface.CONVERSE, Surface.INVOKE})
"""Those that a guardrail can be applied through."""


class GuardrailTrace(enum.StrEnum):
    """How much a guardrail tells of what it found."""

    DISABLED = "Disabled"
    ENABLED = "Enabled"
    ENABLED_FULL = "EnabledFull"


class StreamProcessing(enum.StrEnum):
    """Whether a stream waits for the guardrail."""

    SYNC = "Sync"
    ASYNC = "Async"


class Latency(enum.StrEnum):
    """What the model is optimised for."""

    STANDARD = "Standard"
    OPTIMIZED = "Optimized"


class ServiceTier(enum.StrEnum):
    """How urgent requests are, and what they cost."""

    DEFAULT = "Default"
    FLEX = "Flex"
    PRIORITY = "Priority"
    RESERVED = "Reserved"


class GuardrailSpec(Part):
    """A guardrail of Bedrock that judges every prompt and every answer."""

    identifier: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2048,
            pattern="^([a-z0-9]+|arn:aws(-[a-z]+)*:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+)$",
        ),
    ] = Field(description="The guardrail's id or ARN.")
    version: Annotated[str, Field(min_length=1, max_length=8, pattern="^([1-9][0-9]{0,7}|DRAFT)$")] = Field(
        description="Its version, a number or `DRAFT`."
    )
    trace: GuardrailTrace = Field(
        default=GuardrailTrace.DISABLED,
        description="`Enabled`: callers are told which categories were found, never the text. `EnabledFull`: those too "
        "that were judged and not found.",
    )
    stream_processing: StreamProcessing = Field(
        default=StreamProcessing.SYNC,
        description="`Sync`: a stream is judged before it is passed on. `Async`: it is passed on at once; what the "
        "guardrail would block or mask may have been seen by then.",
    )
