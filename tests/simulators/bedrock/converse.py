"""Converse in and out: the request as a neutral prompt, the speech as an answer or as stream events."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tests.simulators import answers
from tests.simulators.answers import Stream, Whole
from tests.simulators.bedrock import caching, eventstream
from tests.simulators.bedrock.caching import Caching
from tests.simulators.bedrock.semantics import Case, signature
from tests.simulators.models import BedrockModel, Reasoning
from tests.simulators.speech import Choice, Ended, Prompt, Speech

_STOP_REASONS: Final[Mapping[Ended, str]] = {
    Ended.END: "end_turn",
    Ended.TOOLS: "tool_use",
    Ended.LENGTH: "max_tokens",
    Ended.STOP_SEQUENCE: "stop_sequence",
}
_CHOICES: Final[Mapping[str, Choice]] = {"auto": Choice.AUTO, "any": Choice.ANY, "tool": Choice.NAMED}
_ARGUMENT_PIECE: Final = 16
_LATENCY_MS: Final = 42


def prompt(body: Mapping[str, Any], *, model: BedrockModel, model_id: str, streamed: bool) -> Prompt:
    """What a checked request asks."""
    case = Case(body, model, streamed)
    last = case.messages[-1]["content"]
    config = case.tool_config or {}
    choice = config.get("toolChoice") or {"auto": {}}
    (kind,) = choice
    text_format = case.body.get("outputConfig", {}).get("textFormat")
    return Prompt(
        provider="bedrock",
        model=model_id,
        text="\n".join(block["text"] for block in last if "text" in block),
        turns=len(case.messages),
        system="\n".join(block["text"] for block in body.get("system") or () if "text" in block),
        results=tuple(_result_text(block["toolResult"]) for block in last if "toolResult" in block),
        images=sum(1 for _ in case.of("image")),
        documents=sum(1 for _ in case.of("document")),
        audio=sum(1 for _ in case.of("audio")),
        tools={
            tool["toolSpec"]["name"]: tool["toolSpec"]["inputSchema"].get("json", {})
            for tool in config.get("tools", ())
            if "toolSpec" in tool
        },
        choice=_CHOICES[kind],
        named_tool=choice["tool"]["name"] if kind == "tool" else "",
        parallel=not _one_tool_only(case),
        schema=msgspec.json.decode(text_format["structure"]["jsonSchema"]["schema"]) if text_format else None,
        reasoning=case.thinking or model.reasoning is Reasoning.ALWAYS or "reasoning_effort" in case.extra,
        facts={**case.inference, **case.extra},
        max_tokens=case.max_tokens,
        stops=tuple(case.inference.get("stopSequences") or ()),
    )


def _one_tool_only(case: Case) -> bool:
    choice = case.extra.get("tool_choice")
    return isinstance(choice, dict) and bool(choice.get("disable_parallel_tool_use"))


def _result_text(result: Mapping[str, Any]) -> str:
    parts = []
    for block in result["content"]:
        if "text" in block:
            parts.append(block["text"])
        elif "json" in block:
            parts.append(msgspec.json.encode(block["json"]).decode())
        else:
            parts.append(f"[{next(iter(block))}]")
    status = result.get("status")
    return " ".join(([f"{status}:"] if status == "error" else []) + parts)


def usage(body: Mapping[str, Any], spoken: Speech, *, model: BedrockModel, cached: Caching) -> dict[str, Any]:
    """Token counts: `inputTokens` leaves out what the cache read and wrote."""
    total_input = caching.input_tokens(body)
    output = spoken.output_tokens
    counts: dict[str, Any] = {
        "inputTokens": total_input - cached.read - cached.written,
        "outputTokens": output,
        "totalTokens": total_input + output,
    }
    if model.cache_min_tokens is not None:
        counts["cacheReadInputTokens"] = cached.read
        counts["cacheWriteInputTokens"] = cached.written
    if cached.written:
        counts["cacheDetails"] = [
            {"ttl": ttl, "inputTokens": tokens} for ttl, tokens in sorted(cached.written_by_ttl.items())
        ]
    return counts


def _stop_reason(spoken: Speech) -> str:
    return spoken.wishes.get("stop") or _STOP_REASONS[spoken.ended]


def _blocks(spoken: Speech) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if "redacted" in spoken.wishes:
        blocks.append({"reasoningContent": {"redactedContent": _redacted()}})
    if spoken.reasoning:
        text = "".join(spoken.reasoning)
        blocks.append({"reasoningContent": {"reasoningText": {"text": text, "signature": signature(text)}}})
    if spoken.pieces or (not spoken.calls and not blocks):
        blocks.append({"text": spoken.text})
    for number, (name, arguments) in enumerate(spoken.calls):
        blocks.append({"toolUse": {"toolUseId": _tool_use_id(number), "name": name, "input": arguments}})
    return blocks


def _redacted() -> str:
    return base64.b64encode(b"simulated redacted reasoning").decode()


def _tool_use_id(number: int) -> str:
    # Constant per position: frames are checksummed, so nothing in them can be numbered afterwards.
    return f"tooluse_{answers.RUN}{number:04d}"


def _response_fields(body: Mapping[str, Any], spoken: Speech) -> dict[str, Any]:
    """`additionalModelResponseFields`, where the request asked for them by JSON pointer."""
    found: dict[str, Any] = {}
    for path in body.get("additionalModelResponseFieldPaths") or ():
        if path == "/stop_sequence":
            found["stop_sequence"] = spoken.stop_sequence
        elif path == "/usage/output_tokens_details":
            found["usage"] = {"output_tokens_details": {"thinking_tokens": len(spoken.reasoning)}}
    return {"additionalModelResponseFields": found} if found else {}


def _settings(body: Mapping[str, Any]) -> dict[str, Any]:
    """What the answer repeats of the request's settings."""
    return {name: body[name] for name in ("performanceConfig", "serviceTier") if body.get(name) is not None}


