"""What the models on Bedrock take through Converse: rows by the longest prefix of the model id.

Sources: the Amazon Bedrock user guide ("Supported models and model features", "Prompt caching", "Structured outputs",
"Extended thinking", "Adaptive thinking" and the models' parameter pages), Anthropic's models overview; where these are
silent (which choices of tools, which sampling parameters a model refuses), what AWS's own LangChain integration and
LiteLLM's public model table have observed. A row that turns out wrong is to be corrected here, nowhere else.
"""

import functools

from msgspec.structs import replace

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.exchange.capabilities import (
    Caching,
    Capabilities,
    History,
    InputCount,
    Reasoning,
    Sampling,
    SystemTurns,
)
from pilothouse_proxy.exchange.request import ToolMode

VENDORS = frozenset(
    {
        "ai21", "amazon", "anthropic", "cohere", "deepseek", "google", "luma", "meta", "minimax", "mistral", "moonshot",
        "moonshotai", "nvidia", "openai", "qwen", "stability", "twelvelabs", "writer", "xai", "zai",
    }
)  # fmt: skip
"""The first segment of a base id. Any other one is the geography of an inference profile: that set grows."""

_NO_TOOLS: frozenset[ToolMode] = frozenset()
_AUTO = frozenset({ToolMode.AUTO})
_AUTO_ANY = frozenset({ToolMode.AUTO, ToolMode.ANY})

_LOW_TO_HIGH = ("low", "medium", "high")
_NONE_TO_HIGH = ("none", *_LOW_TO_HIGH)
_PENALTIES = frozenset({("frequency_penalty", "frequency_penalty"), ("presence_penalty", "presence_penalty")})

UNKNOWN = Capabilities(family="unknown")
"""A model that the table does not know, such as an application inference profile: what it refuses, Bedrock tells."""

_CLAUDE_3 = Capabilities(
    family="Claude 3",
    output_ceiling=4_096,
    tells_stop=True,
    tool_images=True,
    tool_status=True,
    tool_caching=True,
)
_CLAUDE_3_5 = replace(_CLAUDE_3, family="Claude 3.5", output_ceiling=8_192)
_CLAUDE_3_7 = replace(
    _CLAUDE_3,
    family="Claude 3.7",
    output_ceiling=64_000,
    forced_while_reasoning=False,
    reasoning=Reasoning.BUDGET,
    efforts=_NONE_TO_HIGH,
    history=History.SIGNED,
    caching=Caching.FIVE_MINUTES,
)
_CLAUDE_4 = replace(_CLAUDE_3_7, family="Claude 4")
_CLAUDE_4_5 = replace(
    _CLAUDE_4,
    family="Claude 4.5",
    sampling=Sampling.ONE,
    strict_tools=True,
    serial_calls=True,
    answer_schema=True,
    caching=Caching.ONE_HOUR,
)
_CLAUDE_4_6 = replace(
    _CLAUDE_4_5,
    family="Claude 4.6",
    prefill=False,
    reasoning=Reasoning.ADAPTIVE_UNTYPED,
    efforts=(*_NONE_TO_HIGH, "max"),
)
_CLAUDE_4_7 = replace(
    _CLAUDE_4_6,
    family="Claude 4.7",
    output_ceiling=128_000,
    sampling=Sampling.NONE,
    strict_tools=False,
    answer_schema=False,
    reasoning=Reasoning.ADAPTIVE,
    efforts=(*_NONE_TO_HIGH, "xhigh", "max"),
)
_CLAUDE_4_8 = replace(_CLAUDE_4_7, family="Claude 4.8", forced_while_reasoning=True, system_turns=SystemTurns.ANYWHERE)
_CLAUDE_5 = replace(_CLAUDE_4_8, family="Claude 5", reasons_unasked=True)
_CLAUDE_5_5 = replace(_CLAUDE_5, family="Claude 5.5", tools=_AUTO, efforts=(*_LOW_TO_HIGH, "xhigh", "max"))

