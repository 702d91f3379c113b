"""A complete answer of the exchange to a chat completion.

Reasoning is told by `reasoning_content`, the name that DeepSeek's API, vLLM and others share, and by `thinking_blocks`
where blocks must come back unchanged (signed or redacted ones).
"""

from typing import Final

import msgspec

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_chat import filters
from pilothouse_proxy.dialects.openai_chat import usage as wire_usage
from pilothouse_proxy.exchange.filters import Stage
from pilothouse_proxy.exchange.parts import Citation, RedactedThinking, Text, Thinking, ToolCall
from pilothouse_proxy.exchange.reply import Reply

_encode: Final = msgspec.json.encode


def reply(call: Call, answer: Reply) -> bytes:
    """The body of a `chat.completion`."""
    choice: dict[str, object] = {
        "index": 0,
        "message": _message(answer),
        "logprobs": None,
        "finish_reason": answer.finish,
    }
    choice.update(filters.encode(answer.findings, Stage.COMPLETION))
    document: dict[str, object] = {
        "id": completion_id(call),
        "object": "chat.completion",
        "created": call.created,
        "model": call.peek.model,
        "choices": [choice],
        "usage": wire_usage.encode(answer.usage),
    }
    if answer.service_tier is not None:
        document["service_tier"] = answer.service_tier
    document.update(filters.encode(answer.findings, Stage.PROMPT))
    return _encode(document)


def completion_id(call: Call) -> str:
    """The answer's `id`, by which it is found in the gateway's log."""
    return f"chatcmpl-{call.request_id}"


def thinking_block(part: Thinking | RedactedThinking) -> dict[str, object]:
    """One of `thinking_blocks`, as the history takes it back."""
    if isinstance(part, RedactedThinking):
        return {"type": "redacted_thinking", "data": part.base64}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _message(answer: Reply) -> dict[str, object]:
    texts: list[str] = []
    thoughts: list[str] = []
    blocks: list[dict[str, object]] = []
    calls: list[dict[str, object]] = []
    for part in answer.parts:
        if isinstance(part, Text):
            texts.append(part.text)
        elif isinstance(part, ToolCall):
            calls.append(
                {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}
            )
        else:
            if isinstance(part, Thinking) and part.text:
                thoughts.append(part.text)
            if isinstance(part, RedactedThinking) or part.signature is not None:
                blocks.append(thinking_block(part))
    message: dict[str, object] = {
        "role": "assistant",
        # Null stands for "calls instead of words"; a model that says nothing has said the empty text.
        "content": "".join(texts) if texts or not calls else None,
        "refusal": answer.refusal,
    }
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if blocks:
        message["thinking_blocks"] = blocks
    if calls:
        message["tool_calls"] = calls
    if answer.citations:
        message["annotations"] = [_annotation(citation) for citation in answer.citations]
    return message


def _annotation(citation: Citation) -> dict[str, object]:
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": citation.start,
            "end_index": citation.end,
            "url": citation.url,
            "title": citation.title,
        },
    }
