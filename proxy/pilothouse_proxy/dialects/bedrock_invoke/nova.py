"""Amazon Nova: `messages-v1`, blocks much like Converse's.

https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html
"""

import re

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke import asking, chat, naming, refusal, rows, turns, wire
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.dialects.bedrock_invoke.said import CallPiece, Counts, Family, Said
from pilothouse_proxy.exchange.parts import Document, Image, ToolCall
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.request import Request, Role, Tool, ToolMode

Block = dict[str, object]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

_answer = msgspec.json.Decoder(wire.NovaAnswer)
_event = msgspec.json.Decoder(wire.NovaEvent)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_tool_use = msgspec.json.Decoder(wire.NovaToolUse)

_SILENT = frozenset({"messageStart", "contentBlockStop", wire.METRICS.decode()})
"""Members of a stream's document that say nothing of their own."""


def _row(model: Model) -> Row:
    return naming.fitting(model, {"nova-micro": rows.NOVA_MICRO}, rows.NOVA)


def _body(request: Request, call: Call, row: Row) -> dict[str, object]:
    tools = [_tool(at, tool, row) for at, tool in asking.offered(request)]
    rendering = turns.Rendering.MEMBERS if tools else turns.Rendering.TEXT
    conversation = turns.gather(request, row, rendering)
    seen: dict[str, int] = {}
    body: dict[str, object] = {"schemaVersion": "messages-v1"}
    if conversation.system:
        body["system"] = [{"text": conversation.system}]
    body["messages"] = [
        {
            "role": "assistant" if spoken.role is Role.ASSISTANT else "user",
            "content": _blocks(spoken, seen, last=spoken is conversation.spoken[-1]),
        }
        for spoken in conversation.spoken
    ]
    inference: dict[str, object] = {
        "maxTokens": asking.limit(request, call.model, row),
        **asking.sampling(request, top_p="topP"),
    }
    stop = asking.stops(request)
    if stop:
        inference["stopSequences"] = stop
    body["inferenceConfig"] = inference
    if tools:
        body["toolConfig"] = {"tools": tools, **_choice(request)}
    return body


def _blocks(spoken: turns.Spoken, seen: dict[str, int], *, last: bool) -> list[Block]:
    blocks: list[Block] = [
        {"toolResult": {"toolUseId": result.call_id, "content": [{"text": turns.output(result)}]}}
        for result in spoken.results
    ]
    blocks += [_medium(medium, seen) for medium in spoken.media]
    if spoken.texts:
        # The model goes on where an assistant's last text ends, and blanks there are refused.
        open_end = last and spoken.role is Role.ASSISTANT
        blocks.append({"text": spoken.text.rstrip() if open_end else spoken.text})
    elif any(isinstance(medium, Document) for medium in spoken.media):
        param = f"messages[{spoken.at}].content"
        raise refusal.invalid(param, f"`{param}`: a file needs a text part beside it")
    blocks += [_called(spoken, at, call) for at, call in enumerate(spoken.calls)]
    return blocks


def _medium(medium: Image | Document, seen: dict[str, int]) -> Block:
    source = {"bytes": medium.base64}
    if isinstance(medium, Image):
        return {"image": {"format": medium.format.value, "source": source}}
    # A name must not recur; it is made of the content, so that prompts stay equal.
    again = seen[medium.digest] = seen.get(medium.digest, 0) + 1
    name = f"document-{medium.digest[:16]}" + (f"-{again}" if again > 1 else "")
    return {"document": {"format": medium.format, "name": name, "source": source}}


def _called(spoken: turns.Spoken, at: int, call: ToolCall) -> Block:
    written = call.arguments.strip() or "{}"
    try:
        _members.decode(written)
    except (ValueError, RecursionError):
        param = f"messages[{spoken.at}].tool_calls[{at}].function.arguments"
        raise refusal.invalid(param, f"`{param}` is not a JSON object") from None
    return {"toolUse": {"toolUseId": call.id, "name": call.name, "input": msgspec.Raw(written.encode())}}