_NOVA = Capabilities(
    family="Nova", output_ceiling=10_000, tool_images=True, tool_status=True, caching=Caching.FIVE_MINUTES
)
_LLAMA = Capabilities(
    family="Llama", output_ceiling=8_192, stop_sequences=0, tools=_AUTO, mixed_turns=False, images=False
)
_MISTRAL = Capabilities(family="Mistral", output_ceiling=8_192, tools=_AUTO_ANY, mixed_turns=False, images=False)
_OPEN_WEIGHT = Capabilities(family="open weight", tools=_AUTO, images=False, answer_schema=True)
_DEEPSEEK_V3 = replace(
    _OPEN_WEIGHT,
    family="DeepSeek V3",
    tools=_AUTO_ANY,
    forced_while_reasoning=False,
    reasoning=Reasoning.FIELD,
    efforts=_LOW_TO_HIGH,
    history=History.UNSIGNED,
)
_GLM = replace(_OPEN_WEIGHT, family="GLM", tools=_AUTO_ANY, reasoning=Reasoning.FIELD, efforts=_LOW_TO_HIGH)
_GPT = Capabilities(
    family="GPT",
    least_output=16,
    sampling=Sampling.NONE,
    stop_sequences=0,
    reasoning=Reasoning.OBJECT,
    efforts=("none", *_LOW_TO_HIGH, "xhigh", "max"),
)

