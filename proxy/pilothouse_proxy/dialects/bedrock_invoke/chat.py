"""What the families share whose bodies are made like OpenAI's: messages, tools, choices."""

from collections.abc import Callable, Mapping

import msgspec

from pilothouse_proxy.dialects.bedrock_invoke import asking, turns, wire
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.dialects.bedrock_invoke.said import CallPiece, Counts, Said
from pilothouse_proxy.exchange.parts import Image, ToolCall
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.request import Request, Role, ToolMode

FINISHES: Mapping[str, Finish] = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "model_length": Finish.LENGTH,
    "tool_calls": Finish.TOOL_CALLS,
    "content_filter": Finish.CONTENT_FILTER,
}
FAILURES: frozenset[str] = frozenset({"error"})

NO_ARGUMENTS = msgspec.Raw(b'{"type":"object","properties":{}}')

_answer = msgspec.json.Decoder(wire.ChatAnswer)


def as_it_is(call: str) -> str:
    """An id of a call where the family takes any."""
    return call


def messages(
    request: Request, row: Row, tools: list[dict[str, object]], call_id: Callable[[str], str] = as_it_is
) -> list[dict[str, object]]:
    """The conversation. Calls of the history need the tools beside them; without any they are told as text."""
    rendering = turns.Rendering.MEMBERS if tools else turns.Rendering.TEXT
    conversation = turns.gather(request, row, rendering)
    told: list[dict[str, object]] = []
    if conversation.system:
        told.append({"role": "system", "content": conversation.system})
    for spoken in conversation.spoken:
        told += [
            {"role": "tool", "tool_call_id": call_id(result.call_id), "content": turns.output(result)}
            for result in spoken.results
        ]
        if spoken.role is Role.ASSISTANT:
            told.append(_assistant(spoken, call_id))
        elif spoken.texts or spoken.media:
            told.append({"role": "user", "content": _content(spoken)})
    return told


def tools(request: Request) -> list[dict[str, object]]:
    """The functions on offer."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                **({"description": tool.description} if tool.description.strip() else {}),
                "parameters": NO_ARGUMENTS if tool.schema is None else tool.schema,
            },
        }
        for _, tool in asking.offered(request)
    ]


def choice(request: Request, any_call: str) -> dict[str, object]:
    """`tool_choice`, where a call is demanded, of whichever tool is on offer: `any_call` is the word for it."""
    asked = request.tool_choice
    demanded = asked is not None and asked.mode in {ToolMode.ANY, ToolMode.NAMED}
    return {"tool_choice": any_call} if demanded else {}


def said(document: bytes) -> Said:
    """A whole answer, or a chunk."""
    answer = _answer.decode(document)
    counts = _counts(answer.usage)
    if not answer.choices:
        return Said(counts=counts)
    first = answer.choices[0]
    message = first.message or first.delta or wire.Message()
    return Said(
        thinking=message.reasoning_content or message.reasoning or "",
        text=message.content or message.refusal or "",
        calls=tuple(_piece(at, call) for at, call in enumerate(message.tool_calls or ())),
        reason=first.finish_reason or first.stop_reason or None,
        counts=counts,
    )


def _assistant(spoken: turns.Spoken, call_id: Callable[[str], str]) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": spoken.text}
    if spoken.calls:
        message["tool_calls"] = [_called(call, call_id) for call in spoken.calls]
    return message


def _called(call: ToolCall, call_id: Callable[[str], str]) -> dict[str, object]:
    function = {"name": call.name, "arguments": call.arguments.strip() or "{}"}
    return {"id": call_id(call.id), "type": "function", "function": function}


def _content(spoken: turns.Spoken) -> object:
    if not spoken.media:
        return spoken.text
    parts: list[dict[str, object]] = [
        {"type": "image_url", "image_url": {"url": f"data:image/{image.format.value};base64,{image.base64}"}}
        for image in spoken.media
        if isinstance(image, Image)
    ]
    return [{"type": "text", "text": spoken.text}, *parts] if spoken.texts else parts


def _piece(at: int, call: wire.ToolCall) -> CallPiece:
    arguments = call.function.arguments
    written = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode() if arguments else ""
    return CallPiece(
        index=at if call.index is None else call.index,
        id=call.id or "",
        name=call.function.name or "",
        arguments=written,
    )


def _counts(usage: wire.ChatUsage | None) -> Counts | None:
    if usage is None or usage.prompt_tokens is None:
        return None
    cached = (usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None) or 0
    details = usage.completion_tokens_details
    return Counts(
        input_tokens=usage.prompt_tokens - cached,
        output_tokens=usage.completion_tokens,
        cache_read=cached,
        reasoning=(details.reasoning_tokens if details else None) or 0,
    )
