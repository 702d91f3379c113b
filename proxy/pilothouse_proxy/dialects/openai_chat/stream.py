"""A provider's stream of chat completion chunks to neutral events.

    prompt_filter_results? · delta… · finish_reason · content_filter_results… · usage · [DONE]

What the model ends with is told at the end of the stream: Azure's asynchronous filter may still judge, and even change
the finish, behind the chunk that has it.
"""

from collections.abc import Callable

import msgspec

from pilothouse_proxy import errors
from pilothouse_proxy.dialects.openai_chat import answers, filters, names, reading
from pilothouse_proxy.dialects.openai_chat import errors as wire_errors
from pilothouse_proxy.dialects.openai_chat import usage as wire_usage
from pilothouse_proxy.errors import Failure, Kind
from pilothouse_proxy.exchange import estimate, events
from pilothouse_proxy.exchange.filters import Finding, Stage
from pilothouse_proxy.exchange.parts import RedactedThinking, Thinking
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.framing import sse
from pilothouse_proxy.http.messages import Headers

_chunk = msgspec.json.Decoder(answers.Chunk)
_calls: msgspec.json.Decoder[list[answers.Call] | None] = msgspec.json.Decoder(list[answers.Call] | None)
_blocks: msgspec.json.Decoder[list[answers.Block] | None] = msgspec.json.Decoder(list[answers.Block] | None)

_CUT = "the provider's stream ended before it was complete (no finish_reason, no [DONE])"


class _Call:
    """A tool call that grows."""

    def __init__(self, index: int, id_: str) -> None:
        self.index = index
        self.id = id_
        self.empty = True


