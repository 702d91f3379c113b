"""A whole answer of Messages to a neutral reply."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from pilothouse_proxy.anthropic import names, wire
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange.parts import Citation, RedactedThinking, Text, Thinking, ToolCall
from pilothouse_proxy.exchange.reply import Finish, Reply, ReplyPart
from pilothouse_proxy.exchange.request import Request

_message = msgspec.json.Decoder(wire.Message)
_tag = msgspec.json.Decoder(wire.Tag)
_text = msgspec.json.Decoder(wire.TextBlock)
_thinking = msgspec.json.Decoder(wire.ThinkingBlock)
_redacted = msgspec.json.Decoder(wire.RedactedBlock)
_tool_use = msgspec.json.Decoder(wire.ToolUseBlock)

_WEB = "web_search_result_location"


def decode(request: Request, body: bytes) -> Reply:
    """The reply.

    Raises:
        UpstreamBroken: not an answer of Messages.
    """
    gathered = _Gathered(originals=names.originals(request))
    try:
        message = _message.decode(body)
        for raw in message.content:
            gathered.add(raw)
    except (ValueError, RecursionError) as error:
        raise UpstreamBroken(f"the provider's answer is not one of Messages: {error}") from None
    finish = finish_of(message.stop_reason, gathered.unknown)
    if finish is Finish.TOOL_CALLS and not any(isinstance(part, ToolCall) for part in gathered.parts):
        finish = Finish.STOP
    tokens = wire.Tokens()
    tokens.take(message.usage)
    return Reply(
        parts=tuple(gathered.parts),
        finish=finish,
        usage=tokens.usage(),
        stop_sequence=message.stop_sequence,
        refusal=explained(message.stop_details),
        citations=tuple(gathered.citations),
        service_tier=tokens.tier,
        unknown=tuple(gathered.unknown),
    )


def finish_of(reason: str | None, unknown: list[str]) -> Finish:
    """Why the model stopped; a reason that has no name here ends the answer as any other, and is noted."""
    finish = wire.FINISHES.get(reason or "")
    if finish is None:
        unknown.append(f"stop_reason.{(reason or 'none')[:64]}")
        return Finish.STOP
    return finish


def explained(details: wire.StopDetails | None) -> str | None:
    """Why the model, or what watches it, has declined, in words."""
    return None if details is None else details.explanation or None


@dataclass(kw_only=True)
class _Gathered:
    originals: Mapping[str, str]
    parts: list[ReplyPart] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    length: int = 0
    """Characters of text so far: where a citation's text starts."""

    def add(self, raw: msgspec.Raw) -> None:
        """One content block."""
        kind = _tag.decode(raw).type
        if kind == "text":
            self._add_text(_text.decode(raw))
        elif kind == "tool_use":
            call = _tool_use.decode(raw)
            name = self.originals.get(call.name, call.name)
            self.parts.append(ToolCall(id=call.id, name=name, arguments=bytes(call.input).decode()))
        elif kind == "thinking":
            block = _thinking.decode(raw)
            self.parts.append(Thinking(text=block.thinking, signature=block.signature or None))
        elif kind == "redacted_thinking":
            self.parts.append(RedactedThinking(base64=_redacted.decode(raw).data))
        else:
            # Among them the calls that Anthropic runs itself, and their results: none of the client's.
            self.unknown.append(kind[:64])

    def _add_text(self, block: wire.TextBlock) -> None:
        start = self.length
        self.parts.append(Text(text=block.text))
        self.length += len(block.text)
        for citation in block.citations or ():
            if citation.type != _WEB or citation.url is None:
                self.unknown.append("citation")
                continue
            self.citations.append(Citation(url=citation.url, title=citation.title or "", start=start, end=self.length))
