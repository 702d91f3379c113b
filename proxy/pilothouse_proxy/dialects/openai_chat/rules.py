"""What models behind chat completions take, where that is known: rows by the longest prefix of the model's name.

Sources: OpenAI's API reference (Chat Completions), its guides "Reasoning models" and "Using GPT-5" and the following
editions; Azure OpenAI's "Reasoning models" (parameters that are not supported), "API version lifecycle"; DeepSeek's,
Moonshot's and Z.ai's guides on thinking with tools (reasoning that goes back). Where these are silent, what OpenAI's
servers were seen to answer: `stop` and GPT-5 to 5.4 (smolagents#1671, #1868, #1893, LiteLLM#15244, #28650), sampling
without reasoning from GPT-5.1 on (LiteLLM), efforts by model (OpenAI's developer community, topic 1371738). A row that
turns out wrong is to be corrected here, nowhere else. What no row forbids is sent, and the provider says what it does
not take.
"""

import msgspec
from msgspec.structs import replace

from pilothouse_proxy.exchange.capabilities import History, Sampling

MAX_TOKENS = "max_tokens"
MAX_COMPLETION_TOKENS = "max_completion_tokens"

_PENALTIES = frozenset({"frequency_penalty", "presence_penalty", "logit_bias"})
_COMMON = frozenset(
    {
        "frequency_penalty", "presence_penalty", "logit_bias", "seed", "store", "response_format", "verbosity",
        "prediction", "prompt_cache_retention", "web_search_options",
    }
)  # fmt: skip
_COMPATIBLE = frozenset({"top_k", "min_p", "repetition_penalty"})


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """One family of models. Defaults are those of a model that no row names, on a server that is merely compatible."""

    family: str = "unknown"
    limit: str = MAX_TOKENS
    """The parameter that limits the output. The old name is known to every server."""
    old_limit: bool = True
    """Whether `max_tokens` is taken at all."""
    sampling: Sampling = Sampling.BOTH
    sampled_unreasoned: bool = False
    """Whether temperature and top_p may be set while the effort is none."""
    stop_sequences: int | None = None
    """How many; 0 = the parameter is refused, None = not known."""
    efforts: tuple[str, ...] | None = None
    """Those of `reasoning_effort`; empty = it does not reason, None = not known."""
    system: bool = True
    tools: bool = True
    allowed_tools: bool = False
    """Whether a choice among some of the tools can be put; else only these are offered."""
    parallel_tool_calls: bool = True
    """Whether the parameter is taken."""
    answer_schema: bool = True
    history: History = History.NONE
    """Which reasoning of earlier turns goes back: `reasoning_content` (unsigned) or `thinking_blocks` (signed)."""
    others: frozenset[str] = _COMMON | _COMPATIBLE
    """Further parameters that are sent on as they are."""
    completions: bool | None = None
    """Whether it is a model of the legacy completions, and of these alone; None = not known."""


UNKNOWN = Rules()

_LOW_TO_HIGH = ("low", "medium", "high")
_FROM_NONE = ("none", *_LOW_TO_HIGH)

_GPT = Rules(family="GPT", limit=MAX_COMPLETION_TOKENS, stop_sequences=4, others=_COMMON, completions=False)
"""A model of OpenAI's whose edition the name does not tell."""
_CHAT = replace(_GPT, efforts=())
_GPT_3_5 = replace(_CHAT, family="GPT-3.5", answer_schema=False)
_GPT_4 = replace(_CHAT, family="GPT-4", answer_schema=False)
_GPT_4O = replace(_CHAT, family="GPT-4o")
_LEGACY = Rules(family="GPT base", tools=False, answer_schema=False, efforts=(), completions=True)

_REASONING = replace(
    _GPT,
    old_limit=False,
    sampling=Sampling.NONE,
    stop_sequences=0,
    efforts=_LOW_TO_HIGH,
    others=_COMMON - _PENALTIES,
)
_O_SERIES = replace(_REASONING, family="o-series", parallel_tool_calls=False)
_O1 = replace(_O_SERIES, family="o1", stop_sequences=4)
_O1_PREVIEW = replace(_O1, system=False, tools=False, answer_schema=False, efforts=None)
_GPT_5 = replace(_REASONING, family="GPT-5", efforts=("minimal", *_LOW_TO_HIGH), allowed_tools=True)
_GPT_5_1 = replace(_GPT_5, family="GPT-5.1", efforts=_FROM_NONE, sampled_unreasoned=True)
_GPT_5_2 = replace(_GPT_5_1, family="GPT-5.2", efforts=(*_FROM_NONE, "xhigh"))
_GPT_5_5 = replace(_GPT_5_2, family="GPT-5.5", stop_sequences=4)
_GPT_5_6 = replace(_GPT_5_5, family="GPT-5.6", efforts=(*_FROM_NONE, "xhigh", "max"))
_GPT_5_CHAT = replace(_GPT_4O, family="GPT-5 chat", allowed_tools=True)
_INSTANT = replace(_GPT_5_1, efforts=("medium",), sampled_unreasoned=False)
_PRO = replace(_GPT_5, family="GPT-5 Pro", efforts=("high",))

