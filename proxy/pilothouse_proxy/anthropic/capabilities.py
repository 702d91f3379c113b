"""What Claude models take through Messages: rows by the longest prefix of the model id.

Sources: Anthropic's documentation ("Models overview", "Extended thinking", "Adaptive thinking", "Effort", "Structured
outputs", "Prompt caching", "Migrating to 2026-10-21"); where it is silent (which choices of tools a model refuses),
what AWS's own LangChain integration and LiteLLM's public model table have observed. A row that turns out wrong is to
be corrected here, nowhere else.
"""

import functools

from msgspec.structs import replace

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.exchange.capabilities import (
    Caching,
    Capabilities,
    History,
    Reasoning,
    Sampling,
    SystemTurns,
)
from pilothouse_proxy.exchange.request import ToolMode

_LOW_TO_HIGH = ("low", "medium", "high")
_NONE_TO_HIGH = ("none", *_LOW_TO_HIGH)
_TOP_K = frozenset({("top_k", "top_k")})

_CLAUDE_3 = Capabilities(
    family="Claude 3",
    output_ceiling=4_096,
    serial_calls=True,
    tool_images=True,
    caching=Caching.ONE_HOUR,
    extras=_TOP_K,
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
)
_CLAUDE_4 = replace(_CLAUDE_3_7, family="Claude 4")
_CLAUDE_4_5 = replace(_CLAUDE_4, family="Claude 4.5", sampling=Sampling.ONE, strict_tools=True, answer_schema=True)
_CLAUDE_4_6 = replace(
    _CLAUDE_4_5,
    family="Claude 4.6",
    prefill=False,
    reasoning=Reasoning.ADAPTIVE,
    efforts=(*_NONE_TO_HIGH, "max"),
)
_CLAUDE_4_7 = replace(
    _CLAUDE_4_6,
    family="Claude 4.7",
    output_ceiling=128_000,
    sampling=Sampling.NONE,
    efforts=(*_NONE_TO_HIGH, "xhigh", "max"),
    extras=frozenset(),
)
_CLAUDE_4_8 = replace(_CLAUDE_4_7, family="Claude 4.8", forced_while_reasoning=True, system_turns=SystemTurns.ANYWHERE)
_CLAUDE_5 = replace(_CLAUDE_4_8, family="Claude 5", reasons_unasked=True)
_CLAUDE_5_5 = replace(
    _CLAUDE_5,
    family="Claude 5.5",
    tools=frozenset({ToolMode.AUTO}),
    efforts=(*_LOW_TO_HIGH, "xhigh", "max"),
)

UNKNOWN = replace(
    _CLAUDE_5,
    family="unknown",
    output_ceiling=None,
    sampling=Sampling.BOTH,
    system_turns=SystemTurns.FIRST,
    prefill=True,
    extras=_TOP_K,
)
"""A model that the table does not know is asked in the form of the newest; what it refuses, its provider tells."""

ROWS: dict[str, Capabilities] = {
    "claude-": UNKNOWN,
    "claude-3-": _CLAUDE_3,
    "claude-3-5-": _CLAUDE_3_5,
    "claude-3-7-": _CLAUDE_3_7,
    "claude-fable": _CLAUDE_5,
    "claude-fable-5-1": _CLAUDE_5_5,
    "claude-mythos": replace(_CLAUDE_5, efforts=_CLAUDE_5_5.efforts),
    "claude-haiku-4-5": _CLAUDE_4_5,
    "claude-opus-4": replace(_CLAUDE_4, output_ceiling=32_000),
    "claude-opus-4-1": replace(_CLAUDE_4, output_ceiling=32_000, sampling=Sampling.ONE),
    "claude-opus-4-5": _CLAUDE_4_5,
    "claude-opus-4-6": replace(_CLAUDE_4_6, output_ceiling=128_000),
    "claude-opus-4-7": _CLAUDE_4_7,
    "claude-opus-4-8": _CLAUDE_4_8,
    "claude-opus-5": _CLAUDE_5,
    "claude-opus-5-5": _CLAUDE_5_5,
    "claude-sonnet-4": _CLAUDE_4,
    "claude-sonnet-4-5": _CLAUDE_4_5,
    "claude-sonnet-4-6": _CLAUDE_4_6,
    "claude-sonnet-5": _CLAUDE_5,
    "claude-sonnet-5-5": _CLAUDE_5_5,
}


def of(model: Model) -> Capabilities:
    """What is known of a model: by the family that the manifest names, else by the upstream name.

    `claude-x`, `us.anthropic.claude-x-v1:0` and `arn:…/eu.anthropic.claude-x` are one model.
    """
    return _found(model.family, model.upstream)


@functools.lru_cache(maxsize=1024)
def _found(family: str | None, upstream: str) -> Capabilities:
    for name in (family, upstream):
        if name is None:
            continue
        _, claude, rest = name.lower().rpartition("claude-")
        fitting = [prefix for prefix in ROWS if (claude + rest).startswith(prefix)]
        if fitting:
            return ROWS[max(fitting, key=len)]
    return UNKNOWN
