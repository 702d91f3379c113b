"""A client's messages to turns of the exchange, one for one: nothing is merged, moved or dropped here."""

import hashlib
import re
from collections.abc import Iterable

from pilothouse_proxy.dialects.openai_chat import wire
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import media
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

_DATA_URL = re.compile(r"data:(?P<type>[^;,]*)(?P<parameters>(?:;[^;,]*)*),", re.IGNORECASE)
_TTL = re.compile(r"([0-9]{1,4})([mh])")

_DOCUMENT_TYPES = {
    "application/pdf": "pdf",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
}


def decode(messages: Iterable[wire.Message], *, default_ttl: str | None) -> tuple[Turn, ...]:
    """The turns. `default_ttl` is that of cache breakpoints without one of their own.

    Raises:
        GatewayError: INVALID_REQUEST or UNSUPPORTED that names the message and its part.
    """
    return tuple(_turn(message, at, default_ttl) for at, message in enumerate(messages))


def _turn(message: wire.Message, at: int, ttl: str | None) -> Turn:
    path = f"messages[{at}]"
    if isinstance(message, wire.UserMessage):
        return Turn(role=Role.USER, parts=_content(message.content, path, ttl), at=at, name=message.name)
    if isinstance(message, wire.AssistantMessage):
        return Turn(role=Role.ASSISTANT, parts=tuple(_assistant(message, path, ttl)), at=at, name=message.name)
    if isinstance(message, wire.ToolMessage):
        return Turn(role=Role.TOOL, parts=(_tool_result(message, path, ttl),), at=at)
    if isinstance(message, wire.FunctionMessage):
        raise GatewayError(
            Kind.UNSUPPORTED,
            "messages of role `function` are not supported with this model; send `tool` messages with `tool_call_id`",
            param=f"{path}.role",
        )
    parts = _content(message.content, path, ttl)
    _only_text(parts, path, f"{message.__struct_config__.tag} messages")
    return Turn(role=Role.SYSTEM, parts=parts, at=at, name=message.name)


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


def _only_text(parts: tuple[Part, ...], path: str, what: str) -> None:
    for index, part in enumerate(parts):
        if not isinstance(part, Text):
            raise GatewayError(Kind.INVALID_REQUEST, f"{what} hold text only", param=f"{path}.content[{index}]")


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
        return _image(part.image_url, f"{path}.image_url", cache)
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


def _image(image: wire.ImageURL, path: str, cache: CacheMark | None) -> Image | RemoteImage:
    found = _DATA_URL.match(image.url)
    if found is None:
        if "://" not in image.url:
            raise GatewayError(
                Kind.INVALID_REQUEST, f"`{path}.url` is neither a URL nor a data URL", param=f"{path}.url"
            )
        return RemoteImage(url=image.url, detail=image.detail, cache=cache)
    encoded = _base64_of(image.url, found, f"{path}.url")
    return media.image(encoded, f"{path}.url", detail=image.detail, cache=cache)


def _document(file: wire.File, path: str, cache: CacheMark | None) -> Document:
    if file.file_id is not None:
        raise GatewayError(
            Kind.UNSUPPORTED, "uploaded files are not known to this model; send `file_data`", param=f"{path}.file_id"
        )
    if not file.file_data:
        raise GatewayError(
            Kind.INVALID_REQUEST, f"missing required parameter: `{path}.file_data`", param=f"{path}.file_data"
        )
    found = _DATA_URL.match(file.file_data)
    media_type = found["type"].lower() if found else ""
    encoded = _base64_of(file.file_data, found, f"{path}.file_data") if found else file.file_data
    content = media.content_of(encoded, f"{path}.file_data")
    extension = (file.filename or "").rpartition(".")[2].lower()
    if content.startswith(b"%PDF-"):
        document_format: str | None = "pdf"
    else:
        document_format = _DOCUMENT_TYPES.get(media_type) or (
            extension if extension in _DOCUMENT_TYPES.values() else None
        )
    if document_format is None:
        known = ", ".join(sorted(_DOCUMENT_TYPES.values()))
        raise GatewayError(
            Kind.INVALID_REQUEST,
            f"`{path}` is of unknown type: give a data URL with its type, or a `filename` ending in one of {known}",
            param=path,
        )
    return Document(format=document_format, base64=encoded, digest=hashlib.sha256(content).hexdigest(), cache=cache)


def _base64_of(url: str, found: re.Match[str], path: str) -> str:
    if "base64" not in found["parameters"].lower().split(";"):
        raise GatewayError(Kind.INVALID_REQUEST, f"`{path}` must be a data URL in base64", param=path)
    return url[found.end() :]
