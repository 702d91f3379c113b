"""A chat completion of a provider to a neutral reply."""

from collections.abc import Callable, Mapping

import msgspec

from pilothouse_proxy.dialects.openai_chat import answers, filters, names, reading
from pilothouse_proxy.dialects.openai_chat import usage as wire_usage
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange import estimate
from pilothouse_proxy.exchange.filters import Stage
from pilothouse_proxy.exchange.parts import Citation, RedactedThinking, Text, Thinking, ToolCall
from pilothouse_proxy.exchange.reply import Reply, ReplyPart
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.exchange.usage import Usage

_completion = msgspec.json.Decoder(answers.Completion)
_calls: msgspec.json.Decoder[list[answers.Call] | None] = msgspec.json.Decoder(list[answers.Call] | None)
_blocks: msgspec.json.Decoder[list[answers.Block] | None] = msgspec.json.Decoder(list[answers.Block] | None)
_annotations: msgspec.json.Decoder[list[answers.Annotation] | None] = msgspec.json.Decoder(
    list[answers.Annotation] | None
)


def reply(request: Request, body: bytes) -> Reply:
    """The reply.

    Raises:
        UpstreamBroken: no chat completion, or one that the server has given up.
    """
    try:
        completion = _completion.decode(body)
        if not completion.choices:
            raise UpstreamBroken("the provider's answer is a chat completion without choices")
        choice = completion.choices[0]
        if choice.finish_reason in reading.ABORTED:
            raise UpstreamBroken(f"the provider has given up the answer ({choice.finish_reason})")
        message = _Message(str(completion.id), names.originals(request))
        if len(completion.choices) > 1:
            message.unknown.note("choices")
        message.read(choice.message)
    except (ValueError, RecursionError) as error:
        raise UpstreamBroken(f"the provider's answer is not a chat completion: {error}") from None
    finish = reading.finish(choice.finish_reason, unknown=message.unknown.note)
    findings = filters.decode_prompt(completion.prompt_filter_results or completion.prompt_annotations)
    findings += filters.decode(choice.content_filter_results, Stage.COMPLETION)
    parts = message.parts()
    return Reply(
        parts=parts,
        finish=reading.settled(finish, calls=len(message.calls), refused=message.refusal),
        usage=_usage(completion, request, parts),
        citations=tuple(message.citations),
        findings=findings,
        service_tier=reading.word(completion.service_tier),
        unknown=tuple(message.unknown.names),
    )


def _usage(completion: answers.Completion, request: Request, parts: tuple[ReplyPart, ...]) -> Usage:
    if completion.usage is not None:
        return wire_usage.decode(completion.usage)
    shown = 0
    for part in parts:
        if isinstance(part, Text | Thinking):
            shown += len(part.text)
        elif isinstance(part, ToolCall):
            shown += len(part.arguments)
    return Usage(input_tokens=estimate.of_turns(request), output_tokens=estimate.output_tokens(shown), estimated=True)


class _Message:
    """One message, member by member."""

    def __init__(self, completion_id: str, originals: Mapping[str, str]) -> None:
        self._completion_id = completion_id
        self._originals = originals
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._blocks: list[Thinking | RedactedThinking] = []
        self.calls: list[ToolCall] = []
        self.citations: list[Citation] = []
        self.refusal = ""
        self.unknown = reading.Unknown()

    def read(self, message: Mapping[str, msgspec.Raw]) -> None:
        """All of it."""
        for name, raw in message.items():
            if name in reading.SILENT or reading.says_nothing(raw):
                continue
            read = _READERS.get(name)
            if read is None:
                self.unknown.note(f"message.{name}")
            elif name != "reasoning" or "reasoning_content" not in message:
                read(self, raw)

    def parts(self) -> tuple[ReplyPart, ...]:
        """In the order that chat completions imply: thoughts, words, calls."""
        parts: list[ReplyPart] = []
        # The blocks say all that the flat text says, and more.
        if self._blocks:
            parts += self._blocks
        elif self._thoughts:
            parts.append(Thinking(text="".join(self._thoughts)))
        parts += [Text(text=text) for text in (*self._texts, self.refusal) if text]
        return (*parts, *self.calls)

    def _content(self, raw: msgspec.Raw) -> None:
        reading.content(raw, said=self._texts.append, thought=self._thoughts.append, unknown=self.unknown.note)

    def _refusal(self, raw: msgspec.Raw) -> None:
        self.refusal = reading.text(raw)

    def _reasoning(self, raw: msgspec.Raw) -> None:
        self._thoughts.append(reading.text(raw))

    def _thinking_blocks(self, raw: msgspec.Raw) -> None:
        for block in _blocks.decode(raw) or ():
            if block.type == "redacted_thinking" and block.data:
                self._blocks.append(RedactedThinking(base64=block.data))
            elif block.type == "thinking":
                self._blocks.append(Thinking(text=block.thinking or "", signature=block.signature or None))
            else:
                self.unknown.note("thinking_blocks")

    def _tool_calls(self, raw: msgspec.Raw) -> None:
        for at, call in enumerate(_calls.decode(raw) or ()):
            if call.function is None or not call.function.name:
                self.unknown.note(f"tool_calls.{call.type}")
                continue
            name = call.function.name
            self.calls.append(
                ToolCall(
                    id=call.id or names.made_up(self._completion_id, at),
                    name=self._originals.get(name, name),
                    arguments=reading.arguments(call.function.arguments),
                )
            )

    def _cited(self, raw: msgspec.Raw) -> None:
        for annotation in _annotations.decode(raw) or ():
            page = annotation.url_citation
            if page is None:
                self.unknown.note(f"annotations.{annotation.type}")
                continue
            self.citations.append(
                Citation(url=page.url, title=page.title or "", start=page.start_index, end=page.end_index)
            )


_READERS: dict[str, Callable[[_Message, msgspec.Raw], None]] = {
    "content": _Message._content,
    "refusal": _Message._refusal,
    "reasoning_content": _Message._reasoning,
    "reasoning": _Message._reasoning,
    "thinking_blocks": _Message._thinking_blocks,
    "tool_calls": _Message._tool_calls,
    "annotations": _Message._cited,
}
