"""Tokens guessed without a tokenizer, for answers that end before the provider has told.

Start values: 0.27 tokens a byte of Latin text, 0.40 of JSON and code, half a token a byte of scripts that UTF-8 writes
with three bytes; 4 tokens a message, 3 a request.
"""

import re
from typing import Final

import msgspec

from pilothouse_proxy.exchange.members import Members
from pilothouse_proxy.exchange.parts import Part, RedactedThinking, Text, Thinking, ToolCall, ToolResult
from pilothouse_proxy.exchange.request import Request

LATIN: Final = 0.27
CODE: Final = 0.40
DENSE: Final = 0.50
PER_MESSAGE: Final = 4
PER_REQUEST: Final = 3
PER_IMAGE: Final = 1_600

_BASE64: Final = re.compile(rb'(?:;base64,|"data"\s*:\s*"|"file_data"\s*:\s*")[A-Za-z0-9+/=_-]{64,}')
_ROLE: Final = re.compile(rb'"role"\s*:')
_TOKEN_LIST: Final = re.compile(rb"\[[\s\[]*[0-9]")


def input_tokens(members: Members) -> int:
    """What the body says may come to: messages, a prompt, what is to be embedded or ranked, instructions, tools."""
    tokens = float(PER_REQUEST)
    if "messages" in members:
        messages = bytes(members["messages"])
        tokens += PER_MESSAGE * len(_ROLE.findall(messages)) + _spoken(messages)
    if "system" in members:
        tokens += _spoken(bytes(members["system"]))
    if "instructions" in members:
        tokens += PER_MESSAGE + _text(bytes(members["instructions"]))
    for name in ("input", "prompt"):
        if name in members:
            given = bytes(members[name])
            tokens += PER_MESSAGE * len(_ROLE.findall(given)) + _input(given)
    for name in ("tools", "functions", "response_format", "text"):
        if name in members:
            tokens += CODE * len(memoryview(members[name]))
    return round(tokens)


def of_turns(request: Request) -> int:
    """What the turns and tools of a neutral request may come to."""
    tokens = float(PER_REQUEST)
    for turn in request.turns:
        tokens += PER_MESSAGE
        for part in turn.parts:
            if isinstance(part, ToolResult):
                tokens += sum(_part(inner) for inner in part.content)
            else:
                tokens += _part(part)
    for tool in request.tools:
        schema = 0 if tool.schema is None else len(bytes(tool.schema))
        tokens += CODE * (schema + len(tool.name) + len(tool.description))
    return round(tokens)


def _part(part: Part) -> float:
    if isinstance(part, Text | Thinking):
        return _text(part.text.encode("utf-8", "replace"))
    if isinstance(part, ToolCall):
        return CODE * (len(part.name) + len(part.arguments))
    return 0 if isinstance(part, RedactedThinking | ToolResult) else PER_IMAGE


def output_tokens(text_bytes: int) -> int:
    """What so many bytes of an answer come to."""
    return round(LATIN * text_bytes)


def _spoken(messages: bytes) -> float:
    """Text by its bytes; files inside the text by the piece, for their bytes say nothing."""
    tokens = 0.0
    if len(messages) > 64 and (b"base64," in messages or b'"data"' in messages or b'"file_data"' in messages):
        messages, pieces = _BASE64.subn(b"", messages)
        tokens += PER_IMAGE * pieces
    return tokens + _text(messages)


def _text(text: bytes) -> float:
    if text.isascii():
        return LATIN * len(text)
    # UTF-8 of the dense scripts has two continuation bytes a character, of accented Latin one in a few characters.
    dense = min(1.5 * (len(text) - len(text.decode("utf-8", "replace"))), len(text))
    return DENSE * dense + LATIN * (len(text) - dense)


def _input(text: bytes) -> float:
    if _TOKEN_LIST.match(text):
        try:
            return float(_count(msgspec.json.decode(text)))
        except ValueError:
            return LATIN * len(text)
    return _spoken(text)


def _count(value: object) -> int:
    return sum(_count(element) for element in value) if isinstance(value, list) else 1
