"""What each family takes through InvokeModel, as facts. A row that turns out wrong is to be corrected here.

Sources: the Amazon Bedrock user guide, one page of "Inference request parameters" a family (named in the rows, with the
tail of its address behind `model-parameters-`); for prompt formats the vendors' model cards; [LC] marks what AWS's own
LangChain integration does where these are silent.
"""

import enum
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from pilothouse_proxy.exchange.request import ToolMode


class Streaming(enum.Enum):
    """Whether InvokeModelWithResponseStream serves the model."""

    YES = "yes"
    NO = "no"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One family. Defaults are what a prompt of text can say."""

    name: str
    source: str
    output_ceiling: int | None = None
    """The most tokens that the model writes."""
    modest_output: int = 8_192
    """The limit where nobody has named one: what is not used of it is still set aside from the token quota. Less where
    prompt and answer share a small context."""
    hottest: float = 1.0
    """The highest temperature."""
    stop_sequences: int = 0
    """How many may be sent; 0 = none."""
    prefill: bool = True
    """Whether the last turn may be the assistant's, to be continued."""
    images: bool = False
    documents: bool = False
    tools: frozenset[ToolMode] = frozenset()
    """Which choices may be put; empty = it has no tools."""
    answer_schema: bool = False
    efforts: tuple[str, ...] = ()
    """Those that may be asked for, by OpenAI's names."""
    extras: Mapping[str, str] = {}
    """Further parameters: OpenAI's name → the body's."""
    streaming: Streaming = Streaming.YES


_AUTO = frozenset({ToolMode.AUTO})
_EFFORTS = ("low", "medium", "high")
_PENALTIES = {"frequency_penalty": "frequency_penalty", "presence_penalty": "presence_penalty"}

# fmt: off
TITAN_TEXT = Row(
    name="Titan Text", source="titan-text; instructions at the head of the prompt: [LC]",
    output_ceiling=8_192, modest_output=2_048, stop_sequences=4,
)
TITAN_CEILINGS: Mapping[str, int] = {"lite": 4_096, "express": 8_192, "premier": 3_072}
"""By a word of the model's name. Source: titan-text."""

CLAUDE_TEXT = Row(
    name="Claude text completion", source="anthropic-claude-text-completion", output_ceiling=4_096,
    stop_sequences=8_191,
)
JURASSIC = Row(
    name="Jurassic-2", source="jurassic2", output_ceiling=8_191, modest_output=2_048, stop_sequences=4,
    streaming=Streaming.NO,
)
JAMBA = Row(
    name="Jamba", source="jamba", output_ceiling=4_096, hottest=2.0, stop_sequences=16, prefill=False, tools=_AUTO,
    extras=_PENALTIES,
)
COMMAND = Row(
    name="Cohere Command", source="cohere-command", output_ceiling=4_096, modest_output=2_048, hottest=5.0,
    stop_sequences=4,
)
COMMAND_R = Row(
    name="Cohere Command R", source="cohere-command-r-plus", output_ceiling=4_096, stop_sequences=5, prefill=False,
    tools=_AUTO, extras=_PENALTIES | {"seed": "seed"},
)
LLAMA = Row(name="Llama", source="meta; prompt formats: Meta's model cards", output_ceiling=8_192)
LLAMA_2 = replace(LLAMA, name="Llama 2", output_ceiling=2_048)
LLAMA_3 = replace(LLAMA, name="Llama 3", output_ceiling=2_048)
LLAMA_VISION = replace(LLAMA, name="Llama 3.2 vision", images=True)
LLAMA_4 = replace(LLAMA, name="Llama 4", images=True, streaming=Streaming.NO)
"""Streaming: meta, "you can't use InvokeModelWithResponseStream or ConverseStream with Llama 4 Instruct"."""

MISTRAL = Row(
    name="Mistral", source="mistral-text-completion; instructions lead the first turn: Mistral's prompting guide",
    output_ceiling=8_192, stop_sequences=10,
)
MIXTRAL = replace(MISTRAL, name="Mixtral", output_ceiling=4_096)
MISTRAL_CHAT = Row(
    name="Mistral Large", source="mistral-chat-completion, mistral-large-2407", output_ceiling=8_192, prefill=False,
    tools=frozenset({ToolMode.AUTO, ToolMode.ANY}),
)
PIXTRAL = replace(MISTRAL_CHAT, name="Pixtral", source="mistral-pixtral-large", images=True)
DEEPSEEK = Row(
    name="DeepSeek R1", source="deepseek", output_ceiling=32_768, stop_sequences=10, prefill=False,
)
NOVA = Row(
    name="Nova", source="nova (Amazon Nova user guide, complete request schema)", output_ceiling=10_000,
    stop_sequences=4, images=True, documents=True, tools=frozenset({ToolMode.AUTO, ToolMode.ANY, ToolMode.NAMED}),
)
NOVA_MICRO = replace(NOVA, name="Nova Micro", images=False, documents=False)
OPENAI = Row(
    name="open-weight", source="openai; model cards of Qwen, DeepSeek V3, Kimi, GLM, MiniMax, Gemma, Nemotron",
    hottest=2.0, stop_sequences=4, prefill=False, tools=_AUTO, answer_schema=True,
    extras=_PENALTIES | {"seed": "seed"},
)
GPT_OSS = replace(OPENAI, name="gpt-oss", source="openai", efforts=_EFFORTS, answer_schema=False)
"""It accepts response_format and ignores it."""

REASONING = replace(OPENAI, efforts=_EFFORTS)
DEMANDING = replace(REASONING, tools=frozenset({ToolMode.AUTO, ToolMode.ANY}))
"""Those of which a call can be demanded: [LC]."""
# fmt: on
