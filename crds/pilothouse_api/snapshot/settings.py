"""How a provider is to be asked for a model, beyond what its callers say: what the manifest has set."""

import enum

import msgspec


class Surface(enum.StrEnum):
    """Which of Bedrock's APIs a model is asked through."""

    CONVERSE = "converse"
    INVOKE = "invoke"
    OPENAI = "openai"
    """Chat Completions and Responses of the runtime host."""
    ANTHROPIC = "anthropic"
    """Messages of the runtime host."""
    MANTLE_OPENAI = "mantleOpenAI"
    MANTLE_ANTHROPIC = "mantleAnthropic"


MANTLE = frozenset({Surface.MANTLE_OPENAI, Surface.MANTLE_ANTHROPIC})
"""Those of the host `bedrock-mantle`, which has a name of its own to sign for."""


class Guardrail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A guardrail of Bedrock; its members in the words of `guardrailConfig`."""

    identifier: str
    version: str
    trace: str = "disabled"
    stream_processing: str = "sync"


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """None: the provider's own default."""

    surface: Surface | None = None
    guardrail: Guardrail | None = None
    latency: str | None = None
    """`performanceConfig.latency`."""
    service_tier: str | None = None
    """For requests that name none."""


PLAIN = Settings()
"""Nothing is set."""