ROWS: dict[str, Capabilities] = {
    "ai21.jamba": Capabilities(family="Jamba", output_ceiling=4_096, tools=_AUTO, images=False, extras=_PENALTIES),
    "amazon.nova": _NOVA,
    "amazon.nova-micro": replace(_NOVA, family="Nova Micro", images=False, tool_images=False, documents=False),
    "amazon.nova-premier": replace(_NOVA, family="Nova Premier", output_ceiling=32_000),
    "amazon.nova-2": replace(
        _NOVA,
        family="Nova 2",
        output_ceiling=64_000,
        reasoning=Reasoning.NOVA,
        efforts=_NONE_TO_HIGH,
        history=History.UNSIGNED,
    ),
    "amazon.titan-text": Capabilities(
        family="Titan Text", output_ceiling=4_096, tools=_NO_TOOLS, images=False, system=False
    ),
    "anthropic.claude-": _CLAUDE_5,
    "anthropic.claude-instant": replace(_CLAUDE_3, family="Claude Instant", tools=_NO_TOOLS, images=False),
    "anthropic.claude-v2": replace(_CLAUDE_3, family="Claude 2", tools=_NO_TOOLS, images=False),
    "anthropic.claude-3-": _CLAUDE_3,
    "anthropic.claude-3-5-": _CLAUDE_3_5,
    "anthropic.claude-3-5-haiku": replace(_CLAUDE_3_5, caching=Caching.FIVE_MINUTES),
    "anthropic.claude-3-7-": _CLAUDE_3_7,
    "anthropic.claude-fable-5-1": _CLAUDE_5_5,
    "anthropic.claude-mythos": replace(_CLAUDE_5, efforts=_CLAUDE_5_5.efforts),
    "anthropic.claude-haiku-4-5": _CLAUDE_4_5,
    "anthropic.claude-opus-4": replace(_CLAUDE_4, output_ceiling=32_000),
    "anthropic.claude-opus-4-1": replace(_CLAUDE_4, output_ceiling=32_000, sampling=Sampling.ONE),
    "anthropic.claude-opus-4-5": _CLAUDE_4_5,
    "anthropic.claude-opus-4-6": replace(_CLAUDE_4_6, output_ceiling=128_000),
    "anthropic.claude-opus-4-7": _CLAUDE_4_7,
    "anthropic.claude-opus-4-8": _CLAUDE_4_8,
    "anthropic.claude-opus-5-5": _CLAUDE_5_5,
    "anthropic.claude-sonnet-4": _CLAUDE_4,
    "anthropic.claude-sonnet-4-5": _CLAUDE_4_5,
    "anthropic.claude-sonnet-4-6": _CLAUDE_4_6,
    "anthropic.claude-sonnet-5-5": _CLAUDE_5_5,
    "cohere.command-r": Capabilities(
        family="Command R",
        output_ceiling=4_096,
        tools=_AUTO,
        images=False,
        extras=_PENALTIES | {("seed", "seed")},
    ),
    "deepseek.r1": Capabilities(
        family="DeepSeek R1", output_ceiling=32_768, tools=_NO_TOOLS, images=False, reasoning=Reasoning.ALWAYS
    ),
    "deepseek.v3": _DEEPSEEK_V3,
    "meta.llama": _LLAMA,
    "meta.llama3-8b": replace(_LLAMA, family="Llama 3", output_ceiling=2_048, tools=_NO_TOOLS),
    "meta.llama3-70b": replace(_LLAMA, family="Llama 3", output_ceiling=2_048, tools=_NO_TOOLS),
    "meta.llama3-2-11b": replace(_LLAMA, images=True, tool_images=True),
    "meta.llama3-2-90b": replace(_LLAMA, images=True, tool_images=True),
    "meta.llama4": replace(_LLAMA, family="Llama 4", images=True, tool_images=True),
    "minimax.": replace(_OPEN_WEIGHT, family="MiniMax", history=History.UNSIGNED),
    "mistral.": _MISTRAL,
    "mistral.mistral-7b": replace(_MISTRAL, family="Mistral 7B", tools=_NO_TOOLS, system=False),
    "mistral.mixtral": replace(_MISTRAL, family="Mixtral", output_ceiling=4_096, tools=_NO_TOOLS, system=False),
    "mistral.pixtral": replace(_MISTRAL, family="Pixtral", images=True),
    "mistral.voxtral": replace(_MISTRAL, family="Voxtral", output_ceiling=None, audio=frozenset({"wav", "mp3"})),
    "mistral.mistral-large-3": replace(
        _MISTRAL, family="Mistral Large 3", output_ceiling=None, images=True, answer_schema=True
    ),
    "mistral.ministral-3": replace(
        _MISTRAL, family="Ministral 3", output_ceiling=None, images=True, answer_schema=True
    ),
    "moonshot": replace(
        _OPEN_WEIGHT,
        family="Kimi",
        reasoning=Reasoning.FIELD,
        efforts=_LOW_TO_HIGH,
        history=History.UNSIGNED,
    ),
    "nvidia.nemotron": replace(_OPEN_WEIGHT, family="Nemotron"),
    "openai.gpt-": _GPT,
    "openai.gpt-5.6": replace(_GPT, family="GPT 5.6", input_count=InputCount.WITH_CACHE),
    "openai.gpt-oss": Capabilities(
        family="gpt-oss",
        tools=_AUTO,
        images=False,
        reasoning=Reasoning.FIELD,
        efforts=_LOW_TO_HIGH,
        history=History.UNSIGNED,
    ),
    "qwen.qwen3": replace(_OPEN_WEIGHT, family="Qwen 3"),
    "qwen.qwen3-vl": replace(_OPEN_WEIGHT, family="Qwen 3 VL", images=True),
    "xai.grok": Capabilities(family="Grok", least_output=16),
    "zai.glm": _GLM,
    "zai.glm-5.3": replace(_GLM, tools=_GLM.tools | {ToolMode.NAMED}),
}


def of(model: Model) -> Capabilities:
    """What is known of a model: by the family that the manifest names, else by the upstream name (id, profile, ARN)."""
    return _found(model.family, model.upstream)


@functools.lru_cache(maxsize=1024)
def _found(family: str | None, upstream: str) -> Capabilities:
    for name in (family, upstream):
        row = None if name is None else _row(_base_id(name))
        if row is not None:
            return row
    return UNKNOWN


def _base_id(name: str) -> str:
    """`arn:…/us.anthropic.claude-x` and `us.anthropic.claude-x` → `anthropic.claude-x`; `claude-x` stays."""
    name = name.rpartition("/")[2].lower()
    first, dot, rest = name.partition(".")
    return rest if dot and first not in VENDORS and rest.partition(".")[0] in VENDORS else name


def _row(name: str) -> Capabilities | None:
    fitting = [
        prefix
        for prefix in ROWS
        if name.startswith((prefix, prefix.partition(".")[2] or prefix))  # the second: a family without its vendor
    ]
    return ROWS[max(fitting, key=len)] if fitting else None
