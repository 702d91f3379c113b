"""What messages and deltas hold, in the words of the exchange: shared by whole answers and streams."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from pilothouse_proxy.dialects.openai_chat import answers
from pilothouse_proxy.exchange.reply import Finish

T = TypeVar("T")

FINISHES: Mapping[str, Finish] = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "content_filter": Finish.CONTENT_FILTER,
    # Of servers that are merely compatible.
    "eos": Finish.STOP,
    "eos_token": Finish.STOP,
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP,
    "max_tokens": Finish.LENGTH,
    "model_length": Finish.LENGTH,
    "tool_use": Finish.TOOL_CALLS,
    "safety": Finish.CONTENT_FILTER,
}
ABORTED = frozenset({"insufficient_system_resource", "error", "abort"})
"""The server has given up (DeepSeek, OpenRouter, vLLM): no answer is whole."""

SILENT = frozenset({"role", "name", "prefix", "end_turn"})
"""Members that say nothing which is not said elsewhere."""

MOST_UNKNOWN = 16
"""Names of unknown members that one answer may bring: they become series of a metric."""
_NAME_CHARS = 64
_NOTHING = frozenset({b"null", b'""', b"[]", b"{}", b"false"})

_text: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)
_pieces = msgspec.json.Decoder(list[answers.Piece])
_string = msgspec.json.Decoder(str)

Sink = Callable[[str], None]


def says_nothing(raw: msgspec.Raw) -> bool:
    """Whether a member is there but empty."""
    return bytes(raw) in _NOTHING


def text(raw: msgspec.Raw) -> str:
    """A string that may be null."""
    return _text.decode(raw) or ""


def word(value: object) -> str | None:
    """A value that is text, if it is."""
    return value if isinstance(value, str) else None


def content(raw: msgspec.Raw, *, said: Sink, thought: Sink, unknown: Sink) -> None:
    """`content`: text, or a list of parts as Mistral's reasoning models write it."""
    if not bytes(raw).startswith(b"["):
        found = text(raw)
        if found:
            said(found)
        return
    for piece in _pieces.decode(raw):
        if piece.type == "text":
            if piece.text:
                said(piece.text)
        elif piece.type == "thinking":
            inner = piece.thinking
            joined = inner if isinstance(inner, str) else "".join(part.text for part in inner or ())
            if joined:
                thought(joined)
        else:
            unknown(f"content.{piece.type}")


def arguments(raw: msgspec.Raw) -> str:
    """JSON text; a server that writes the object itself gets it quoted as it is."""
    written = bytes(raw)
    if written == b"null":
        return ""
    return _string.decode(raw) if written.startswith(b'"') else written.decode()


def finish(reason: str | None, *, unknown: Sink) -> Finish:
    """Why the model stopped; a reason that is new ends the answer as any other, and is noted."""
    found = FINISHES.get((reason or "").lower())
    if found is None:
        unknown(f"finish_reason.{reason}")
        return Finish.STOP
    return found


def settled(found: Finish, *, calls: int, refused: str) -> Finish:
    """What the reason comes to, given what was said: servers say `stop` where a named tool was called."""
    if refused:
        return Finish.CONTENT_FILTER
    if found is Finish.STOP and calls:
        return Finish.TOOL_CALLS
    return Finish.STOP if found is Finish.TOOL_CALLS and not calls else found


class Unknown:
    """The names of what has no place elsewhere: each one once, and not too many."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def note(self, name: str) -> None:
        """One more."""
        name = name[:_NAME_CHARS]
        if name not in self.names and len(self.names) < MOST_UNKNOWN:
            self.names.append(name)
