"""Parts of a turn to content blocks."""

from typing import Final

import msgspec

from pilothouse_proxy.dialects.bedrock_converse import caching, names, refusal
from pilothouse_proxy.dialects.bedrock_converse.tools import Rendering
from pilothouse_proxy.exchange import sealed
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

_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])

_NO_INPUT: Final[dict[str, object]] = {}
_NO_OUTPUT: Final[Block] = {"text": "(no output)"}
"""Blank text is refused, and a result must say something."""
_FAILED: Final[Block] = {"text": "The tool has failed:"}
"""For models that are told in no other way."""


class DocumentNames:
    """A name tells the model something and must not recur: it is made of the content, so that caches hold."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def name(self, document: Document) -> str:
        """The document's name, by its content and how often that has come before."""
        again = self._seen[document.digest] = self._seen.get(document.digest, 0) + 1
        return f"document-{document.digest[:16]}" + (f"-{again}" if again > 1 else "")


def text(part: Text, caps: Capabilities, turn: Turn, index: int) -> list[Block]:
    """A text block and its cache point; blank text is refused by Bedrock and says nothing: no block."""
    shown: list[Block] = [{"text": part.text}] if part.text.strip() else []
    return shown if part.cache is None else shown + caching.point(part.cache, caps, _path(turn, index))


def _path(turn: Turn, index: int) -> str:
    """How errors name a part."""
    return f"messages[{turn.at}].content[{index}]"


class Encoder:
    """The parts of one turn."""

    def __init__(self, *, caps: Capabilities, rendering: Rendering, turn: Turn, documents: DocumentNames) -> None:
        self.caps = caps
        self.rendering = rendering
        self.turn = turn
        self.documents = documents

    def encode(self, part: Part, index: int) -> list[Block]:
        """The blocks of one part; none where there is nothing to say."""
        if isinstance(part, Text):
            return text(part, self.caps, self.turn, index)
        path = _path(self.turn, index)
        if isinstance(part, Thinking | RedactedThinking):
            return self._thinking(part)
        if isinstance(part, ToolCall):
            marks = [] if part.cache is None else caching.point(part.cache, self.caps, path)
            return [self._call(part), *marks]
        if isinstance(part, ToolResult):
            return self._result(part)
        if self.turn.role is Role.ASSISTANT:
            raise refusal.invalid(path, f"`{path}`: only user messages hold images, files and audio")
        blocks = [self._audio(part, path)] if isinstance(part, Audio) else [self._media(part, path)]
        return blocks if part.cache is None else blocks + caching.point(part.cache, self.caps, path)

    def _thinking(self, part: Thinking | RedactedThinking) -> list[Block]:
        """What this model may not be shown is left out: it is no part of what was said."""
        history = self.caps.history
        if isinstance(part, RedactedThinking):
            redacted = history is History.SIGNED and not sealed.is_sealed(part)
            return [{"reasoningContent": {"redactedContent": part.base64}}] if redacted else []
        if part.signature is not None and history is History.SIGNED:
            signed = {"text": part.text, "signature": part.signature}
            return [{"reasoningContent": {"reasoningText": signed}}]
        if part.signature is None and history is History.UNSIGNED and part.text.strip():
            return [{"reasoningContent": {"reasoningText": {"text": part.text}}}]
        return []

    def _call(self, call: ToolCall) -> Block:
        if self.rendering is Rendering.TEXT:
            return {"text": f"[Called the tool {call.name} ({call.id}) with {call.arguments.strip() or '{}'}]"}
        return {
            "toolUse": {
                "toolUseId": names.call_id(call.id),
                "name": names.tool_name(call.name),
                "input": self._input(call),
            }
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
        inside: list[Block] = []
        beside: list[Block] = []
        marks: list[Block] = []
        for index, part in enumerate(result.content):
            path = _path(self.turn, index)
            if isinstance(part, Text):
                inside += [_output(part.text)] if part.text.strip() else []
            else:
                (inside if self.caps.tool_images else beside).append(self._media(part, path))
            if part.cache is not None:
                marks = caching.point(part.cache, self.caps, path)
        if self.rendering is Rendering.TEXT:
            media = [block for block in inside if "image" in block or "document" in block]
            return [_told(result), *marks, *media, *beside]
        told: dict[str, object] = {"toolUseId": names.call_id(result.call_id), "content": inside or [_NO_OUTPUT]}
        if result.status is ToolStatus.FAILED:
            if self.caps.tool_status:
                told["status"] = "error"
            else:
                told["content"] = [_FAILED, *inside]
        return [{"toolResult": told}, *marks, *beside]

    def _media(self, part: Image | RemoteImage | Document, path: str) -> Block:
        if isinstance(part, Document):
            if not self.caps.documents:
                raise refusal.unsupported(self.caps, f"{path}.file")
            name = self.documents.name(part)
            return {"document": {"format": part.format, "name": name, "source": {"bytes": part.base64}}}
        if not self.caps.images:
            raise refusal.unsupported(self.caps, f"{path}.image_url")
        if part.detail == "low":
            raise refusal.unsupported(self.caps, f"{path}.image_url.detail", "images are always seen as they are")
        if isinstance(part, Image):
            return {"image": {"format": part.format.value, "source": {"bytes": part.base64}}}
        # Not even s3://, which Bedrock would read with the gateway's rights, not with the caller's.
        raise refusal.unsupported(
            self.caps, f"{path}.image_url.url", "images are not fetched for the model; send a data URL"
        )

    def _audio(self, part: Audio, path: str) -> Block:
        if part.format not in self.caps.audio:
            raise refusal.unsupported(self.caps, f"{path}.input_audio")
        return {"audio": {"format": part.format, "source": {"bytes": part.base64}}}


def _output(said: str) -> Block:
    """An object goes as JSON; a list is none, and goes as text."""
    if said.lstrip().startswith("{"):
        try:
            _object.decode(said)
        except (ValueError, RecursionError):
            return {"text": said}
        return {"json": msgspec.Raw(said.encode())}
    return {"text": said}


def _told(result: ToolResult) -> Block:
    said = "\n".join(part.text for part in result.content if isinstance(part, Text)).strip()
    did = "failed" if result.status is ToolStatus.FAILED else "answered"
    return {"text": f"[The tool {did} ({result.call_id}): {said or _NO_OUTPUT['text']}]"}
