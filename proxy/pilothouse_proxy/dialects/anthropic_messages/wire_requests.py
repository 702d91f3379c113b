"""The members of a client's request that are translated, as the Claude API reference has them.

Unknown members are refused: what is not understood here would be lost on the way. Members that only an answer has, and
that SDKs send back with the history, are named so that they may come.
"""

from typing import Literal

import msgspec

ABSENT = msgspec.Raw()


def absent(raw: msgspec.Raw) -> bool:
    """Whether a member was not sent, or sent as null."""
    return bytes(raw) in {b"", b"null"}


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    pass


class CacheControl(_Wire):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class TextBlock(_Wire, tag_field="type", tag="text"):
    text: str
    cache_control: CacheControl | None = None
    citations: list[msgspec.Raw] | None = None  # of an answer


class Base64Source(_Wire, tag_field="type", tag="base64"):
    media_type: str
    data: str


class URLSource(_Wire, tag_field="type", tag="url"):
    url: str


class FileSource(_Wire, tag_field="type", tag="file"):
    file_id: str


class TextSource(_Wire, tag_field="type", tag="text"):
    media_type: str
    data: str


class ImageBlock(_Wire, tag_field="type", tag="image"):
    source: Base64Source | URLSource | FileSource
    cache_control: CacheControl | None = None


class ContentSource(_Wire, tag_field="type", tag="content"):
    content: str | list[TextBlock | ImageBlock]


class Citations(_Wire):
    enabled: bool | None = None


class DocumentBlock(_Wire, tag_field="type", tag="document"):
    source: Base64Source | TextSource | ContentSource | URLSource | FileSource
    title: str | None = None
    context: str | None = None
    citations: Citations | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(_Wire, tag_field="type", tag="thinking"):
    thinking: str
    signature: str | None = None


class RedactedThinkingBlock(_Wire, tag_field="type", tag="redacted_thinking"):
    data: str


class Caller(msgspec.Struct):
    type: str = ""


class ToolUseBlock(_Wire, tag_field="type", tag="tool_use"):
    id: str
    name: str
    input: msgspec.Raw
    cache_control: CacheControl | None = None
    caller: Caller | None = None  # of an answer: who ran it


class ToolResultBlock(_Wire, tag_field="type", tag="tool_result"):
    tool_use_id: str
    content: str | list[TextBlock | ImageBlock | DocumentBlock] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


Media = TextBlock | ImageBlock | DocumentBlock
Block = TextBlock | ImageBlock | DocumentBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock | ToolResultBlock
Content = str | list[Block]


class UserMessage(_Wire, tag_field="role", tag="user"):
    content: Content


class AssistantMessage(_Wire, tag_field="role", tag="assistant"):
    content: Content


class SystemMessage(_Wire, tag_field="role", tag="system"):
    content: str | list[TextBlock]


Message = UserMessage | AssistantMessage | SystemMessage


class Contents(msgspec.Struct):
    """Of a message that was decoded already: how many blocks it has."""

    content: str | list[msgspec.Raw]


class ToolKind(msgspec.Struct):
    """Of a tool, whichever it is: all but `custom` are run by Anthropic, or known to its models alone."""

    type: str | None = None


class Tool(_Wire):
    name: str
    input_schema: msgspec.Raw
    type: str | None = None
    description: str | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None
    eager_input_streaming: bool | None = None  # how a stream is cut, not what it says
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None


class AutoChoice(_Wire, tag_field="type", tag="auto"):
    disable_parallel_tool_use: bool | None = None


class AnyChoice(_Wire, tag_field="type", tag="any"):
    disable_parallel_tool_use: bool | None = None


class NamedChoice(_Wire, tag_field="type", tag="tool"):
    name: str
    disable_parallel_tool_use: bool | None = None


class NoChoice(_Wire, tag_field="type", tag="none"):
    pass


ToolChoice = AutoChoice | AnyChoice | NamedChoice | NoChoice


class EnabledThinking(_Wire, tag_field="type", tag="enabled"):
    budget_tokens: int
    display: str | None = None


class AdaptiveThinking(_Wire, tag_field="type", tag="adaptive"):
    display: str | None = None


class ThinkingBetweenTools(_Wire, tag_field="type", tag="between_tools"):
    pass


class NoThinking(_Wire, tag_field="type", tag="disabled"):
    pass


ThinkingConfig = EnabledThinking | AdaptiveThinking | ThinkingBetweenTools | NoThinking


class JSONFormat(_Wire, tag_field="type", tag="json_schema"):
    schema: msgspec.Raw


class OutputConfig(_Wire):
    effort: str | None = None
    format: JSONFormat | None = None


class Metadata(_Wire):
    user_id: str | None = None  # about the caller, not the answer: no model sees it
