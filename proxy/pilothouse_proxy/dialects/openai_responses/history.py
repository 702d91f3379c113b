"""Turns of the exchange to `input`: what the assistant said in one turn is an item for each thing said."""

import hashlib
from collections.abc import Iterable

from pilothouse_proxy.dialects.openai_responses import reasoning
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import media
from pilothouse_proxy.exchange.parts import (
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

Item = dict[str, object]

_MAX_CALL_ID_CHARS = 64
_FAILED = "Error: "
"""Before what a failed tool says: there is no member for that."""


def items(turns: Iterable[Turn]) -> list[Item]:
    """The items.

    Raises:
        GatewayError: UNSUPPORTED, what no item can say.
    """
    made: list[Item] = []
    for turn in turns:
        path = f"messages[{turn.at}]"
        if turn.name:
            raise _unsupported(f"{path}.name")
        if turn.role is Role.ASSISTANT:
            for part in turn.parts:
                made += _said(part, path)
        elif turn.role is Role.TOOL:
            made += [_result(part, path) for part in turn.parts if isinstance(part, ToolResult)]
        else:
            role = "developer" if turn.role is Role.SYSTEM else "user"
            content = [_content(part, f"{path}.content[{index}]") for index, part in enumerate(turn.parts)]
            made.append({"role": role, "content": content})
    return made


def _said(part: Part, path: str) -> list[Item]:
    if isinstance(part, Text):
        return [{"role": "assistant", "content": part.text}] if part.text else []
    if isinstance(part, ToolCall):
        return [
            {
                "type": "function_call",
                "call_id": _call_id(part.id),
                "name": part.name,
                "arguments": part.arguments or "{}",
            }
        ]
    if isinstance(part, RedactedThinking):
        item = reasoning.item(part)
        return [] if item is None else [item]
    if isinstance(part, Thinking):
        return []  # of another vendor, or the legible side of what is encrypted
    raise _unsupported(f"{path}.content")


def _result(part: ToolResult, path: str) -> Item:
    failed = part.status is ToolStatus.FAILED
    output: object
    if all(isinstance(piece, Text) for piece in part.content):
        text = "".join(piece.text for piece in part.content if isinstance(piece, Text))
        output = _FAILED + text if failed else text
    else:
        pieces = [_content(piece, f"{path}.content[{index}]") for index, piece in enumerate(part.content)]
        output = [{"type": "input_text", "text": _FAILED}, *pieces] if failed else pieces
    return {"type": "function_call_output", "call_id": _call_id(part.call_id), "output": output}


def _content(part: Part, path: str) -> Item:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, Image):
        return _image(f"data:image/{part.format.value};base64,{part.base64}", part.detail)
    if isinstance(part, RemoteImage):
        return _image(part.url, part.detail)
    if isinstance(part, Document):
        return {
            "type": "input_file",
            "filename": media.name_of(part),
            "file_data": f"data:{media.type_of(part)};base64,{part.base64}",
        }
    raise _unsupported(path)


def _image(url: str, detail: str | None) -> Item:
    return {"type": "input_image", "image_url": url, "detail": detail or "auto"}


def _call_id(call: str) -> str:
    """The id itself where it fits, else a hash of it."""
    if len(call) <= _MAX_CALL_ID_CHARS:
        return call
    return f"call_{hashlib.sha256(call.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _unsupported(param: str) -> GatewayError:
    return GatewayError(Kind.UNSUPPORTED, f"`{param}` is not supported by this model's Responses API", param=param)
