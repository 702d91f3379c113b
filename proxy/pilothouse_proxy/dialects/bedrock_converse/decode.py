"""The answer of Converse to a neutral reply."""

from collections.abc import Mapping
from typing import Final

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.capabilities import bedrock as capabilities
from pilothouse_proxy.dialects.bedrock_converse import guarding, names, structured, wire
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange.parts import Citation, RedactedThinking, Text, Thinking, ToolCall
from pilothouse_proxy.exchange.reply import Finish, Reply, ReplyPart
from pilothouse_proxy.exchange.request import Request

_reply: Final = msgspec.json.Decoder(wire.Reply)
_text: Final = msgspec.json.Decoder(str)
_tool_use: Final = msgspec.json.Decoder(wire.ToolUse)
_reasoning: Final = msgspec.json.Decoder(wire.ReasoningContent)
_citations: Final = msgspec.json.Decoder(wire.CitationsContent)

# A member of an enum is looked up anew at each use.
_STOP: Final = Finish.STOP
_TOOL_CALLS: Final = Finish.TOOL_CALLS


def reply(request: Request, model: Model, body: bytes) -> Reply:
    """The reply.

    Raises:
        UpstreamBroken: not an answer of Converse, or one whose model has failed to write a whole one.
    """
    try:
        answer = _reply.decode(body)
        if answer.stopReason in wire.MALFORMED:
            raise UpstreamBroken(f"the model's answer was malformed ({answer.stopReason})")
        caps = capabilities.of(model)
        gathered = _Gathered(originals=names.originals(request), stand_in=structured.stand_in(request, caps))
        for block in answer.output.message.content:
            for name, raw in block.items():
                gathered.add(name, raw)
    except (ValueError, RecursionError) as error:
        raise UpstreamBroken(f"the provider's answer is not one of Converse: {error}") from None
    gathered.settle()
    finish = finish_of(answer.stopReason, gathered.unknown)
    if finish is _TOOL_CALLS and not any(isinstance(part, ToolCall) for part in gathered.parts):
        finish = _STOP
    fields = answer.additionalModelResponseFields
    return Reply(
        parts=tuple(gathered.parts),
        finish=finish,
        stop_sequence=stopped_at(answer.stopReason, request, fields),
        usage=wire.tokens(answer.usage, caps, fields.reasoning_tokens if fields else 0),
        citations=tuple(gathered.citations),
        findings=guarding.findings(answer.trace),
        invoked=wire.invoked(answer.trace),
        service_tier=answer.serviceTier.type if answer.serviceTier else None,
        unknown=tuple(gathered.unknown),
    )


def finish_of(reason: str, unknown: list[str]) -> Finish:
    """Why the model stopped; a reason that is new ends the answer as any other, and is noted."""
    finish = wire.FINISHES.get(reason)
    if finish is None:
        unknown.append(f"stopReason.{reason[:64]}")
        return _STOP
    return finish


def stopped_at(reason: str, request: Request, fields: wire.ModelFields | None) -> str | None:
    """Which of the request's sequences the model has stopped at; empty: at one, and nobody tells which."""
    if reason != wire.STOP_SEQUENCE:
        return None
    if fields is not None and fields.stop_sequence:
        return fields.stop_sequence
    asked = {sequence for sequence in request.stop if sequence}
    return asked.pop() if len(asked) == 1 else ""


class _Gathered:
    def __init__(self, *, originals: Mapping[str, str], stand_in: str | None) -> None:
        self.originals = originals
        self.stand_in = stand_in
        """The tool whose input is the answer."""
        self.answer: Text | None = None
        """That input."""
        self.parts: list[ReplyPart] = []
        self.citations: list[Citation] = []
        self.unknown: list[str] = []
        self.length = 0
        """Characters of text so far: where a citation's text starts."""

    def add(self, name: str, raw: msgspec.Raw) -> None:
        """One content block."""
        if name == "text":
            self._add_text(_text.decode(raw))
        elif name == "toolUse":
            call = _tool_use.decode(raw)
            if call.type == wire.SERVER_TOOL:
                self.unknown.append("toolUse.server")
                return
            arguments = bytes(call.input).decode()
            if call.name == self.stand_in:
                self._add_answer(arguments)
                return
            self.parts.append(
                ToolCall(id=call.toolUseId, name=self.originals.get(call.name, call.name), arguments=arguments)
            )
        elif name == "reasoningContent":
            self._add_reasoning(_reasoning.decode(raw))
        elif name == "citationsContent":
            self._add_cited(_citations.decode(raw))
        else:
            self.unknown.append(name[:64])

    def _add_answer(self, arguments: str) -> None:
        if self.answer is None:
            self.answer = Text(text=arguments)
            self.parts.append(self.answer)
        else:
            self.unknown.append("toolUse.answer")

    def settle(self) -> None:
        """All blocks are there. Beside an answer that holds to the schema there must be no other text."""
        if self.answer is None:
            return
        kept = [part for part in self.parts if part is self.answer or not isinstance(part, Text)]
        if len(kept) < len(self.parts):
            self.unknown.append("text.beside_answer")
        self.parts, self.citations = kept, []

    def _add_text(self, text: str) -> None:
        self.parts.append(Text(text=text))
        self.length += len(text)

    def _add_reasoning(self, content: wire.ReasoningContent) -> None:
        if content.redactedContent is not None:
            self.parts.append(RedactedThinking(base64=content.redactedContent))
        elif content.reasoningText is not None:
            self.parts.append(Thinking(text=content.reasoningText.text, signature=content.reasoningText.signature))

    def _add_cited(self, content: wire.CitationsContent) -> None:
        start = self.length
        self._add_text("".join(piece.text for piece in content.content))
        for citation in content.citations:
            web = citation.location.web if citation.location else None
            if web is None or web.url is None:
                self.unknown.append("citation")
                continue
            self.citations.append(Citation(url=web.url, title=citation.title or "", start=start, end=self.length))
