"""A client's messages to turns of the exchange, one for one: nothing is merged, moved or dropped here."""

import re
from collections.abc import Iterable
from typing import Final

from pilothouse_proxy.dialects.openai_chat import wire
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import data_urls
from pilothouse_proxy.exchange.parts import (
    Audio,
    CacheMark,
    Document,
    Image,
    Part,
    RedactedThinking,
    RemoteImage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from pilothouse_proxy.exchange.request import Role, Turn

_TTL: Final = re.compile(r"([0-9]{1,4})([mh])")

# A member of an enum is looked up anew at each use.
_SYSTEM: Final = Role.SYSTEM
_USER: Final = Role.USER
_ASSISTANT: Final = Role.ASSISTANT
_TOOL: Final = Role.TOOL


def decode(messages: Iterable[wire.Message], *, default_ttl: str | None) -> tuple[Turn, ...]:
    """The turns. `default_ttl` is that of cache breakpoints without one of their own.

    Raises:
        GatewayError: INVALID_REQUEST or UNSUPPORTED that names the message and its part.
    """
    return tuple(_turn(message, at, default_ttl) for at, message in enumerate(messages))


def _turn(message: wire.Message, at: int, ttl: str | None) -> Turn:
    path = f"messages[{at}]"
    # To find that a value is none of a class costs much more than to find that it is: the usual ones come first.
    if isinstance(message, wire.UserMessage):
        return Turn(role=_USER, parts=_content(message.content, path, ttl), at=at, name=message.name)
    if isinstance(message, wire.SystemMessage):
        return _instructions(message, path, at, ttl)
    if isinstance(message, wire.AssistantMessage):
        return Turn(role=_ASSISTANT, parts=tuple(_assistant(message, path, ttl)), at=at, name=message.name)
    if isinstance(message, wire.ToolMessage):
        return Turn(role=_TOOL, parts=(_tool_result(message, path, ttl),), at=at)
    if isinstance(message, wire.FunctionMessage):
        raise GatewayError(
            Kind.UNSUPPORTED,
            "messages of role `function` are not supported with this model; send `tool` messages with `tool_call_id`",
            param=f"{path}.role",
        )
    return _instructions(message, path, at, ttl)


def _instructions(message: wire.SystemMessage | wire.DeveloperMessage, path: str, at: int, ttl: str | None) -> Turn:
    parts = _content(message.content, path, ttl)
    for index, part in enumerate(parts):
        if type(part) is not Text:
            what = f"{message.__struct_config__.tag} messages hold text only"
            raise GatewayError(Kind.INVALID_REQUEST, what, param=f"{path}.content[{index}]")
    return Turn(role=_SYSTEM, parts=parts, at=at, name=message.name)


def _assistant(message: wire.AssistantMessage, path: str, ttl: str | None) -> list[Part]:
    if message.function_call is not None:
        raise GatewayError(
            Kind.UNSUPPORTED,
            "`function_call` is not supported with this model; send `tool_calls`",
            param=f"{path}.function_call",
        )
    if not wire.absent(message.audio):
        raise GatewayError(
            Kind.UNSUPPORTED, "audio of earlier answers cannot be sent to this model", param=f"{path}.audio"
        )
    parts: list[Part] = _reasoning(message)
    if message.content is not None:
        parts += _content(message.content, path, ttl)
    if message.refusal:
        parts.append(Text(text=message.refusal))
    for index, call in enumerate(message.tool_calls or ()):
        if isinstance(call, wire.CustomCall):
            raise GatewayError(
                Kind.UNSUPPORTED,
                "calls of `custom` tools cannot be sent to this model",
                param=f"{path}.tool_calls[{index}].type",
            )
        parts.append(ToolCall(id=call.id, name=call.function.name, arguments=call.function.arguments))
    return parts


def _reasoning(message: wire.AssistantMessage) -> list[Part]:
    """The blocks say all that the flat text says, and more."""
    if message.thinking_blocks:
        return [
            Thinking(text=block.thinking, signature=block.signature)
            if isinstance(block, wire.ThinkingBlock)
            else RedactedThinking(base64=block.data)
            for block in message.thinking_blocks
        ]
    return [Thinking(text=message.reasoning_content)] if message.reasoning_content else []


def _tool_result(message: wire.ToolMessage, path: str, ttl: str | None) -> ToolResult:
    content: list[Text | Image | RemoteImage | Document] = []
    for index, part in enumerate(_content(message.content, path, ttl)):
        if not isinstance(part, Text | Image | RemoteImage | Document):
            raise GatewayError(
                Kind.INVALID_REQUEST,
                "a tool's answer holds text, images and files only",
                param=f"{path}.content[{index}]",
            )
        content.append(part)
    return ToolResult(call_id=message.tool_call_id, content=tuple(content))


def _content(content: wire.Content, path: str, ttl: str | None) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(text=content),)
    return tuple(_part(part, f"{path}.content[{index}]", ttl) for index, part in enumerate(content))


def _part(part: wire.ContentPart, path: str, ttl: str | None) -> Part:
    cache = _mark(part.prompt_cache_breakpoint, path, ttl) if part.prompt_cache_breakpoint else None
    if isinstance(part, wire.TextPart):
        return Text(text=part.text, cache=cache)
    if isinstance(part, wire.RefusalPart):
        return Text(text=part.refusal, cache=cache)
    if isinstance(part, wire.ImagePart):
        image = part.image_url
        return data_urls.image_or_address(image.url, f"{path}.image_url.url", detail=image.detail, cache=cache)
    if isinstance(part, wire.FilePart):
        return _document(part.file, f"{path}.file", cache)
    return Audio(format=part.input_audio.format, base64=part.input_audio.data, cache=cache)


def _mark(breakpoint_: wire.CacheBreakpoint, path: str, default_ttl: str | None) -> CacheMark:
    asked = breakpoint_.ttl or default_ttl
    if asked is None:
        return CacheMark()
    found = _TTL.fullmatch(asked)
    if found is None:
        param = f"{path}.prompt_cache_breakpoint.ttl"
        raise GatewayError(Kind.INVALID_REQUEST, f"invalid `{param}`: {asked!r} is no time such as 30m", param=param)
    return CacheMark(ttl_minutes=int(found[1]) * (60 if found[2] == "h" else 1))


def _document(file: wire.File, path: str, cache: CacheMark | None) -> Document:
    if file.file_id is not None:
        raise GatewayError(
            Kind.UNSUPPORTED, "uploaded files are not known to this model; send `file_data`", param=f"{path}.file_id"
        )
    if not file.file_data:
        raise GatewayError(
            Kind.INVALID_REQUEST, f"missing required parameter: `{path}.file_data`", param=f"{path}.file_data"
        )
    return data_urls.document(file.file_data, file.filename, path, cache=cache)
