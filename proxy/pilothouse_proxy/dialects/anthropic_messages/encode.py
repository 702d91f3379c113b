"""A complete answer of the exchange to a Message."""

import msgspec

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.anthropic_messages import usage as wire_usage
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange.counting import CountReply
from pilothouse_proxy.exchange.parts import RedactedThinking, Text, Thinking, ToolCall
from pilothouse_proxy.exchange.reply import Finish, Reply, ReplyPart

_encode = msgspec.json.encode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])

_REASONS = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL_CALLS: "tool_use",
    Finish.CONTENT_FILTER: "refusal",
}


def reply(call: Call, answer: Reply) -> bytes:
    """The body of a Message.

    Raises:
        UpstreamBroken: the arguments of a call are no JSON object; a Message cannot hold them.
    """
    document = head(call)
    document["content"] = [_block(part) for part in answer.parts if not isinstance(part, Text) or part.text]
    document |= ending(answer.finish, answer.stop_sequence, answer.refusal)
    usage = wire_usage.encode(answer.usage)
    tier = wire_usage.tier(answer.service_tier)
    if tier is not None:
        usage["service_tier"] = tier
    document["usage"] = usage
    return _encode(document)


def count(reply: CountReply) -> bytes:
    """The body of an answer to `count_tokens`."""
    return b'{"input_tokens":%d}' % reply.input_tokens


def head(call: Call) -> dict[str, object]:
    """What is known of the Message before it has begun. By its `id` it is found in the gateway's log."""
    return {
        "id": f"msg_{call.request_id}",
        "type": "message",
        "role": "assistant",
        "model": call.peek.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def ending(finish: Finish, stop_sequence: str | None, refusal: str | None) -> dict[str, object]:
    """Why the model stopped. A sequence that the provider has not named is null."""
    reason = _REASONS[finish]
    if finish is Finish.STOP and stop_sequence is not None:
        reason = "stop_sequence"
    ended: dict[str, object] = {"stop_reason": reason, "stop_sequence": stop_sequence or None}
    if finish is Finish.CONTENT_FILTER:
        ended["stop_details"] = {"type": "refusal", "category": None, "explanation": refusal}
    return ended


def _block(part: ReplyPart) -> dict[str, object]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Thinking):
        return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
    if isinstance(part, RedactedThinking):
        return {"type": "redacted_thinking", "data": part.base64}
    return {"type": "tool_use", "id": part.id, "name": part.name, "input": _input(part)}


def _input(part: ToolCall) -> msgspec.Raw:
    if not part.arguments.strip():
        return msgspec.Raw(b"{}")
    try:
        _object.decode(part.arguments)
    except (ValueError, RecursionError):
        raise UpstreamBroken(f"the model's arguments for the tool `{part.name[:64]}` are not a JSON object") from None
    return msgspec.Raw(part.arguments.encode())
