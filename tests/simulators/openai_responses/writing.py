"""A response as it is answered at once, and as the events that tell of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from tests.simulators.models import OpenAIModel
from tests.simulators.openai_chat.chat import REFUSAL, Chunk
from tests.simulators.openai_responses import encryption
from tests.simulators.speech import Ended, Speech

_ARGUMENT_PIECE: Final = 16


def fresh_id(kind: str) -> str:
    return f"{kind}_{os.urandom(24).hex()}"


def response(
    body: Mapping[str, Any], spoken: Speech, counts: Mapping[str, Any], *, model: OpenAIModel, blocked: bool
) -> dict[str, Any]:
    """The whole answer."""
    cut = spoken.ended is Ended.LENGTH or blocked
    reason = "content_filter" if blocked else "max_output_tokens"
    text = {"format": {"type": "text"}, "verbosity": "medium", **(body.get("text") or {})}
    return {
        "id": fresh_id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "incomplete" if cut else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": reason} if cut else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": None,
        "model": model.reported,
        "output": _output(body, spoken, model=model, blocked=blocked),
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": body.get("previous_response_id"),
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {"effort": None, "summary": None, **(body.get("reasoning") or {})},
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": "default",
        "store": body.get("store") is not False,
        "temperature": body.get("temperature") or 1.0,
        "text": text,
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": [{"strict": True, "description": None, **tool} for tool in body.get("tools") or ()],
        "top_logprobs": 0,
        "top_p": body.get("top_p") or 1.0,
        "truncation": "disabled",
        "usage": _usage(counts),
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
    }


def _usage(counts: Mapping[str, Any]) -> dict[str, Any]:
    cached = counts["prompt_tokens_details"]["cached_tokens"]
    reasoning = counts["completion_tokens_details"]["reasoning_tokens"]
    return {
        "input_tokens": counts["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": counts["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": counts["total_tokens"],
    }


def _output(body: Mapping[str, Any], spoken: Speech, *, model: OpenAIModel, blocked: bool) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    if spoken.reasoning:
        summarised = (body.get("reasoning") or {}).get("summary") is not None
        summary = [{"type": "summary_text", "text": "".join(spoken.reasoning)}] if summarised else []
        item: dict[str, Any] = {"id": fresh_id("rs"), "type": "reasoning", "summary": summary}
        if "reasoning.encrypted_content" in (body.get("include") or ()):
            item["encrypted_content"] = encryption.encrypted(item, model=model.id)
        output.append(item)
    if blocked:
        return output
    status = "incomplete" if spoken.ended is Ended.LENGTH else "completed"
    if "refusal" in spoken.wishes:
        content = [{"type": "refusal", "refusal": REFUSAL}]
        output.append(_message(content, status))
    elif spoken.pieces or not spoken.calls:
        content = [{"type": "output_text", "annotations": [], "logprobs": [], "text": spoken.text}]
        output.append(_message(content, status))
    for name, arguments in spoken.calls:
        output.append(
            {
                "id": fresh_id("fc"),
                "type": "function_call",
                "status": "completed",
                "arguments": msgspec.json.encode(arguments).decode(),
                "call_id": f"call_{os.urandom(12).hex()}",
                "name": name,
            }
        )
    return output


def _message(content: list[dict[str, Any]], status: str) -> dict[str, Any]:
    return {"id": fresh_id("msg"), "type": "message", "status": status, "content": content, "role": "assistant"}


def events(whole: Mapping[str, Any], spoken: Speech) -> list[Chunk]:
    """The events in the order in which OpenAI sends them; their names are what faults refer to."""
    begun = {**whole, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    made: list[Chunk] = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
    ]
    if spoken.wishes.get("fail") == "early":
        return _numbered([*made, _failed(whole)])
    for index, item in enumerate(whole["output"]):
        made += _item(item, index, spoken)
    if "fail" in spoken.wishes:
        return _numbered([*made, _failed(whole)])
    made.append((f"response.{whole['status']}", {"response": whole}))
    return _numbered(made)


def _failed(whole: Mapping[str, Any]) -> Chunk:
    error = {"code": "server_error", "message": "The server had an error while processing your request."}
    return "response.failed", {"response": {**whole, "status": "failed", "error": error, "output": []}}


def _item(item: Mapping[str, Any], index: int, spoken: Speech) -> Iterator[Chunk]:
    place = {"item_id": item["id"], "output_index": index}
    started = {**item, **({"status": "in_progress"} if "status" in item else {})}
    if item["type"] == "message":
        started["content"] = []
        yield "response.output_item.added", {"output_index": index, "item": started}
        yield from _content(item["content"][0], place, spoken)
    elif item["type"] == "function_call":
        started["arguments"] = ""
        yield "response.output_item.added", {"output_index": index, "item": started}
        text = item["arguments"]
        for start in range(0, len(text), _ARGUMENT_PIECE):
            yield "response.function_call_arguments.delta", {**place, "delta": text[start : start + _ARGUMENT_PIECE]}
        done = {**place, "name": item["name"], "arguments": text}
        yield "response.function_call_arguments.done", done
    else:
        started["summary"] = []
        yield "response.output_item.added", {"output_index": index, "item": started}
        for at, part in enumerate(item["summary"]):
            yield from _summary(part, {**place, "summary_index": at}, spoken)
    yield "response.output_item.done", {"output_index": index, "item": item}


def _content(part: Mapping[str, Any], place: Mapping[str, Any], spoken: Speech) -> Iterator[Chunk]:
    at = {**place, "content_index": 0}
    if part["type"] == "refusal":
        yield "response.content_part.added", {**at, "part": {"type": "refusal", "refusal": ""}}
        yield "response.refusal.delta", {**at, "delta": part["refusal"]}
        yield "response.refusal.done", {**at, "refusal": part["refusal"]}
    else:
        yield "response.content_part.added", {**at, "part": {**part, "text": ""}}
        for piece in spoken.pieces:
            yield "response.output_text.delta", {**at, "delta": piece, "logprobs": []}
        yield "response.output_text.done", {**at, "text": part["text"], "logprobs": []}
    yield "response.content_part.done", {**at, "part": part}


def _summary(part: Mapping[str, Any], at: Mapping[str, Any], spoken: Speech) -> Iterator[Chunk]:
    yield "response.reasoning_summary_part.added", {**at, "part": {"type": "summary_text", "text": ""}}
    for piece in spoken.reasoning:
        yield "response.reasoning_summary_text.delta", {**at, "delta": piece}
    yield "response.reasoning_summary_text.done", {**at, "text": part["text"]}
    yield "response.reasoning_summary_part.done", {**at, "part": part}


def _numbered(made: list[Chunk]) -> list[Chunk]:
    return [(name, {"type": name, "sequence_number": number, **payload}) for number, (name, payload) in enumerate(made)]


def sse(made: list[Chunk]) -> list[tuple[str, bytes]]:
    """As server-sent events, which end without [DONE]."""
    return [
        (name, b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(payload) + b"\n\n")
        for name, payload in made
    ]
