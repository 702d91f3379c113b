"""A client's messages to turns of the exchange.

A user's message with results of tools becomes one turn for each result, and one for the rest: all of the same place.
"""

import hashlib
from collections.abc import Iterable

from pilothouse_proxy.dialects.anthropic_messages import wire_requests as wire
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import media
from pilothouse_proxy.exchange.parts import (
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
    ToolStatus,
)
from pilothouse_proxy.exchange.request import Role, Turn

SYSTEM_AT = -1
"""The place of `system`, which is no message."""

_PDF = "application/pdf"
_PLAIN = "text/plain"
_MINUTES = {"5m": 5, "1h": 60}
_Shown = Text | Image | RemoteImage | Document


def system(content: str | list[wire.TextBlock] | None) -> tuple[Turn, ...]:
    """The turn of the parameter `system`, if there is any."""
    if not content:
        return ()
    return (Turn(role=Role.SYSTEM, parts=_texts(content), at=SYSTEM_AT),)


def turns(messages: Iterable[wire.Message]) -> list[Turn]:
    """The turns, in order.

    Raises:
        GatewayError: INVALID_REQUEST or UNSUPPORTED that names the message and its block.
    """
    found: list[Turn] = []
    for at, message in enumerate(messages):
        if isinstance(message, wire.SystemMessage):
            found.append(Turn(role=Role.SYSTEM, parts=_texts(message.content), at=at))
        elif isinstance(message, wire.AssistantMessage):
            found.append(Turn(role=Role.ASSISTANT, parts=tuple(_parts(message.content, at)), at=at))
        else:
            found += _users(message, at)
    return found


def mark(control: wire.CacheControl | None) -> CacheMark | None:
    """Where a prefix worth caching ends. Without a lifetime it is Anthropic's own, which is five minutes."""
    return None if control is None else CacheMark(ttl_minutes=None if control.ttl is None else _MINUTES[control.ttl])


def _users(message: wire.UserMessage, at: int) -> list[Turn]:
    results: list[Turn] = []
    rest: list[Part] = []
    for part in _parts(message.content, at):
        if isinstance(part, ToolCall | Thinking | RedactedThinking):
            raise GatewayError(
                Kind.INVALID_REQUEST,
                f"`messages[{at}]`: only assistant messages hold calls of tools and thinking",
                param=f"messages[{at}].content",
            )
        if isinstance(part, ToolResult):
            results.append(Turn(role=Role.TOOL, parts=(part,), at=at))
        else:
            rest.append(part)
    return [*results, Turn(role=Role.USER, parts=tuple(rest), at=at)] if rest or not results else results


def _texts(content: str | list[wire.TextBlock]) -> tuple[Text, ...]:
    if isinstance(content, str):
        return (Text(text=content),)
    return tuple(Text(text=block.text, cache=mark(block.cache_control)) for block in content)


def _parts(content: wire.Content, at: int) -> list[Part]:
    if isinstance(content, str):
        return [Text(text=content)]
    parts: list[Part] = []
    for index, block in enumerate(content):
        parts += _block(block, f"messages[{at}].content[{index}]")
    return parts


def _block(block: wire.Block, path: str) -> list[Part]:
    if isinstance(block, wire.ThinkingBlock):
        return [Thinking(text=block.thinking, signature=block.signature or None)]
    if isinstance(block, wire.RedactedThinkingBlock):
        return [RedactedThinking(base64=block.data)]
    if isinstance(block, wire.ToolUseBlock):
        return [_call(block, path)]
    if isinstance(block, wire.ToolResultBlock):
        return [_result(block, path)]
    return list(_media(block, path))


def _call(block: wire.ToolUseBlock, path: str) -> ToolCall:
    if block.caller is not None and block.caller.type != "direct":
        raise _unsupported(f"{path}.caller", "calls that Anthropic has run cannot be sent to this model")
    arguments = bytes(block.input).decode()
    if not arguments.startswith("{"):
        raise GatewayError(Kind.INVALID_REQUEST, f"`{path}.input` must be a JSON object", param=f"{path}.input")
    return ToolCall(id=block.id, name=block.name, arguments=arguments, cache=mark(block.cache_control))