class Decoder:
    """One stream."""

    def __init__(self, request: Request, headers: Headers) -> None:
        self._request = request
        self._originals = names.originals(request)
        self._request_id = errors.visible_id(next((value for key, value in headers if key == b"x-request-id"), None))
        self._events = sse.Decoder()
        self._told: list[events.Event] = []
        self._started = False
        self._over = False
        self._completion_id = ""
        self._calls: list[_Call] = []
        self._by_wire: dict[int, _Call] = {}
        self._thoughts: list[str] = []
        self._findings: dict[tuple[Stage, str], Finding] = {}
        self._unknown = reading.Unknown()
        self._finish: str | None = None
        self._refused = ""
        self._shown_bytes = 0
        self._usage: Usage | None = None
        self._tier: str | None = None

    def feed(self, received: bytes) -> list[events.Event]:
        """The events that are whole now; nothing after Settled or Failed."""
        if self._over:
            return []
        for event in self._events.feed(received):
            try:
                self._read(event)
            except (ValueError, RecursionError) as error:
                self._fail(Failure(kind=Kind.STREAM_BROKEN, message=f"an event is not a chunk: {error}"))
            if self._over:
                break
        if self._events.broken is not None and not self._over:
            self._fail(Failure(kind=Kind.STREAM_BROKEN, message=str(self._events.broken)))
        return self._taken()

    def end(self) -> list[events.Event]:
        """With a finish the answer is whole, whatever else is missing; without one it was cut."""
        if self._over:
            return []
        if self._finish is not None:
            self._settle()
        else:
            self._fail(Failure(kind=Kind.STREAM_BROKEN, message=_CUT))
        return self._taken()

    def _taken(self) -> list[events.Event]:
        told, self._told = self._told, []
        return told

    def _read(self, event: sse.Event) -> None:
        data = event.data.strip()
        if not data:
            return
        if data == b"[DONE]":
            self._done()
            return
        chunk = _chunk.decode(data)
        if event.name == b"error" or bytes(chunk.error) != b"null":
            self._fail(wire_errors.from_event(msgspec.json.decode(data), request_id=self._request_id))
            return
        if not self._started:
            self._started = True
            self._told.append(events.Started())
        self._completion_id = self._completion_id or str(chunk.id or "")
        self._judge(filters.decode_prompt(chunk.prompt_filter_results or chunk.prompt_annotations))
        for choice in chunk.choices or ():
            if choice.index:
                self._note("choices")
                continue
            self._read_choice(choice)
            if self._over:
                return
        if chunk.usage is not None:
            self._usage = wire_usage.decode(chunk.usage)
        self._tier = reading.word(chunk.service_tier) or self._tier

    def _read_choice(self, choice: answers.ChunkChoice) -> None:
        delta = choice.delta
        for name, raw in (delta or {}).items():
            if name in reading.SILENT or reading.says_nothing(raw):
                continue
            read = _READERS.get(name)
            if read is None:
                self._note(f"delta.{name}")
            elif delta is not None and (name != "reasoning" or "reasoning_content" not in delta):
                read(self, raw)
        self._judge(filters.decode(choice.content_filter_results, Stage.COMPLETION))
        if choice.finish_reason is None:
            return
        if choice.finish_reason in reading.ABORTED:
            message = f"the provider has given up the answer ({choice.finish_reason})"
            self._fail(Failure(kind=Kind.PROVIDER_ERROR, message=message, code=choice.finish_reason))
            return
        self._finish = choice.finish_reason

    def _said(self, text: str) -> None:
        self._shown_bytes += len(text)
        self._told.append(events.TextDelta(text))

    def _thought(self, text: str) -> None:
        self._shown_bytes += len(text)
        self._thoughts.append(text)
        self._told.append(events.ThinkingDelta(text))

    def _note(self, name: str) -> None:
        self._unknown.note(name)

    def _content(self, raw: msgspec.Raw) -> None:
        reading.content(raw, said=self._said, thought=self._thought, unknown=self._note)

    def _refusal(self, raw: msgspec.Raw) -> None:
        self._refused = reading.text(raw)
        self._said(self._refused)

    def _reasoning(self, raw: msgspec.Raw) -> None:
        self._thought(reading.text(raw))

    def _thinking_blocks(self, raw: msgspec.Raw) -> None:
        """A block that must come back counts once it is signed; its text may have come before, piece by piece."""
        for block in _blocks.decode(raw) or ():
            if block.type == "redacted_thinking" and block.data:
                self._told.append(events.ThinkingEnded(RedactedThinking(base64=block.data)))
            elif block.signature:
                text = block.thinking or "".join(self._thoughts)
                self._thoughts = []
                self._told.append(events.ThinkingEnded(Thinking(text=text, signature=block.signature)))

    def _tool_calls(self, raw: msgspec.Raw) -> None:
        for piece in _calls.decode(raw) or ():
            call = self._call(piece)
            if call is None or piece.function is None:
                continue
            arguments = reading.arguments(piece.function.arguments)
            if arguments:
                call.empty = False
                self._shown_bytes += len(arguments)
                self._told.append(events.ToolCallDelta(call.index, arguments))

    def _call(self, piece: answers.Call) -> _Call | None:
        """The call that a piece belongs to; a new one begins with a new index, or with another id under the same."""
        at = piece.index
        if at is None:
            at = len(self._calls) if piece.id or not self._calls else len(self._calls) - 1
        known = self._by_wire.get(at)
        if known is not None and (not piece.id or piece.id == known.id):
            return known
        name = piece.function.name if piece.function is not None else None
        if not name:
            self._note(f"tool_calls.{piece.type}")
            return None
        index = len(self._calls)
        call = _Call(index, piece.id or names.made_up(self._completion_id, index))
        self._calls.append(call)
        self._by_wire[at] = call
        self._told.append(events.ToolCallStarted(index, call.id, self._originals.get(name, name)))
        return call

    def _judge(self, found: tuple[Finding, ...]) -> None:
        """Most chunks repeat what was found before."""
        news = tuple(it for it in found if self._findings.get((it.stage, it.category)) != it)
        if news:
            self._findings.update({(finding.stage, finding.category): finding for finding in news})
            self._told.append(events.Judged(news))

    def _done(self) -> None:
        if not self._started:
            self._fail(Failure(kind=Kind.STREAM_BROKEN, message="the provider's stream holds no chunk before [DONE]"))
            return
        self._settle()

    def _settle(self) -> None:
        for call in self._calls:
            if call.empty:
                self._told.append(events.ToolCallDelta(call.index, "{}"))
        finish = reading.finish(self._finish, unknown=self._note)
        self._told += [events.Unknown(name) for name in self._unknown.names]
        self._told.append(events.Finished(reading.settled(finish, calls=len(self._calls), refused=self._refused)))
        self._told.append(events.Settled(self._usage or self._estimated(), self._tier))
        self._over = True

    def _fail(self, failure: Failure) -> None:
        self._over = True
        self._told.append(events.Failed(failure))

    def _estimated(self) -> Usage:
        return Usage(
            input_tokens=estimate.of_turns(self._request),
            output_tokens=estimate.output_tokens(self._shown_bytes),
            estimated=True,
        )


_READERS: dict[str, Callable[[Decoder, msgspec.Raw], None]] = {
    "content": Decoder._content,
    "refusal": Decoder._refusal,
    "reasoning_content": Decoder._reasoning,
    "reasoning": Decoder._reasoning,
    "thinking_blocks": Decoder._thinking_blocks,
    "tool_calls": Decoder._tool_calls,
}
