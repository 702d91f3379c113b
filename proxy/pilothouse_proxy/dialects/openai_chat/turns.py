"""Turns of the exchange to the messages that providers of chat completions take.

They want what other dialects do not ask for: each result in a `tool` message of its own, directly behind the calls, and
text alone in it. Images and files of results follow in a user message. Marks for caching are left out: these providers
cache by themselves, and a mark is but a hint.
"""

from collections.abc import Iterable

from pilothouse_proxy.dialects.openai_chat import names
from pilothouse_proxy.dialects.openai_chat.refusal import unsupported
from pilothouse_proxy.dialects.openai_chat.rules import Rules
from pilothouse_proxy.exchange.capabilities import History
from pilothouse_proxy.exchange.parts import (
    Audio,
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

Message = dict[str, object]

FAILED = "The tool failed: "
"""How a result says that it is an error; chat completions have no member for that."""
_NO_TEXT = "(see the next user message)"
_HOISTED = "Part of the result of tool call {}:"

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
    "html": "text/html",
    "md": "text/markdown",
    "txt": "text/plain",
}
_NAMED_BY = 16
"""Characters of the digest that make a file's name: the same file is always called the same."""


def encode(turns: Iterable[Turn], rules: Rules) -> list[Message]:
    """The messages.

    Raises:
        GatewayError: UNSUPPORTED that names the message.
    """
    messages: list[Message] = []
    hoisted: list[Message] = []
    for turn in turns:
        results = [part for part in turn.parts if isinstance(part, ToolResult)]
        for result in results:
            messages.append(_tool_message(result, hoisted))
        if results and len(results) == len(turn.parts):
            continue
        if hoisted:
            messages.append({"role": "user", "content": hoisted})
            hoisted = []
        messages.append(_message(turn, rules))
    if hoisted:
        messages.append({"role": "user", "content": hoisted})
    return messages


def _message(turn: Turn, rules: Rules) -> Message:
    message: Message
    if turn.role is Role.ASSISTANT:
        message = _assistant(turn, rules)
    else:
        if turn.role is Role.SYSTEM and not rules.system:
            raise unsupported(rules, f"messages[{turn.at}].role", "it takes no system or developer messages")
        role = "system" if turn.role is Role.SYSTEM else "user"
        message = {"role": role, "content": _content([_part(part) for part in turn.parts if _is_shown(part)])}
    if turn.name:
        message["name"] = turn.name
    return message


def _is_shown(part: Part) -> bool:
    return not isinstance(part, ToolResult | ToolCall | Thinking | RedactedThinking)


def _assistant(turn: Turn, rules: Rules) -> Message:
    calls = [
        {
            "id": names.call_id(part.id),
            "type": "function",
            # An empty text is no JSON: some servers stumble over it.
            "function": {"name": names.tool_name(part.name), "arguments": part.arguments or "{}"},
        }
        for part in turn.parts
        if isinstance(part, ToolCall)
    ]
    for at, part in enumerate(turn.parts):
        if isinstance(part, Image | RemoteImage | Document | Audio):
            raise unsupported(rules, f"messages[{turn.at}].content[{at}]", "messages of the assistant hold text only")
    shown = [_part(part) for part in turn.parts if _is_shown(part)]
    message: Message = {"role": "assistant", "content": None if calls and not shown else _content(shown)}
    if calls:
        message["tool_calls"] = calls
    message.update(_reasoning(turn, rules))
    return message


def _reasoning(turn: Turn, rules: Rules) -> Message:
    """Only where the model is known to take it: what another vendor has signed, or no model reads, stays behind."""
    if rules.history is History.UNSIGNED:
        thoughts = [part.text for part in turn.parts if isinstance(part, Thinking) and part.signature is None]
        return {"reasoning_content": "".join(thoughts)} if thoughts else {}
    if rules.history is not History.SIGNED:
        return {}
    blocks: list[Message] = []
    for part in turn.parts:
        if isinstance(part, RedactedThinking):
            blocks.append({"type": "redacted_thinking", "data": part.base64})
        elif isinstance(part, Thinking) and part.signature is not None:
            blocks.append({"type": "thinking", "thinking": part.text, "signature": part.signature})
    return {"thinking_blocks": blocks} if blocks else {}


def _tool_message(result: ToolResult, hoisted: list[Message]) -> Message:
    call_id = names.call_id(result.call_id)
    texts: list[Message] = []
    others: list[Message] = []
    for part in result.content:
        (texts if isinstance(part, Text) else others).append(_part(part))
    if others:
        hoisted += [{"type": "text", "text": _HOISTED.format(call_id)}, *others]
        texts = texts or [{"type": "text", "text": _NO_TEXT}]
    if result.status is ToolStatus.FAILED:
        first = texts[0]["text"] if texts else ""
        texts[:1] = [{"type": "text", "text": f"{FAILED}{first}"}]
    return {"role": "tool", "tool_call_id": call_id, "content": _content(texts)}


def _content(parts: list[Message]) -> object:
    """Plain text where there is nothing else: every server takes that."""
    if not parts:
        return ""
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _part(part: Part) -> Message:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Image):
        return _image(f"data:image/{part.format.value};base64,{part.base64}", part.detail)
    if isinstance(part, RemoteImage):
        return _image(part.url, part.detail)
    if isinstance(part, Document):
        media_type = MEDIA_TYPES.get(part.format, "application/octet-stream")
        name = f"{part.digest[:_NAMED_BY]}.{part.format}"
        file = {"filename": name, "file_data": f"data:{media_type};base64,{part.base64}"}
        return {"type": "file", "file": file}
    if isinstance(part, Audio):
        return {"type": "input_audio", "input_audio": {"data": part.base64, "format": part.format}}
    raise TypeError(f"a {type(part).__name__} is no part of a message's content")


def _image(url: str, detail: str | None) -> Message:
    image = {"url": url} if detail is None else {"url": url, "detail": detail}
    return {"type": "image_url", "image_url": image}
