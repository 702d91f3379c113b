"""Refusals in this dialect's words: targets name parameters as chat completions does."""

import re

from pilothouse_proxy.call import Call
from pilothouse_proxy.errors import GatewayError
from pilothouse_proxy.exchange import words

_NAMES = tuple(
    (re.compile(beginning), replacement)
    for beginning, replacement in (
        (r"max_(completion_)?tokens\b", "max_output_tokens"),
        (r"reasoning_effort\b", "reasoning.effort"),
        (r"response_format(\.json_schema)?\b", "text.format"),
        (r"verbosity\b", "text.verbosity"),
        (r"messages\[-1\].*", "instructions"),
        (r"messages\[(\d+)\]\.tool_call_id", r"input[\1].call_id"),
        (r"messages\[(\d+)\]\.(thinking_blocks|tool_calls|reasoning_content).*", r"input[\1]"),
        (r"messages\b", "input"),
        (r"thinking_blocks\b", "reasoning"),
        (r"tools\[(\d+)\]\.function\b", r"tools[\1]"),
    )
)
"""(the beginning of a name as chat completions has it, what stands in its place); the first that fits."""


def own(error: GatewayError, _: Call) -> GatewayError:
    """The same refusal, with the names that the client has used."""
    return words.told(error, _named)


def _named(name: str) -> str:
    for beginning, replacement in _NAMES:
        found = beginning.match(name)
        if found is not None:
            return found.expand(replacement) + name[found.end() :]
    return name
