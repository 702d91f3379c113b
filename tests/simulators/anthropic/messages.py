"""Messages in and out: the request as a neutral prompt, the speech as a message or as the events of a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tests.simulators import answers
from tests.simulators.anthropic import checks, sealing
from tests.simulators.anthropic.caching import Caching
from tests.simulators.models import AnthropicModel
from tests.simulators.speech import Choice, Ended, Prompt, Speech

_STOPS: Final[Mapping[Ended, str]] = {
    Ended.END: "end_turn",
    Ended.TOOLS: "tool_use",
    Ended.LENGTH: "max_tokens",
    Ended.STOP_SEQUENCE: "stop_sequence",
}
_CHOICES: Final = {"any": Choice.ANY, "none": Choice.NONE, "tool": Choice.NAMED}
_ARGUMENT_PIECE: Final = 16
_ID: Final = f"{answers.RUN}{answers.SLOT}"
_REFUSED: Final = "The request could enable cyber harm."

Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Who answers: the provider, the model as the client called it, and the mark in what ids it gives."""

    provider: str
    model: str
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer before it is put into a message or a stream."""

    speech: Speech
    model: AnthropicModel
    speaker: Speaker
    shows: bool
    """Whether thinking comes as text."""
    input_tokens: int
    caching: Caching


def prompt(body: Mapping[str, Any], *, model: AnthropicModel, speaker: Speaker) -> Prompt:
    """What a checked request asks."""
    turns = body["messages"]
    blocks = [block for turn in turns for block in turn["content"]]
    last = [block for block in turns[-1]["content"]]
    results = tuple(_result(block) for block in last if block["type"] == "tool_result")
    choice = body.get("tool_choice") or {}
    output = (body.get("output_config") or {}).get("format") or {}
    inner = [one for block in blocks if block["type"] == "tool_result" for one in _inner(block)]
    return Prompt(
        provider=speaker.provider,
        model=speaker.model,
        text="\n".join(block["text"] for block in last if block["type"] == "text"),
        turns=sum(1 for turn in turns if turn["role"] != "system"),
        system="\n".join(block["text"] for block in (*body["system"], *_instructions(turns))),
        results=results,
        images=sum(1 for block in (*blocks, *inner) if block["type"] == "image"),
        documents=sum(1 for block in (*blocks, *inner) if block["type"] == "document"),
        tools={tool["name"]: tool["input_schema"] for tool in body.get("tools") or ()},
        choice=_CHOICES.get(choice.get("type", ""), Choice.AUTO),
        named_tool=choice.get("name", ""),
        parallel=not choice.get("disable_parallel_tool_use"),
        schema=output.get("schema"),
        reasoning=checks.thinks(body, model),
        facts=_facts(body),
        max_tokens=body.get("max_tokens", model.max_output_tokens),
        stops=tuple(body.get("stop_sequences") or ()),
    )


def _instructions(turns: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [block for turn in turns if turn["role"] == "system" for block in turn["content"]]


def _facts(body: Mapping[str, Any]) -> dict[str, Any]:
    facts = {name: body[name] for name in ("max_tokens", "temperature", "top_p", "top_k") if name in body}
    thinking, output = body.get("thinking") or {}, body.get("output_config") or {}
    if thinking:
        facts["thinking"] = thinking.get("budget_tokens", thinking["type"])
    if output.get("effort"):
        facts["effort"] = output["effort"]
    blocks = [block for turn in body["messages"] for block in turn["content"]]
    thoughts = sum(1 for block in blocks if block["type"] in {"thinking", "redacted_thinking"})
    if thoughts:
        facts["thoughts"] = thoughts
    return facts


def _inner(block: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    content = block.get("content")
    return content if isinstance(content, list) else ()


def _result(block: Mapping[str, Any]) -> str:
    content = block.get("content")
    said = content if isinstance(content, str) else "\n".join(one["text"] for one in _inner(block) if "text" in one)
    return f"failed: {said}" if block.get("is_error") else said


def message(said: Said) -> dict[str, Any]:
    """The answer of a request without `stream`."""
    return {**_envelope(said), "content": _blocks(said), **_end(said), "usage": _usage(said)}


def events(said: Said) -> list[Event]:
    """The events of a streamed answer."""
    started = {**_envelope(said), "content": [], "stop_reason": None, "stop_sequence": None}
    told: list[Event] = [
        {"type": "message_start", "message": {**started, "usage": {**_usage(said), "output_tokens": 1}}},
        {"type": "ping"},
    ]
    for index, block in enumerate(_blocks(said)):
        empty, deltas = _streamed(block, said)
        told.append({"type": "content_block_start", "index": index, "content_block": empty})
        told += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        told.append({"type": "content_block_stop", "index": index})
    told.append({"type": "message_delta", "delta": _end(said), "usage": cumulative(said)})
    return [*told, {"type": "message_stop"}]


def sse(told: Sequence[Event]) -> list[tuple[str, bytes]]:
    """Events as server-sent events, by their names."""
    return [
        (event["type"], b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(event)))
        for event in told
    ]


def _envelope(said: Said) -> dict[str, Any]:
    return {"id": f"msg_{said.speaker.mark}{_ID}", "type": "message", "role": "assistant", "model": said.model.id}


def _blocks(said: Said) -> list[dict[str, Any]]:
    spoken = said.speech
    blocks: list[dict[str, Any]] = []
    if spoken.reasoning:
        thought = "".join(spoken.reasoning)
        if "redacted" in spoken.wishes:
            blocks.append({"type": "redacted_thinking", "data": sealing.redacted(thought)})
        else:
            shown = thought if said.shows else ""
            blocks.append({"type": "thinking", "thinking": shown, "signature": sealing.signature(shown)})
    if spoken.pieces:
        blocks.append({"type": "text", "text": spoken.text})
    for number, (name, arguments) in enumerate(spoken.calls):
        call = f"toolu_{said.speaker.mark}{_ID}{number:02d}"
        blocks.append({"type": "tool_use", "id": call, "name": name, "input": dict(arguments)})
    return blocks


def _streamed(block: dict[str, Any], said: Said) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The block as it starts, and what it grows by."""
    if block["type"] == "text":
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in said.speech.pieces]
    if block["type"] == "thinking":
        pieces = said.speech.reasoning if block["thinking"] else ()
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]
    if block["type"] == "tool_use":
        written = msgspec.json.encode(block["input"]).decode() if block["input"] else ""
        pieces = [written[at : at + _ARGUMENT_PIECE] for at in range(0, len(written), _ARGUMENT_PIECE)]
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces]]
    return block, []


def _end(said: Said) -> dict[str, Any]:
    wishes = said.speech.wishes
    reason = "refusal" if "refusal" in wishes else wishes.get("stop") or _STOPS[said.speech.ended]
    details = {"type": "refusal", "category": "cyber", "explanation": _REFUSED} if reason == "refusal" else None
    return {"stop_reason": reason, "stop_sequence": said.speech.stop_sequence, "stop_details": details}


def cumulative(said: Said) -> dict[str, Any]:
    """The counts of tokens as they stand at the end."""
    caching, spoken = said.caching, said.speech
    written = sum(caching.written.values())
    return {
        "input_tokens": said.input_tokens - caching.read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": caching.read,
        "output_tokens": spoken.output_tokens,
        "output_tokens_details": {"thinking_tokens": len(spoken.reasoning)},
    }


def _usage(said: Said) -> dict[str, Any]:
    written = said.caching.written
    by_ttl = {
        "ephemeral_5m_input_tokens": written.get("5m", 0),
        "ephemeral_1h_input_tokens": written.get("1h", 0),
    }
    return {**cumulative(said), "cache_creation": by_ttl, "service_tier": "standard"}