def _result(block: wire.ToolResultBlock, path: str) -> ToolResult:
    content: list[_Shown] = []
    if isinstance(block.content, str):
        content.append(Text(text=block.content))
    else:
        for index, each in enumerate(block.content or ()):
            content += _media(each, f"{path}.content[{index}]")
    cache = mark(block.cache_control)
    if cache is not None:
        # The exchange marks what a result says, not the result.
        content = [*content[:-1], _marked(content[-1], cache)] if content else [Text(text="", cache=cache)]
    return ToolResult(
        call_id=block.tool_use_id,
        content=tuple(content),
        status=ToolStatus.FAILED if block.is_error else ToolStatus.OK,
    )


def _marked(part: _Shown, cache: CacheMark) -> _Shown:
    if isinstance(part, Text):
        return Text(text=part.text, cache=cache)
    if isinstance(part, Image):
        return Image(format=part.format, base64=part.base64, detail=part.detail, cache=cache)
    if isinstance(part, RemoteImage):
        return RemoteImage(url=part.url, detail=part.detail, cache=cache)
    return Document(format=part.format, base64=part.base64, digest=part.digest, cache=cache)


def _media(block: wire.Media, path: str) -> list[_Shown]:
    if isinstance(block, wire.TextBlock):
        return [Text(text=block.text, cache=mark(block.cache_control))]
    if isinstance(block, wire.ImageBlock):
        return [_image(block, path)]
    return _document(block, path)


def _image(block: wire.ImageBlock, path: str) -> Image | RemoteImage:
    source, cache = block.source, mark(block.cache_control)
    if isinstance(source, wire.Base64Source):
        return media.image(source.data, f"{path}.source.data", cache=cache)
    if isinstance(source, wire.URLSource):
        return RemoteImage(url=source.url, cache=cache)
    raise _unsupported(f"{path}.source", "uploaded files are not known to this model; send them in base64")


def _document(block: wire.DocumentBlock, path: str) -> list[_Shown]:
    """What is said of it comes first, as text; the mark stands behind all of it."""
    if block.citations is not None and block.citations.enabled:
        raise _unsupported(f"{path}.citations", "this model does not cite documents")
    said = [text for text in (block.title, block.context) if text]
    shown: list[_Shown] = [Text(text="\n".join(said))] if said else []
    shown += _source(block, path)
    cache = mark(block.cache_control)
    return shown if cache is None or not shown else [*shown[:-1], _marked(shown[-1], cache)]


def _source(block: wire.DocumentBlock, path: str) -> list[_Shown]:
    source = block.source
    if isinstance(source, wire.TextSource):
        if source.media_type != _PLAIN:
            raise _unsupported(f"{path}.source.media_type", f"a text is of type {_PLAIN}")
        return [Text(text=source.data)]
    if isinstance(source, wire.ContentSource):
        if isinstance(source.content, str):
            return [Text(text=source.content)]
        shown: list[_Shown] = []
        for index, each in enumerate(source.content):
            shown += _media(each, f"{path}.source.content[{index}]")
        return shown
    if isinstance(source, wire.Base64Source):
        if source.media_type != _PDF:
            raise _unsupported(f"{path}.source.media_type", f"a document in base64 is of type {_PDF}")
        content = media.content_of(source.data, f"{path}.source.data")
        return [Document(format="pdf", base64=source.data, digest=hashlib.sha256(content).hexdigest())]
    if isinstance(source, wire.URLSource):
        raise _unsupported(f"{path}.source", "documents are not fetched for the model; send them in base64")
    raise _unsupported(f"{path}.source", "uploaded files are not known to this model; send them in base64")


def _unsupported(param: str, why: str) -> GatewayError:
    return GatewayError(Kind.UNSUPPORTED, f"`{param}`: {why}", param=param)
