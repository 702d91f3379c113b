"""The members of a chat request that are translated, as OpenAI's API reference has them.

Unknown members are refused: what is not understood here would be lost on the way. Members that only an answer has, and
that SDKs send back with the history, are named so that they may come.
"""

from typing import Literal

import msgspec

DONE = b"data: [DONE]\n\n"
"""Ends a stream that is whole."""

_ABSENT = msgspec.Raw()


def absent(raw: msgspec.Raw) -> bool:
    """Whether a member was not sent, or sent as null."""
    return bytes(raw) in {b"", b"null"}


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    pass


class CacheBreakpoint(_Wire):
    mode: Literal["explicit"]
    ttl: str | None = None


class TextPart(_Wire, tag_field="type", tag="text"):
    text: str
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class ImageURL(_Wire):
    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(_Wire, tag_field="type", tag="image_url"):
    image_url: ImageURL
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class File(_Wire):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(_Wire, tag_field="type", tag="file"):
    file: File
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class InputAudio(_Wire):
    data: str
    format: str


class AudioPart(_Wire, tag_field="type", tag="input_audio"):
    input_audio: InputAudio
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class RefusalPart(_Wire, tag_field="type", tag="refusal"):
    refusal: str
    prompt_cache_breakpoint: CacheBreakpoint | None = None


ContentPart = TextPart | ImagePart | FilePart | AudioPart | RefusalPart
Content = str | list[ContentPart]


class Called(_Wire):
    """A function as a call names it."""

    name: str
    arguments: str = ""


class FunctionCall(_Wire, tag_field="type", tag="function"):
    id: str
    function: Called
    index: int | None = None  # streamed calls that were put together keep it


class CustomCall(_Wire, tag_field="type", tag="custom"):
    id: str
    custom: msgspec.Raw


class ThinkingBlock(_Wire, tag_field="type", tag="thinking"):
    thinking: str = ""
    signature: str | None = None


class RedactedThinkingBlock(_Wire, tag_field="type", tag="redacted_thinking"):
    data: str


class SystemMessage(_Wire, tag_field="role", tag="system"):
    content: Content
    name: str | None = None


class DeveloperMessage(_Wire, tag_field="role", tag="developer"):
    content: Content
    name: str | None = None


class UserMessage(_Wire, tag_field="role", tag="user"):
    content: Content
    name: str | None = None


class AssistantMessage(_Wire, tag_field="role", tag="assistant"):
    content: Content | None = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: list[FunctionCall | CustomCall] | None = None
    function_call: Called | None = None
    audio: msgspec.Raw = _ABSENT
    reasoning_content: str | None = None
    thinking_blocks: list[ThinkingBlock | RedactedThinkingBlock] | None = None
    annotations: list[msgspec.Raw] | None = None  # of the answer; no API reads them back


class ToolMessage(_Wire, tag_field="role", tag="tool"):
    content: Content
    tool_call_id: str
    name: str | None = None  # the function's, which the call has told already


class FunctionMessage(_Wire, tag_field="role", tag="function"):
    name: str
    content: str | None = None


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage


class Function(_Wire):
    """A function as it is offered."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = _ABSENT
    strict: bool | None = None


class FunctionTool(_Wire, tag_field="type", tag="function"):
    function: Function


class CustomTool(_Wire, tag_field="type", tag="custom"):
    custom: msgspec.Raw


class Named(_Wire):
    name: str


class NamedFunction(_Wire, tag_field="type", tag="function"):
    function: Named


class AllowedTools(_Wire):
    mode: Literal["auto", "required"]
    tools: list[NamedFunction]


class AllowedToolsChoice(_Wire, tag_field="type", tag="allowed_tools"):
    allowed_tools: AllowedTools


class CustomChoice(_Wire, tag_field="type", tag="custom"):
    custom: msgspec.Raw


ToolChoice = Literal["none", "auto", "required"] | NamedFunction | AllowedToolsChoice | CustomChoice


class JSONSchema(_Wire):
    name: str
    schema: msgspec.Raw = _ABSENT
    description: str | None = None
    strict: bool | None = None


class SchemaFormat(_Wire, tag_field="type", tag="json_schema"):
    json_schema: JSONSchema


class ObjectFormat(_Wire, tag_field="type", tag="json_object"):
    pass


class TextFormat(_Wire, tag_field="type", tag="text"):
    pass


ResponseFormat = TextFormat | ObjectFormat | SchemaFormat


class CacheOptions(_Wire):
    mode: Literal["implicit", "explicit"] | None = None
    ttl: str | None = None


class StreamOptions(_Wire):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None