def _tool(at: int, tool: Tool, row: Row) -> dict[str, object]:
    if not _NAME.fullmatch(tool.name):
        raise refusal.unsupported(
            row, f"tools[{at}].function.name", "names are at most 64 letters, digits, underscores and hyphens"
        )
    spec: dict[str, object] = {"name": tool.name}
    if tool.description.strip():
        spec["description"] = tool.description
    spec["inputSchema"] = {"json": chat.NO_ARGUMENTS if tool.schema is None else tool.schema}
    return {"toolSpec": spec}


def _choice(request: Request) -> dict[str, object]:
    choice = request.tool_choice
    if choice is None:
        return {}
    if choice.mode is ToolMode.NAMED:
        return {"toolChoice": {"tool": {"name": choice.names[0]}}}
    return {"toolChoice": {"any": {}} if choice.mode is ToolMode.ANY else {"auto": {}}}


def _whole(body: bytes) -> Said:
    answer = _answer.decode(body)
    texts: list[str] = []
    calls: list[CallPiece] = []
    unknown: list[str] = []
    for block in answer.output.message.content:
        for name, raw in block.items():
            if name == "text":
                texts.append(_text.decode(raw))
            elif name == "toolUse":
                use = _tool_use.decode(raw)
                arguments = bytes(use.input).decode()
                calls.append(CallPiece(index=len(calls), id=use.toolUseId, name=use.name, arguments=arguments))
            else:
                unknown.append(name[:64])
    return Said(
        text="".join(texts),
        calls=tuple(calls),
        reason=answer.stopReason,
        counts=_counts(answer.usage),
        unknown=tuple(unknown),
    )


def _document(document: bytes) -> Said:
    event = _event.decode(document)
    if event.contentBlockDelta is not None:
        index, delta = event.contentBlockDelta.contentBlockIndex, event.contentBlockDelta.delta
        if delta.text is not None:
            return Said(text=delta.text)
        if delta.toolUse is not None:
            return Said(calls=(CallPiece(index=index, arguments=delta.toolUse.input),))
        return Said(unknown=("contentBlockDelta",))
    if event.contentBlockStart is not None:
        use = event.contentBlockStart.start.toolUse
        if use is None:
            return Said(unknown=("contentBlockStart",))
        return Said(
            calls=(CallPiece(index=event.contentBlockStart.contentBlockIndex, id=use.toolUseId, name=use.name),)
        )
    if event.messageStop is not None:
        return Said(reason=event.messageStop.stopReason)
    if event.metadata is not None:
        return Said(counts=_counts(event.metadata.usage))
    names = _members.decode(document).keys() - _SILENT
    return Said(unknown=tuple(f"event.{name[:64]}" for name in sorted(names)))


def _counts(usage: wire.NovaUsage | None) -> Counts | None:
    """The model names the cache's share otherwise than Converse does; both spellings have been seen."""
    if usage is None:
        return None
    return Counts(
        input_tokens=usage.inputTokens,
        output_tokens=usage.outputTokens,
        cache_read=usage.cacheReadInputTokenCount or usage.cacheReadInputTokens or 0,
        cache_write=usage.cacheWriteInputTokenCount or usage.cacheWriteInputTokens or 0,
    )


FAMILY: Family = Family(
    row=_row,
    body=_body,
    whole=_whole,
    document=_document,
    finishes={
        "end_turn": Finish.STOP,
        "stop_sequence": Finish.STOP,
        "tool_use": Finish.TOOL_CALLS,
        "max_tokens": Finish.LENGTH,
        "model_context_window_exceeded": Finish.LENGTH,
        "guardrail_intervened": Finish.CONTENT_FILTER,
        "content_filtered": Finish.CONTENT_FILTER,
    },
    failures=frozenset({"malformed_model_output", "malformed_tool_use"}),
)
