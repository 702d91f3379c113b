"""What the models on Bedrock take: rows by the longest prefix of the model id.

Where AWS's own pages are silent (which choices of tools, which sampling parameters a model refuses), rows hold what
others have observed, and say so. A row that turns out wrong is to be corrected here, nowhere else; for one deployment
the manifest's `family` and `surface` go before it.
"""

import functools
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from pilothouse_api.snapshot.providers import Model
from pilothouse_api.snapshot.settings import Surface
from pilothouse_proxy.capabilities.rows import Quirk, Row
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

VENDORS: Final = frozenset(
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
_COMPLETES = Capabilities(family="completions", output_ceiling=4_096, tools=_NO_TOOLS, images=False, system=False)
_JAMBA = Capabilities(family="Jamba", output_ceiling=4_096, tools=_AUTO, images=False, extras=_PENALTIES)
_LLAMA = Capabilities(
    family="Llama",
    output_ceiling=8_192,
    stop_sequences=0,
    tools=_AUTO,
    stream_tools=False,
    mixed_turns=False,
    images=False,
)
_MISTRAL = Capabilities(
    family="Mistral", output_ceiling=8_192, tools=_AUTO_ANY, stream_tools=False, mixed_turns=False, images=False
)
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
_KIMI = replace(
    _OPEN_WEIGHT,
    family="Kimi",
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

_GUIDE = "Amazon Bedrock user guide: Supported models and model features"
_OBSERVED: Final = f"{_GUIDE}; choices of tools and tools in streams as langchain-aws 1.9.1 has observed"
_CLAUDE: Final = (
    "Amazon Bedrock user guide: Supported models and model features, Prompt caching, Structured outputs, Extended "
    "thinking, Adaptive thinking, Count tokens; Anthropic: Models overview; forced tools as observed by litellm 1.106.2"
)
_SURFACES: Final = f"{_GUIDE}, Endpoint availability; refusals as litellm 1.106.2 has observed"
_READ: Final = "2026-11"

_CHAT, _RESPONSES, _MESSAGES = "openai.chat", "openai.responses", "anthropic.messages"

_ONE_ANSWER = Quirk(dialect=_CHAT, param="n", hint="ask once for each answer", neutral=frozenset({b"1"}))
_AT_REST = frozenset({b"0", b"0.0", b"1", b"1.0", b"false"})
_GPT_QUIRKS: Final = (
    _ONE_ANSWER,
    *(
        Quirk(
            dialect=_CHAT,
            param=param,
            hint="it is taken with `reasoning_effort` none alone",
            unless_effort="none",
            neutral=_AT_REST,
        )
        for param in ("temperature", "top_p", "frequency_penalty", "presence_penalty", "logprobs")
    ),
)
_TOOLS_AT_REST = Quirk(
    dialect=_CHAT, param="tools", hint="they are taken with `reasoning_effort` none alone", unless_effort="none"
)
_GPT_OSS_QUIRKS = (
    _ONE_ANSWER,
    Quirk(dialect=_CHAT, param="logit_bias", hint=""),
    Quirk(
        dialect=_CHAT,
        param="response_format",
        hint="it is accepted there and has no effect",
        neutral=frozenset({b'{"type":"text"}'}),
    ),
)
_GROK_QUIRKS = (
    _ONE_ANSWER,
    Quirk(dialect=_CHAT, param="reasoning_effort", hint="it always reasons", only=frozenset({b'"none"'})),
    *(
        Quirk(dialect=_CHAT, param=param, hint="", neutral=_AT_REST)
        for param in ("frequency_penalty", "presence_penalty")
    ),
)


def _row(
    prefix: str,
    capabilities: Capabilities,
    source: str = _OBSERVED,
    *,
    surface: Surface = Surface.CONVERSE,
    speaks: tuple[str, ...] = (),
    counted: bool = False,
    quirks: tuple[Quirk, ...] = (),
) -> Row:
    return Row(
        prefix=prefix,
        capabilities=capabilities,
        surface=surface,
        speaks=speaks,
        counted=counted,
        quirks=quirks,
        source=source,
        read=_READ,
    )


def _gpt(prefix: str, capabilities: Capabilities, *more: Quirk) -> Row:
    return Row(
        prefix=prefix,
        capabilities=capabilities,
        speaks=(_CHAT, _RESPONSES),
        mantle_speaks=(_RESPONSES,),
        mantle_prefix="/openai/v1",
        quirks=(*_GPT_QUIRKS, *more),
        source=_SURFACES,
        read=_READ,
    )


def _claude(prefix: str, capabilities: Capabilities) -> Row:
    """One that Messages is spoken for: what Anthropic has of its own reaches it that way alone."""
    return _row(prefix, capabilities, _CLAUDE, surface=Surface.ANTHROPIC, speaks=(_MESSAGES,), counted=True)


_TABLE = (
    _row("ai21.j2", replace(_COMPLETES, family="Jurassic-2", streaming=False, documents=False), _GUIDE),
    _row("ai21.jamba", _JAMBA),
    _row("ai21.jamba-instruct", replace(_JAMBA, family="Jamba Instruct", tools=_NO_TOOLS, documents=False), _GUIDE),
    _row("amazon.nova", _NOVA),
    _row("amazon.nova-micro", replace(_NOVA, family="Nova Micro", images=False, tool_images=False, documents=False)),
    _row("amazon.nova-premier", replace(_NOVA, family="Nova Premier", output_ceiling=32_000)),
    _row(
        "amazon.nova-2",
        replace(
            _NOVA,
            family="Nova 2",
            output_ceiling=64_000,
            reasoning=Reasoning.NOVA,
            efforts=_NONE_TO_HIGH,
            history=History.UNSIGNED,
        ),
    ),
    _row("amazon.titan-text", replace(_COMPLETES, family="Titan Text"), _GUIDE),
    _row("amazon.titan-text-premier", replace(_COMPLETES, family="Titan Text Premier", documents=False), _GUIDE),
    _claude("anthropic.claude-", _CLAUDE_5),
    _row(
        "anthropic.claude-instant",
        replace(_CLAUDE_3, family="Claude Instant", tools=_NO_TOOLS, images=False),
        _CLAUDE,
    ),
    _row("anthropic.claude-v2", replace(_CLAUDE_3, family="Claude 2", tools=_NO_TOOLS, images=False), _CLAUDE),
    _row("anthropic.claude-3-", _CLAUDE_3, _CLAUDE),
    _row("anthropic.claude-3-5-", _CLAUDE_3_5, _CLAUDE, counted=True),
    _row(
        "anthropic.claude-3-5-sonnet-20241022",
        replace(_CLAUDE_3_5, caching=Caching.FIVE_MINUTES),
        _CLAUDE,
        counted=True,
    ),
    _row(
        "anthropic.claude-3-5-haiku",
        replace(_CLAUDE_3_5, images=False, tool_images=False, caching=Caching.FIVE_MINUTES),
        _CLAUDE,
        counted=True,
    ),
    _row("anthropic.claude-3-7-", _CLAUDE_3_7, _CLAUDE, counted=True),
    _claude("anthropic.claude-fable-5-1", _CLAUDE_5_5),
    _claude("anthropic.claude-mythos", replace(_CLAUDE_5, efforts=_CLAUDE_5_5.efforts)),
    _row("anthropic.claude-haiku-4-5", _CLAUDE_4_5, _CLAUDE, counted=True),
    _row("anthropic.claude-opus-4", replace(_CLAUDE_4, output_ceiling=32_000), _CLAUDE, counted=True),
    _row(
        "anthropic.claude-opus-4-1",
        replace(_CLAUDE_4, output_ceiling=32_000, sampling=Sampling.ONE),
        _CLAUDE,
        counted=True,
    ),
    _row("anthropic.claude-opus-4-5", _CLAUDE_4_5, _CLAUDE, counted=True),
    _row("anthropic.claude-opus-4-6", replace(_CLAUDE_4_6, output_ceiling=128_000), _CLAUDE, counted=True),
    _claude("anthropic.claude-opus-4-7", _CLAUDE_4_7),
    _claude("anthropic.claude-opus-4-8", _CLAUDE_4_8),
    _claude("anthropic.claude-opus-5-5", _CLAUDE_5_5),
    _row("anthropic.claude-sonnet-4", _CLAUDE_4, _CLAUDE, counted=True),
    _row("anthropic.claude-sonnet-4-5", _CLAUDE_4_5, _CLAUDE, counted=True),
    _row("anthropic.claude-sonnet-4-6", _CLAUDE_4_6, _CLAUDE, counted=True),
    _claude("anthropic.claude-sonnet-5-5", _CLAUDE_5_5),
    _row("cohere.command-light", replace(_COMPLETES, family="Command Light"), _GUIDE),
    _row("cohere.command-text", replace(_COMPLETES, family="Command"), _GUIDE),
    _row(
        "cohere.command-r",
        Capabilities(
            family="Command R",
            output_ceiling=4_096,
            tools=_AUTO,
            images=False,
            extras=_PENALTIES | {("seed", "seed")},
        ),
    ),
    _row(
        "deepseek.r1",
        Capabilities(
            family="DeepSeek R1", output_ceiling=32_768, tools=_NO_TOOLS, images=False, reasoning=Reasoning.ALWAYS
        ),
    ),
    _row("deepseek.v3", _DEEPSEEK_V3),
    _row("google.gemma", replace(_OPEN_WEIGHT, family="Gemma", answer_schema=False)),
    _row("meta.llama", _LLAMA),
    _row("meta.llama2", replace(_LLAMA, family="Llama 2", output_ceiling=2_048, tools=_NO_TOOLS)),
    _row("meta.llama3-8b", replace(_LLAMA, family="Llama 3", output_ceiling=2_048, tools=_NO_TOOLS)),
    _row("meta.llama3-70b", replace(_LLAMA, family="Llama 3", output_ceiling=2_048, tools=_NO_TOOLS)),
    _row("meta.llama3-2-11b", replace(_LLAMA, images=True, tool_images=True)),
    _row("meta.llama3-2-90b", replace(_LLAMA, images=True, tool_images=True)),
    _row("meta.llama4", replace(_LLAMA, family="Llama 4", images=True, tool_images=True)),
    _row("minimax.", replace(_OPEN_WEIGHT, family="MiniMax", history=History.UNSIGNED)),
    _row("mistral.", _MISTRAL),
    _row("mistral.magistral", replace(_MISTRAL, family="Magistral", reasoning=Reasoning.ALWAYS)),
    _row("mistral.mistral-7b", replace(_MISTRAL, family="Mistral 7B", tools=_NO_TOOLS, system=False)),
    _row("mistral.mixtral", replace(_MISTRAL, family="Mixtral", output_ceiling=4_096, tools=_NO_TOOLS, system=False)),
    _row("mistral.pixtral", replace(_MISTRAL, family="Pixtral", images=True)),
    _row(
        "mistral.voxtral",
        replace(_MISTRAL, family="Voxtral", output_ceiling=None, audio=frozenset({"wav", "mp3"})),
    ),
    _row(
        "mistral.mistral-large-3",
        replace(_MISTRAL, family="Mistral Large 3", output_ceiling=None, images=True, answer_schema=True),
    ),
    _row(
        "mistral.ministral-3",
        replace(_MISTRAL, family="Ministral 3", output_ceiling=None, images=True, answer_schema=True),
    ),
    _row("moonshot", _KIMI),
    _row("moonshotai.kimi-k2.5", replace(_KIMI, images=True)),
    _row("nvidia.nemotron", replace(_OPEN_WEIGHT, family="Nemotron")),
    _gpt("openai.gpt-", _GPT),
    _gpt("openai.gpt-5.6", replace(_GPT, family="GPT 5.6", input_count=InputCount.WITH_CACHE), _TOOLS_AT_REST),
    _gpt("openai.gpt-6", replace(_GPT, family="GPT 6"), _TOOLS_AT_REST),
    _row(
        "openai.gpt-oss",
        Capabilities(
            family="gpt-oss",
            tools=_AUTO,
            images=False,
            documents=False,
            reasoning=Reasoning.FIELD,
            efforts=_LOW_TO_HIGH,
            history=History.UNSIGNED,
        ),
        _SURFACES,
        speaks=(_CHAT,),
        quirks=_GPT_OSS_QUIRKS,
    ),
    _row("qwen.qwen3", replace(_OPEN_WEIGHT, family="Qwen 3")),
    _row("qwen.qwen3-vl", replace(_OPEN_WEIGHT, family="Qwen 3 VL", images=True)),
    _row(
        "writer.palmyra",
        Capabilities(family="Palmyra", tools=_AUTO, stream_tools=False, images=False),
    ),
    _row(
        "xai.grok",
        Capabilities(family="Grok", least_output=16),
        _SURFACES,
        speaks=(_CHAT, _RESPONSES),
        quirks=_GROK_QUIRKS,
    ),
    _row("zai.glm", _GLM),
    _row("zai.glm-5.3", replace(_GLM, tools=_GLM.tools | {ToolMode.NAMED})),
)
ROWS: Final[Mapping[str, Row]] = {row.prefix: row for row in _TABLE}

UNKNOWN_ROW: Final = _row("", UNKNOWN, "none: what such a model refuses, Bedrock tells")


def of(model: Model) -> Capabilities:
    """What is known of a model: by the family that the manifest names, else by the upstream name (id, profile, ARN)."""
    return _found(model.family, model.upstream).capabilities


def row(model: Model) -> Row:
    """The same, with where it can be asked."""
    return _found(model.family, model.upstream)


@functools.lru_cache(maxsize=1024)
def _found(family: str | None, upstream: str) -> Row:
    for name in (family, upstream):
        found = None if name is None else _fitting(base_id(name))
        if found is not None:
            return found
    return UNKNOWN_ROW


def base_id(name: str) -> str:
    """`arn:…/us.anthropic.claude-x` and `us.anthropic.claude-x` → `anthropic.claude-x`; `claude-x` stays."""
    name = name.rpartition("/")[2].lower()
    first, dot, rest = name.partition(".")
    return rest if dot and first not in VENDORS and rest.partition(".")[0] in VENDORS else name


def _fitting(name: str) -> Row | None:
    """A family may stand without its vendor (`claude-sonnet-4-5`), and without a version (`claude`)."""
    fitting = [
        prefix
        for prefix in ROWS
        for begun in (prefix, prefix.partition(".")[2] or prefix)
        if name.startswith(begun) or name == begun.rstrip("-.")
    ]
    return ROWS[max(fitting, key=len)] if fitting else None
