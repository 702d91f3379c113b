"""Refusals in this dialect's words: targets name parameters as OpenAI does."""

import functools
import re
from collections.abc import Sequence

import msgspec

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.anthropic_messages import wire_requests as wire
from pilothouse_proxy.errors import GatewayError
from pilothouse_proxy.exchange import words
from pilothouse_proxy.exchange.parts import ToolResult
from pilothouse_proxy.exchange.request import Request

_NAMES = {
    "max_completion_tokens": "max_tokens",
    "stop": "stop_sequences",
    "response_format": "output_config.format",
    "response_format.json_schema.schema": "output_config.format.schema",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "thinking_blocks": "thinking",
}

_PLACES: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"^messages\[-1\](?:\.content\[\d+\]|\.role)?"), "system"),
    (re.compile(r"^(tools\[\d+\])\.function\.parameters"), r"\1.input_schema"),
    (re.compile(r"^(tools\[\d+\])\.function\."), r"\1."),
    (re.compile(r"\.(?:image_url|file)(?:\.url|\.detail|\.file_data)?$"), ".source"),
    (re.compile(r"\.prompt_cache_breakpoint\b"), ".cache_control"),
    (re.compile(r"\.tool_calls(?:\[\d+\])?(?:\.function\.arguments)?$"), ".content"),
    (re.compile(r"\.(?:tool_call_id|thinking_blocks)$"), ".content"),
)
_contents = msgspec.json.Decoder(list[wire.Contents])

_MESSAGE = re.compile(r"^messages\[(\d+)\]\.content\[\d+\]")


def own(error: GatewayError, call: Call) -> GatewayError:
    """The same refusal, with the names that the client has used."""
    return words.told(error, functools.partial(_renamed, call=call))


def _renamed(name: str, call: Call) -> str:
    if name == "reasoning_effort":
        return "thinking" if "thinking" in call.peek.members else "output_config.effort"
    if name in _NAMES:
        return _NAMES[name]
    place = _MESSAGE.match(name)
    if place is not None and not _counts_blocks(int(place[1]), call):
        return f"messages[{place[1]}].content"
    for pattern, said in _PLACES:
        name = pattern.sub(said, name)
    return name


def _counts_blocks(at: int, call: Call) -> bool:
    """Whether the parts of a message are its blocks, one for one: results of tools have turns of their own, and what is
    said of a document is a part beside it.
    """
    request = call.decoded
    turns = [turn for turn in request.turns if turn.at == at] if isinstance(request, Request) else []
    content = _contents.decode(call.peek.members["messages"])[at].content
    blocks = len(content) if isinstance(content, list) else 1
    return len(turns) == 1 and len(turns[0].parts) == blocks and not isinstance(turns[0].parts[0], ToolResult)