def _trace(trace: Mapping[str, Any]) -> dict[str, Any]:
    return {"trace": trace} if trace else {}


def whole(body: Mapping[str, Any], spoken: Speech, counts: dict[str, Any], trace: Mapping[str, Any]) -> Whole:
    """The answer of Converse."""
    payload = {
        "metrics": {"latencyMs": _LATENCY_MS},
        "output": {"message": {"content": _blocks(spoken), "role": "assistant"}},
        "stopReason": _stop_reason(spoken),
        "usage": counts,
        **_response_fields(body, spoken),
        **_settings(body),
        **_trace(trace),
    }
    headers = [("content-type", "application/json"), ("x-amzn-requestid", answers.REQUEST_ID)]
    return answers.whole(200, headers, msgspec.json.encode(payload))


def stream(body: Mapping[str, Any], spoken: Speech, counts: dict[str, Any], trace: Mapping[str, Any]) -> Stream:
    """The answer of ConverseStream. Text and reasoning blocks have no start event; metadata comes last."""
    events = _Events()
    events.add("messageStart", {"role": "assistant"})
    if "redacted" in spoken.wishes:
        events.block(None, [{"reasoningContent": {"redactedContent": _redacted()}}])
    if spoken.reasoning:
        deltas = [{"reasoningContent": {"text": piece}} for piece in spoken.reasoning]
        sealed = {"reasoningContent": {"signature": signature("".join(spoken.reasoning))}}
        events.block(None, [*deltas, sealed])
    if spoken.pieces:
        events.block(None, [{"text": piece} for piece in spoken.pieces])
    for number, (name, arguments) in enumerate(spoken.calls):
        start = {"toolUse": {"toolUseId": _tool_use_id(number), "name": name}}
        events.block(start, [{"toolUse": {"input": piece}} for piece in _argument_pieces(arguments)])
    events.add("messageStop", {"stopReason": _stop_reason(spoken), **_response_fields(body, spoken)})
    metadata = {"metrics": {"latencyMs": _LATENCY_MS}, "usage": counts, **_settings(body), **_trace(trace)}
    events.add("metadata", metadata)
    headers = [("content-type", eventstream.CONTENT_TYPE), ("x-amzn-requestid", answers.REQUEST_ID)]
    return answers.stream(200, headers, events.frames)


def _argument_pieces(arguments: Mapping[str, Any]) -> list[str]:
    """Pieces of JSON text; none at all for a call without arguments, as the service does."""
    if not arguments:
        return []
    text = msgspec.json.encode(arguments).decode()
    return [text[start : start + _ARGUMENT_PIECE] for start in range(0, len(text), _ARGUMENT_PIECE)]


class _Events:
    def __init__(self) -> None:
        self.frames: list[tuple[str, bytes]] = []
        self._blocks = 0

    def add(self, name: str, payload: dict[str, Any]) -> None:
        self.frames.append((name, eventstream.event(name, payload)))

    def block(self, start: dict[str, Any] | None, deltas: list[dict[str, Any]]) -> None:
        index = self._blocks
        self._blocks += 1
        if start is not None:
            self.add("contentBlockStart", {"contentBlockIndex": index, "start": start})
        for delta in deltas:
            self.add("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
        self.add("contentBlockStop", {"contentBlockIndex": index})
