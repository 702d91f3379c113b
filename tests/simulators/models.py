"""The models the simulators know, read from `models.json`.

A row says what the model accepts; what it does not say is the ordinary case. Rows follow the providers' published
model cards; where these disagree, the row takes the stricter reading.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Final

import msgspec

_TABLE: Final = Path(__file__).with_name("models.json")


class Sampling(enum.Enum):
    ANY = "any"
    ONE = "one"  # temperature or top_p, not both
    NONE = "none"


class Reasoning(enum.Enum):
    NONE = "none"
    BUDGET = "budget"
    ADAPTIVE = "adaptive"
    ALWAYS = "always"


class Claude(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What Messages has of a model beside what Converse has. `messages`: it is spoken at `/anthropic/v1/messages`."""

    messages: bool = False
    structured: bool = True
    thinks_unasked: bool = False
    always_thinks: bool = False
    omits_thinking: bool = False
    efforts: tuple[str, ...] = ()


class BedrockModel(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    id: str
    profiles: tuple[str, ...] = ()
    on_demand: bool
    context_window: int
    max_output_tokens: int
    min_tokens: int = 1
    sampling: Sampling = Sampling.ANY
    prefill: bool = True
    tools: bool = True
    stream_tools: bool = True
    forced_tools: bool = True
    tool_choices: tuple[str, ...] = ("auto", "any", "tool")
    tool_status: bool = True
    vision: bool = True
    documents: bool = True
    system: bool = True
    mid_system: bool = False
    reasoning: Reasoning = Reasoning.NONE
    cache_min_tokens: int | None = None
    text_format: bool = False
    burndown: int = 1
    access: bool = True
    optimized: bool = False
    counts_tokens: bool = False
    openai: str | None = None
    """Where OpenAI's API is spoken for it on the runtime host; None: nowhere."""
    mantle: str | None = None
    """The same on `bedrock-mantle`."""
    invoke: str = ""
    """Whose native body InvokeModel takes; see `bedrock/invoke`."""
    claude: Claude | None = None
    """Its native body is that of Messages."""
    converse: bool = True
    dimensions: tuple[int, ...] = ()

    @property
    def vendor(self) -> str:
        return self.id.partition(".")[0]


class Kind(enum.Enum):
    CHAT = "chat"
    COMPLETION = "completion"
    REASONING = "reasoning"
    EMBEDDING = "embedding"
    RERANK = "rerank"


class FilterMode(enum.Enum):
    DEFAULT = "default"
    ASYNCHRONOUS = "asynchronous"


class OpenAIModel(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A deployment on Azure, a model elsewhere. `reported` is the name in answers."""

    id: str
    reported: str
    kind: Kind = Kind.CHAT
    context_window: int
    max_output_tokens: int = 0
    dimensions: int = 0
    shortens: bool = True
    filter: FilterMode = FilterMode.DEFAULT
    provisioned: bool = False
    responses_only: bool = False
    reasons: bool = False
    """In responses, whatever its kind is in chat."""

    @property
    def in_responses(self) -> OpenAIModel:
        """As what it answers there."""
        return msgspec.structs.replace(self, kind=Kind.REASONING) if self.reasons else self


class AnthropicModel(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A model of Anthropic's API. `omits_thinking`: its thinking comes without text unless that is asked for."""

    id: str
    display_name: str
    created_at: str
    context_window: int
    max_output_tokens: int
    sampling: Sampling = Sampling.ANY
    prefill: bool = True
    forced_tools: bool = True
    structured: bool = True
    mid_system: bool = False
    reasoning: Reasoning = Reasoning.NONE
    thinks_unasked: bool = False
    always_thinks: bool = False
    omits_thinking: bool = False
    efforts: tuple[str, ...] = ()
    cache_min_tokens: int | None = None


class _Table(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    bedrock: list[BedrockModel]
    bedrock_arns: dict[str, str]
    azure: list[OpenAIModel]
    openai: list[OpenAIModel]
    anthropic: list[AnthropicModel]


class NotOnDemand(Exception):
    """The base id has no in-region capacity; it must be called through an inference profile."""


class Models:
    """Lookup tables. Rows may be added or replaced while the simulators run."""

    def __init__(self) -> None:
        table = msgspec.json.decode(_TABLE.read_bytes(), type=_Table)
        self.bedrock: dict[str, BedrockModel] = {row.id: row for row in table.bedrock}
        self.bedrock_arns: dict[str, str] = dict(table.bedrock_arns)
        self.azure: dict[str, OpenAIModel] = {row.id: row for row in table.azure}
        self.openai: dict[str, OpenAIModel] = {row.id: row for row in table.openai}
        self.anthropic: dict[str, AnthropicModel] = {row.id: row for row in table.anthropic}

    def find_bedrock(self, model_id: str) -> BedrockModel | None:
        """The model behind an id, a profile or an ARN. Raises NotOnDemand."""
        if model_id.startswith("arn:"):
            return self._find_arn(model_id)
        row = self.bedrock.get(model_id)
        if row is not None:
            if not row.on_demand:
                raise NotOnDemand
            return row
        return self._find_profile(model_id)

    def _find_profile(self, profile: str) -> BedrockModel | None:
        geography, _, base = profile.partition(".")
        row = self.bedrock.get(base)
        return row if row is not None and geography in row.profiles else None

    def _find_arn(self, arn: str) -> BedrockModel | None:
        target = self.bedrock_arns.get(arn)
        if target is not None:
            return self.bedrock.get(target)
        kind, _, name = arn.split(":", 5)[-1].partition("/")
        if kind == "foundation-model":
            return self.find_bedrock(name)
        if kind == "inference-profile":
            return self._find_profile(name)
        return None