_KEEPS_REASONING = replace(UNKNOWN, history=History.UNSIGNED)

ROWS: dict[str, Rules] = {
    "gpt": _GPT,
    "chatgpt-4o": _GPT_4O,
    "gpt-3.5-turbo": _GPT_3_5,
    "gpt-35-turbo": _GPT_3_5,
    "gpt-3.5-turbo-instruct": _LEGACY,
    "gpt-35-turbo-instruct": _LEGACY,
    "davinci-002": _LEGACY,
    "babbage-002": _LEGACY,
    "gpt-4": _GPT_4,
    "gpt-4-turbo": _GPT_4,
    "gpt-4.1": replace(_GPT_4O, family="GPT-4.1"),
    "gpt-4.5": replace(_GPT_4O, family="GPT-4.5"),
    "gpt-4o": _GPT_4O,
    "gpt-4o-2024-05-13": replace(_GPT_4O, answer_schema=False),
    "o1": _O1,
    "o1-mini": _O1_PREVIEW,
    "o1-preview": _O1_PREVIEW,
    "o3": replace(_O_SERIES, family="o3"),
    "o3-mini": replace(_O_SERIES, family="o3-mini", stop_sequences=4),
    "o4-mini": replace(_O_SERIES, family="o4-mini"),
    "gpt-5": _GPT_5,
    "gpt-5-chat": _GPT_5_CHAT,
    "gpt-5-pro": _PRO,
    "gpt-5.1": _GPT_5_1,
    "gpt-5.1-chat": replace(_INSTANT, family="GPT-5.1 chat"),
    "gpt-5.2": _GPT_5_2,
    "gpt-5.2-chat": replace(_INSTANT, family="GPT-5.2 chat"),
    "gpt-5.3": _GPT_5_2,
    "gpt-5.3-chat": replace(_INSTANT, family="GPT-5.3 chat"),
    "gpt-5.4": replace(_GPT_5_2, family="GPT-5.4"),
    "gpt-5.5": _GPT_5_5,
    "gpt-5.6": _GPT_5_6,
    "gpt-6": replace(_GPT_5_6, family="GPT-6"),
    # Weights that anybody may serve.
    "gpt-oss": replace(_KEEPS_REASONING, family="gpt-oss", efforts=_LOW_TO_HIGH),
    "claude": replace(UNKNOWN, family="Claude", history=History.SIGNED),
    "command": replace(UNKNOWN, family="Command"),
    "cohere": replace(UNKNOWN, family="Command"),
    "deepseek": replace(UNKNOWN, family="DeepSeek"),
    "deepseek-chat": replace(_KEEPS_REASONING, family="DeepSeek"),
    "deepseek-reasoner": replace(_KEEPS_REASONING, family="DeepSeek"),
    "deepseek-v3.2": replace(_KEEPS_REASONING, family="DeepSeek V3.2"),
    "deepseek-v4": replace(_KEEPS_REASONING, family="DeepSeek V4"),
    "gemini": replace(UNKNOWN, family="Gemini"),
    "gemma": replace(UNKNOWN, family="Gemma"),
    "glm": replace(UNKNOWN, family="GLM"),
    "glm-4.7": replace(_KEEPS_REASONING, family="GLM"),
    "glm-5": replace(_KEEPS_REASONING, family="GLM"),
    "grok": replace(UNKNOWN, family="Grok"),
    "kimi": replace(UNKNOWN, family="Kimi"),
    "kimi-k2-thinking": replace(_KEEPS_REASONING, family="Kimi K2"),
    "kimi-k2.5": replace(_KEEPS_REASONING, family="Kimi K2"),
    "llama": replace(UNKNOWN, family="Llama"),
    "mai": replace(UNKNOWN, family="MAI"),
    "meta-llama": replace(UNKNOWN, family="Llama"),
    "ministral": replace(UNKNOWN, family="Mistral"),
    "mistral": replace(UNKNOWN, family="Mistral"),
    "phi": replace(UNKNOWN, family="Phi"),
    "qwen": replace(UNKNOWN, family="Qwen"),
    "minimax": replace(UNKNOWN, family="MiniMax"),
    "minimax-m2": replace(_KEEPS_REASONING, family="MiniMax"),
}
