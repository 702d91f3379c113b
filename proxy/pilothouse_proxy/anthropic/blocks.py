"""Parts of a turn to content blocks."""

import binascii
from dataclasses import dataclass

import msgspec

from pilothouse_proxy.anthropic import marks, names, refusal
from pilothouse_proxy.anthropic.tools import Rendering
from pilothouse_proxy.exchange.capabilities import Capabilities, History
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

Block = dict[str, object]

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])

_NO_INPUT: dict[str, object] = {}
_NO_OUTPUT = "(no output)"
_FETCHED = ("https://", "http://")
_PLAIN = frozenset({"txt", "md", "csv", "html"})
"""Formats that are text, which Messages takes as such."""


def text(part: Text) -> list[Block]:
    """A text block. Blank text is refused and says nothing: no block."""
    return [{"type": "text", "text": part.text}] if part.text.strip() else []


@dataclass(kw_only=True)
class Encoder:
    """The parts of one turn."""

    caps: Capabilities
    rendering: Rendering
    turn: Turn

    def encode(self, part: Part, index: int) -> list[Block]:
        """The blocks of one part, without its cache mark; none where there is nothing to say."""
        path = self.path(index)
        if isinstance(part, Text):
            return text(part)
        if isinstance(part, Thinking | RedactedThinking):
            return self._thinking(part)
        if isinstance(part, ToolCall):
            return [self._call(part)]
        if isinstance(part, ToolResult):
            return self._result(part)
        if self.turn.role is Role.ASSISTANT:
            raise refusal.invalid(path, f"`{path}`: only user messages hold images, files and audio")
        if isinstance(part, Audio):
            raise refusal.unsupported(self.caps, f"{path}.input_audio")
        return [self._media(part, path)]

    def path(self, index: int) -> str:
        """Where the client put the part."""
        return f"messages[{self.turn.at}].content[{index}]"

    def _thinking(self, part: Thinking | RedactedThinking) -> list[Block]:
        """What Claude has not signed was written by another model: it is left out, being no part of what was said."""
        if self.caps.history is not History.SIGNED:
            return []
        if isinstance(part, RedactedThinking):
            return [{"type": "redacted_thinking", "data": part.base64}]
        if part.signature is None:
            return []
        return [{"type": "thinking", "thinking": part.text, "signature": part.signature}]

    def _call(self, call: ToolCall) -> Block:
        if self.rendering is Rendering.TEXT:
            said = f"[Called the tool {call.name} ({call.id}) with {call.arguments.strip() or '{}'}]"
            return {"type": "text", "text": said}
        return {
            "type": "tool_use",
            "id": names.call_id(call.id),
            "name": names.tool_name(call.name),
            "input": self._input(call),
        }

    def _input(self, call: ToolCall) -> object:
        if not call.arguments.strip():
            return _NO_INPUT
        try:
            _object.decode(call.arguments)
        except (ValueError, RecursionError):
            calls = [part for part in self.turn.parts if isinstance(part, ToolCall)]
            param = f"messages[{self.turn.at}].tool_calls[{calls.index(call)}].function.arguments"
            raise refusal.invalid(param, f"`{param}` is not a JSON object") from None
        return msgspec.Raw(call.arguments.encode())  # as the model wrote it: a prompt cache wants equal bytes

    def _result(self, result: ToolResult) -> list[Block]:
        content: list[Block] = []
        marked: Block | None = None
        for index, part in enumerate(result.content):
            content += text(part) if isinstance(part, Text) else [self._media(part, self.path(index))]
            if part.cache is not None:
                marked = marks.value(part.cache, self.caps, self.path(index))
        if self.rendering is Rendering.TEXT:
            media = [block for block in content if block["type"] != "text"]
            told: list[Block] = [_told(result), *media]
            if marked is not None:
                told[-1][marks.NAME] = marked
            return told
        block: Block = {"type": "tool_result", "tool_use_id": names.call_id(result.call_id)}
        if content:
            block["content"] = content
        if result.status is ToolStatus.FAILED:
            block["is_error"] = True
        if marked is not None:
            block[marks.NAME] = marked
        return [block]

    def _media(self, part: Image | RemoteImage | Document, path: str) -> Block:
        if isinstance(part, Document):
            return {"type": "document", "source": self._document(part, path)}
        if part.detail == "low":
            raise refusal.unsupported(self.caps, f"{path}.image_url.detail", "images are always seen as they are")
        if isinstance(part, Image):
            source = {"type": "base64", "media_type": f"image/{part.format.value}", "data": part.base64}
            return {"type": "image", "source": source}
        if not part.url.lower().startswith(_FETCHED):
            raise refusal.unsupported(
                self.caps, f"{path}.image_url.url", "it is an http(s) URL that the provider fetches, or a data URL"
            )
        return {"type": "image", "source": {"type": "url", "url": part.url}}

    def _document(self, part: Document, path: str) -> Block:
        if part.format == "pdf":
            return {"type": "base64", "media_type": "application/pdf", "data": part.base64}
        if part.format not in _PLAIN:
            raise refusal.unsupported(self.caps, f"{path}.file", "it reads PDF and text")
        try:
            plain = binascii.a2b_base64(part.base64).decode()
        except UnicodeDecodeError:
            raise refusal.invalid(f"{path}.file.file_data", f"`{path}.file.file_data` is no text in UTF-8") from None
        return {"type": "text", "media_type": "text/plain", "data": plain}


def _told(result: ToolResult) -> Block:
    said = "\n".join(part.text for part in result.content if isinstance(part, Text)).strip()
    return {"type": "text", "text": f"[The tool answered ({result.call_id}): {said or _NO_OUTPUT}]"}
