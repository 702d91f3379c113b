"""Events of the exchange to a stream of a response, and to a whole one: the same steps make both.

    response.created · response.in_progress · per item: output_item.added … output_item.done · response.completed

Every event has a `sequence_number` from 0; there is no [DONE]. Source: the OpenAI API reference, Streaming events.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from pilothouse_proxy import errors
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_responses import echo, filters
from pilothouse_proxy.dialects.openai_responses import usage as wire_usage
from pilothouse_proxy.dialects.openai_responses.output import Call as CallItem
from pilothouse_proxy.dialects.openai_responses.output import Item, Message, Reasoning, Refusal, Told, annotations
from pilothouse_proxy.errors import Failure
from pilothouse_proxy.exchange import events
from pilothouse_proxy.exchange.filters import Finding
from pilothouse_proxy.exchange.parts import Citation
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.usage import Usage

_encode = msgspec.json.encode

_INCOMPLETE = {Finish.LENGTH: "max_output_tokens", Finish.CONTENT_FILTER: "content_filter"}


class Encoder:
    """One response."""

    def __init__(self, call: Call) -> None:
        self._id = call.request_id
        self._head = echo.head(call)
        self._summary = echo.wants_summary(call)
        self._packs = echo.wants_encrypted_reasoning(call)
        self._sequence = 0
        self._begun = False
        self._finish = Finish.STOP
        self._findings: list[Finding] = []
        self._open: Item | None = None
        self._waiting: list[tuple[events.ToolCallStarted, list[str]]] = []
        """Calls that have begun while another one was not whole yet, with their pieces."""
        self._output: list[dict[str, object]] = []
        self._messages: list[Message] = []
        self._characters = 0
        """Of text, over all messages."""

    def encode(self, event: events.Event) -> bytes:
        """The events that tell of it; empty for what a client is not told."""
        write = _WRITERS.get(type(event))
        return b"" if write is None else write(self, event)

    def error_event(self, failure: Failure) -> bytes:
        """The event after which nothing comes. Code and message are those of an error answer."""
        error = msgspec.json.decode(errors.failure_body(failure))["error"]
        told = {"code": error["code"] or error["type"], "message": error["message"], "param": error["param"]}
        return self._event(("error", told))

    def whole(self, usage: Usage, tier: str | None, citations: tuple[Citation, ...]) -> bytes:
        """The response when all events but the last have been encoded."""
        for message in self._messages:
            found = annotations(citations, message.start, len(message.text))
            if found:
                content: Any = self._output[message.index]["content"]
                content[0]["annotations"] = found
        return self._response(self._status(), usage, tier)

    def _started(self, _: events.Started) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        response = msgspec.Raw(self._response("in_progress", None, None))
        return self._tell(
            [("response.created", {"response": response}), ("response.in_progress", {"response": response})]
        )

    def _text(self, event: events.TextDelta) -> bytes:
        item, told = self._open, b""
        if not isinstance(item, Message):
            told = self._close_all("completed")
            item = Message(f"msg_{self._id}_{len(self._output)}", len(self._output), self._characters)
            self._messages.append(item)
            told += self._begin(item)
        self._characters += len(event.text)
        return told + self._event(item.grown(event.text))

    def _thinking(self, event: events.ThinkingDelta) -> bytes:
        item, told = self._open, b""
        if not isinstance(item, Reasoning):
            item, told = self._reason()
        if item.empty:
            told += self._tell(item.begun())
        return told + self._event(item.grown(event.text))

    def _thinking_ended(self, event: events.ThinkingEnded) -> bytes:
        item, told = self._open, b""
        if not isinstance(item, Reasoning):
            item, told = self._reason()
        item.seal(event.block)
        return told + self._close("completed")

    def _reason(self) -> tuple[Reasoning, bytes]:
        told = self._close_all("completed")
        at = len(self._output)
        item = Reasoning(f"rs_{self._id}_{at}", at, summary=self._summary, packs=self._packs)
        return item, told + self._begin(item)

    def _call_started(self, event: events.ToolCallStarted) -> bytes:
        item = self._open
        if isinstance(item, CallItem) and not item.whole:
            # Providers may write several calls at a time; here they are told one after the other.
            self._waiting.append((event, []))
            return b""
        return self._begin_call(event)

    def _begin_call(self, event: events.ToolCallStarted) -> bytes:
        told = self._close("completed")
        at = len(self._output)
        item = CallItem(f"fc_{self._id}_{at}", at, call=event.index, call_id=event.id, name=event.name)
        return told + self._begin(item)

    def _call_delta(self, event: events.ToolCallDelta) -> bytes:
        piece = event.arguments
        if not piece:
            return b""
        item = self._open
        if isinstance(item, CallItem) and item.call == event.index:
            told = self._event(item.grown(piece))
            while self._waiting and isinstance(self._open, CallItem) and self._open.whole:
                told += self._next_call()
            return told
        for waiting, pieces in self._waiting:
            if waiting.index == event.index:
                pieces.append(piece)
                return b""
        # Of a call that is whole already: nothing that JSON allows could be added to it.
        return b""

    def _next_call(self) -> bytes:
        waiting, pieces = self._waiting.pop(0)
        told = self._begin_call(waiting)
        item = self._open
        return told + b"".join([self._event(item.grown(piece)) for piece in pieces if item is not None])

    def _judged(self, event: events.Judged) -> bytes:
        """They are told with the whole response, at its end."""
        self._findings += event.findings
        return b""

    def _finished(self, event: events.Finished) -> bytes:
        self._finish = event.finish
        told = b"" if event.refusal is None else self._refuse(event.refusal)
        return told + self._close_all("completed" if event.finish not in _INCOMPLETE else "incomplete")

    def _refuse(self, refusal: str) -> bytes:
        told = self._close_all("completed")
        item = Refusal(f"msg_{self._id}_{len(self._output)}", len(self._output))
        return told + self._begin(item) + self._event(item.grown(refusal))

    def _settled(self, event: events.Settled) -> bytes:
        status = self._status()
        response = msgspec.Raw(self._response(status, event.usage, event.service_tier))
        return self._event((f"response.{status}", {"response": response}))

    def _status(self) -> str:
        return "incomplete" if self._finish in _INCOMPLETE else "completed"

    def _begin(self, item: Item) -> bytes:
        told = b"" if self._begun else self._started(events.Started())
        self._open = item
        return told + self._tell(item.opened())

    def _close_all(self, status: str) -> bytes:
        """What is open, and what waits for it; the last of them with `status`."""
        told = b""
        while self._waiting:
            told += self._next_call()
        return told + self._close(status)

    def _close(self, status: str) -> bytes:
        item, self._open = self._open, None
        if item is None:
            return b""
        told = self._tell(item.closed(status))
        self._output.append(item.document(status))
        return told

    def _response(self, status: str, usage: Usage | None, tier: str | None) -> bytes:
        incomplete = status == "incomplete"
        changing: dict[str, object] = {
            "status": status,
            "error": None,
            "incomplete_details": {"reason": _INCOMPLETE[self._finish]} if incomplete else None,
            "output": self._output,
            "service_tier": tier,
            "usage": None if usage is None else wire_usage.encode(usage),
        }
        if self._findings and status != "in_progress":
            changing["content_filters"] = filters.encode(self._findings)
        return self._head + b"," + _encode(changing)[1:]

    def _tell(self, told: list[Told]) -> bytes:
        return b"".join([self._event(event) for event in told])

    def _event(self, told: Told) -> bytes:
        name, members = told
        number, self._sequence = self._sequence, self._sequence + 1
        data = _encode({"type": name, "sequence_number": number, **members})
        return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


_WRITERS: dict[type, Callable[[Encoder, Any], bytes]] = {
    events.Started: Encoder._started,
    events.TextDelta: Encoder._text,
    events.ThinkingDelta: Encoder._thinking,
    events.ThinkingEnded: Encoder._thinking_ended,
    events.ToolCallStarted: Encoder._call_started,
    events.ToolCallDelta: Encoder._call_delta,
    events.Judged: Encoder._judged,
    events.Finished: Encoder._finished,
    events.Settled: Encoder._settled,
}
