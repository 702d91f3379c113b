"""The members of a request that are translated, as OpenAI's API reference has them.

Unknown members are refused: what is not understood here would be lost on the way. Members that only answers have, and
that clients send back with the history, are named so that they may come.
"""

from typing import Literal

import msgspec

_ABSENT = msgspec.Raw()

OPAQUE = frozenset({"parameters", "schema"})
"""JSON schemas: null has a meaning of its own in there."""


def absent(raw: msgspec.Raw) -> bool:
    """Whether a member was not sent, or sent as null."""
    return bytes(raw) in {b"", b"null"}


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    pass


# What a message holds.


class CacheBreakpoint(_Wire):
    mode: Literal["explicit"]
    ttl: str | None = None


class InputText(_Wire, tag_field="type", tag="input_text"):
    text: str
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class InputImage(_Wire, tag_field="type", tag="input_image"):
    image_url: str | None = None
    file_id: str | None = None
    detail: Literal["auto", "low", "high", "original"] | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class InputFile(_Wire, tag_field="type", tag="input_file"):
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None
    detail: Literal["auto", "low", "high"] | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class Audio(_Wire):
    data: str
    format: str


class InputAudio(_Wire, tag_field="type", tag="input_audio"):
    input_audio: Audio


class OutputText(_Wire, tag_field="type", tag="output_text"):
    text: str
    annotations: list[msgspec.Raw] | None = None  # of the answer, as the following
    logprobs: list[msgspec.Raw] | None = None
    parsed: msgspec.Raw = _ABSENT  # by an SDK


class Refusal(_Wire, tag_field="type", tag="refusal"):
    refusal: str


ContentPart = InputText | InputImage | InputFile | InputAudio | OutputText | Refusal
Content = str | list[ContentPart]
OutputPart = InputText | InputImage | InputFile


# Items.

Status = Literal["in_progress", "completed", "incomplete"]


class ItemView(msgspec.Struct):
    """What tells the kinds of item apart; a message needs no `type`."""

    type: str | None = None


class Message(_Wire):
    role: Literal["user", "assistant", "system", "developer"]
    content: Content
    type: Literal["message"] | None = None
    id: str | None = None
    status: Status | None = None
    phase: str | None = None


class FunctionCall(_Wire, rename={"async_": "async"}):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: Status | None = None
    async_: bool | None = None
    caller: msgspec.Raw = _ABSENT
    namespace: str | None = None
    parsed_arguments: msgspec.Raw = _ABSENT  # by an SDK


class FunctionCallOutput(_Wire):
    type: Literal["function_call_output"]
    call_id: str
    output: str | list[OutputPart]
    id: str | None = None
    status: Status | None = None
    caller: msgspec.Raw = _ABSENT
    name: str | None = None
    namespace: str | None = None


class SummaryText(_Wire, tag_field="type", tag="summary_text"):
    text: str


class ReasoningText(_Wire, tag_field="type", tag="reasoning_text"):
    text: str


class ReasoningItem(_Wire):
    type: Literal["reasoning"]
    summary: list[SummaryText] | None = None
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    id: str | None = None
    status: Status | None = None


# Parameters.


class FunctionTool(_Wire, rename={"async_": "async"}):
    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: msgspec.Raw = _ABSENT
    strict: bool | None = None
    async_: bool | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None
    output_schema: msgspec.Raw = _ABSENT


class NamedTool(_Wire, tag_field="type", tag="function"):
    name: str


class AllowedTools(_Wire, tag_field="type", tag="allowed_tools"):
    mode: Literal["auto", "required"]
    tools: list[NamedTool]


ToolChoice = Literal["none", "auto", "required"] | NamedTool | AllowedTools


class TextFormat(_Wire, tag_field="type", tag="text"):
    pass


class ObjectFormat(_Wire, tag_field="type", tag="json_object"):
    pass


class SchemaFormat(_Wire, tag_field="type", tag="json_schema"):
    name: str
    schema: msgspec.Raw = _ABSENT
    description: str | None = None
    strict: bool | None = None


class TextOptions(_Wire):
    format: TextFormat | ObjectFormat | SchemaFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningOptions(_Wire):
    effort: str | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None  # its former name
    context: str | None = None
    mode: str | None = None


class CacheOptions(_Wire):
    mode: Literal["implicit", "explicit"] | None = None
    ttl: str | None = None


class StreamOptions(_Wire):
    include_obfuscation: bool | None = None
