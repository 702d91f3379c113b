"""What a row of Bedrock's table says of Claude, as Anthropic's side of the simulators reads it."""

from __future__ import annotations

import re
from typing import Final

from tests.simulators.models import AnthropicModel, BedrockModel, Claude

VERSION: Final = "bedrock-2023-05-31"
MARK: Final = "bdrk_"
"""Begins the second part of each id that Bedrock gives: `msg_bdrk_…`, `toolu_bdrk_…`."""

_ARN_VERSION: Final = re.compile(r"-v\d+(:\d+)?$")


def own_version(row: BedrockModel) -> bool:
    """Whether the id ends in a version (`-v1:0`), as up to Claude Opus 4.6: such know Bedrock's version alone."""
    return _ARN_VERSION.search(row.id) is not None


def named(row: BedrockModel) -> str:
    """The name that an answer gives the model: Anthropic's."""
    return _ARN_VERSION.sub("", row.id.partition(".")[2])


def model(row: BedrockModel, claude: Claude) -> AnthropicModel:
    return AnthropicModel(
        id=named(row),
        display_name=named(row),
        created_at="2024-01-01T00:00:00Z",
        context_window=row.context_window,
        max_output_tokens=row.max_output_tokens,
        sampling=row.sampling,
        prefill=row.prefill,
        forced_tools=row.forced_tools,
        mid_system=row.mid_system,
        reasoning=row.reasoning,
        cache_min_tokens=row.cache_min_tokens,
        structured=claude.structured,
        thinks_unasked=claude.thinks_unasked,
        always_thinks=claude.always_thinks,
        omits_thinking=claude.omits_thinking,
        efforts=claude.efforts,
    )
