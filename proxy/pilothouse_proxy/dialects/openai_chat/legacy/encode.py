"""A reply of the exchange to a `text_completion`, whole or in chunks. Reasoning has no place in it."""

import msgspec

from pilothouse_proxy import errors
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_chat import filters, wire
from pilothouse_proxy.dialects.openai_chat import usage as wire_usage
from pilothouse_proxy.errors import Failure
from pilothouse_proxy.exchange import events
from pilothouse_proxy.exchange.filters import Stage
from pilothouse_proxy.exchange.parts import Text
from pilothouse_proxy.exchange.reply import Finish, Reply

_encode = msgspec.json.encode


def reply(call: Call, answer: Reply) -> bytes:
    """The body of a `text_completion`."""
    text = "".join(part.text for part in answer.parts if isinstance(part, Text))
    # A refusal has no member of its own here: it stands for what the model has not said.
    choice = _choice(text or answer.refusal or "", _reason(answer.finish))
    choice.update(filters.encode(answer.findings, Stage.COMPLETION))
    document = {**_head(call), "choices": [choice], "usage": wire_usage.encode(answer.usage)}
    document.update(filters.encode(answer.findings, Stage.PROMPT))
    return _encode(document)


class Encoder:
    """One stream. With `include_usage` every chunk has the member `usage`, null but in the last one."""

    def __init__(self, call: Call) -> None:
        self._head = _head(call)
        self._include_usage = call.peek.include_usage
        self._said = False

    def encode(self, event: events.Event) -> bytes:
        """The chunk that tells of an event; empty for what a client is not told."""
        if isinstance(event, events.TextDelta):
            self._said = True
            return self._chunk(choices=[_choice(event.text, None)])
        if isinstance(event, events.Finished):
            text = "" if self._said else event.refusal or ""
            return self._chunk(choices=[_choice(text, _reason(event.finish))])
        if isinstance(event, events.Judged):
            return self._judged(event)
        if isinstance(event, events.Settled):
            if not self._include_usage:
                return wire.DONE
            return self._chunk(choices=[], usage=wire_usage.encode(event.usage)) + wire.DONE
        return b""

    def error_event(self, failure: Failure) -> bytes:
        """One event with OpenAI's error object; the SDKs raise it."""
        return b"data: " + errors.failure_body(failure) + b"\n\n"

    def _judged(self, event: events.Judged) -> bytes:
        on_prompt = filters.encode(event.findings, Stage.PROMPT)
        on_reply = filters.encode(event.findings, Stage.COMPLETION)
        if not on_prompt and not on_reply:
            return b""
        return self._chunk(choices=[{**_choice("", None), **on_reply}], **on_prompt)

    def _chunk(self, **members: object) -> bytes:
        document = {**self._head, **members}
        if self._include_usage:
            document.setdefault("usage", None)
        return b"data: " + _encode(document) + b"\n\n"


def _head(call: Call) -> dict[str, object]:
    return {
        "id": f"cmpl-{call.request_id}",
        "object": "text_completion",
        "created": call.created,
        "model": call.peek.model,
    }


def _choice(text: str, reason: str | None) -> dict[str, object]:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}


def _reason(finish: Finish) -> str:
    """Completions know no calls."""
    return Finish.STOP.value if finish is Finish.TOOL_CALLS else finish.value
