"""Chat in and out: the request as a neutral prompt, the speech as a completion or as chunks."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tests.simulators import answers, speech
from tests.simulators.answers import SLOT
from tests.simulators.models import Kind, OpenAIModel
from tests.simulators.speech import Choice, Ended, Prompt, Speech

_FINISH: Final[Mapping[Ended, str]] = {
    Ended.END: "stop",
    Ended.TOOLS: "tool_calls",
    Ended.LENGTH: "length",
    Ended.STOP_SEQUENCE: "stop",
}
_ARGUMENT_PIECE: Final = 16
_CACHE_STEP: Final = 128
_CACHE_MIN: Final = 1024
REFUSAL: Final = "I can't help with that."
_FACTS: Final = ("temperature", "top_p", "max_tokens", "max_completion_tokens", "reasoning_effort", "seed", "n")
COMPLETION_ID: Final = f"chatcmpl-{answers.RUN}{SLOT}"
FINGERPRINT: Final = "fp_5e3d0c1a2b"

Chunk = tuple[str, dict[str, Any]]
"""(name, payload) of one event; names are role, content, tool, finish, usage."""


def prompt(body: Mapping[str, Any], *, provider: str, model: OpenAIModel) -> Prompt:
    """What a checked request asks."""
    messages = body["messages"]
    last, results = _last_turn(messages)
    choice, named = _choice(body)
    wanted = body.get("response_format") or {}
    stop = body.get("stop")
    parts = [part for message in messages for part in _parts(message)]
    return Prompt(
        provider=provider,
        model=model.id,
        text=last,
        turns=sum(1 for message in messages if message["role"] not in ("system", "developer")),
        system="\n".join(_text(message) for message in messages if message["role"] in ("system", "developer")),
        results=results,
        images=sum(1 for part in parts if part["type"] == "image_url"),
        documents=sum(1 for part in parts if part["type"] == "file"),
        audio=sum(1 for part in parts if part["type"] == "input_audio"),
        tools={tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in body.get("tools") or ()},
        choice=choice,
        named_tool=named,
        parallel=body.get("parallel_tool_calls") is not False,
        schema=wanted["json_schema"].get("schema") if wanted.get("type") == "json_schema" else None,
        json_object=wanted.get("type") == "json_object",
        reasoning=model.kind is Kind.REASONING,
        facts={name: body[name] for name in _FACTS if body.get(name) is not None},
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens") or model.max_output_tokens,
        stops=(stop,) if isinstance(stop, str) else tuple(stop or ()),
    )


def _parts(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    content = message.get("content")
    return content if isinstance(content, list) else ()


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in _parts(message) if part["type"] == "text")


def _last_turn(messages: Sequence[Mapping[str, Any]]) -> tuple[str, tuple[str, ...]]:
    """The last user text, and the tool results if these came last."""
    results: list[str] = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        results.insert(0, _text(message))
    if results:
        return "", tuple(results)
    return _text(messages[-1]), ()


def _choice(body: Mapping[str, Any]) -> tuple[Choice, str]:
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "function":
        return Choice.NAMED, choice["function"]["name"]
    return {"required": Choice.ANY, "none": Choice.NONE}.get(str(choice), Choice.AUTO), ""


def input_tokens(body: Mapping[str, Any]) -> int:
    """All input tokens of a request."""
    total = 3
    for message in body["messages"]:
        total += 4 + speech.count_tokens(_text(message))
        images = sum(1 for part in _parts(message) if part["type"] == "image_url")
        documents = sum(1 for part in _parts(message) if part["type"] == "file")
        total += speech.media_tokens(images=images, documents=documents)
        if message.get("tool_calls"):
            total += speech.count_tokens(msgspec.json.encode(message["tool_calls"]))
    if body.get("tools"):
        total += speech.count_tokens(msgspec.json.encode(body["tools"]))
    return total


@dataclass(slots=True)
class PrefixCache:
    """Automatic prompt caching: from 1,024 tokens on, in steps of 128."""

    _seen: set[bytes] = field(default_factory=set)

    def read(self, body: Mapping[str, Any], *, model: str) -> tuple[int, bool]:
        """(tokens read from the cache, whether the whole prompt was there already)."""
        digest = hashlib.sha256(model.encode() + msgspec.json.encode(body.get("tools")))
        cached = tokens = 0
        seen = True
        for message in body["messages"]:
            digest.update(msgspec.json.encode(message))
            tokens += 4 + speech.count_tokens(msgspec.json.encode(message.get("content")))
            if tokens < _CACHE_MIN:
                continue
            key = digest.digest()
            seen = seen and key in self._seen
            if seen:
                cached = tokens // _CACHE_STEP * _CACHE_STEP
            self._seen.add(key)
        return cached, seen


def usage(body: Mapping[str, Any], spoken: Sequence[Speech], *, cached: int) -> dict[str, Any]:
    total = input_tokens(body)
    output = sum(one.output_tokens for one in spoken)
    return {
        "completion_tokens": output,
        "completion_tokens_details": {
            "accepted_prediction_tokens": 0,
            "audio_tokens": 0,
            "reasoning_tokens": sum(len(one.reasoning) for one in spoken),
            "rejected_prediction_tokens": 0,
        },
        "prompt_tokens": total,
        "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": min(cached, total)},
        "total_tokens": total + output,
    }


def finish_reason(spoken: Speech) -> str:
    return spoken.wishes.get("stop") or _FINISH[spoken.ended]


def _call_id(choice: int, number: int) -> str:
    return f"call_{answers.RUN}{SLOT}{choice:02d}{number:02d}"


def _logprobs(body: Mapping[str, Any], pieces: Sequence[str]) -> dict[str, Any] | None:
    if not body.get("logprobs"):
        return None
    content = []
    for piece in pieces:
        token = {"token": piece, "logprob": -0.1, "bytes": list(piece.encode())}
        content.append({**token, "top_logprobs": [token] if body.get("top_logprobs") else []})
    return {"content": content, "refusal": None}


def completion(
    body: Mapping[str, Any], spoken: Sequence[Speech], counts: Mapping[str, Any], *, model: OpenAIModel
) -> dict[str, Any]:
    """The answer of a request without `stream`."""
    choices = []
    for index, one in enumerate(spoken):
        message: dict[str, Any] = {
            "annotations": [],
            "content": None if one.calls and not one.pieces else one.text,
            "refusal": None,
            "role": "assistant",
        }
        if "refusal" in one.wishes:
            message["content"], message["refusal"] = None, REFUSAL
        if one.calls:
            message["tool_calls"] = [
                {
                    "function": {"arguments": msgspec.json.encode(arguments).decode(), "name": name},
                    "id": _call_id(index, number),
                    "type": "function",
                }
                for number, (name, arguments) in enumerate(one.calls)
            ]
        choices.append(
            {
                "finish_reason": finish_reason(one),
                "index": index,
                "logprobs": _logprobs(body, one.pieces),
                "message": message,
            }
        )
    return {
        "choices": choices,
        "created": int(time.time()),
        "id": COMPLETION_ID,
        "model": model.reported,
        "object": "chat.completion",
        "system_fingerprint": FINGERPRINT,
        "usage": counts,
    }


def chunk(model: OpenAIModel, choices: list[dict[str, Any]], *, with_usage: bool) -> dict[str, Any]:
    """One chunk. With `include_usage`, every chunk but the last carries `usage: null`."""
    payload: dict[str, Any] = {
        "choices": choices,
        "created": int(time.time()),
        "id": COMPLETION_ID,
        "model": model.reported,
        "object": "chat.completion.chunk",
        "system_fingerprint": FINGERPRINT,
    }
    if with_usage:
        payload["usage"] = None
    return payload


def chunks(
    body: Mapping[str, Any], spoken: Sequence[Speech], counts: Mapping[str, Any], *, model: OpenAIModel
) -> list[Chunk]:
    """The events of a streamed answer, `[DONE]` excluded."""
    with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    made: list[Chunk] = []

    def add(name: str, index: int, delta: dict[str, Any], **more: Any) -> None:
        choice = {"delta": delta, "finish_reason": None, "index": index, "logprobs": None, **more}
        made.append((name, chunk(model, [choice], with_usage=with_usage)))

    for index, one in enumerate(spoken):
        first = {"content": None if one.calls and not one.pieces else "", "refusal": None, "role": "assistant"}
        add("role", index, first)
        if "refusal" in one.wishes:
            add("refusal", index, {"refusal": REFUSAL})
        for piece in () if "refusal" in one.wishes else one.pieces:
            add("content", index, {"content": piece}, logprobs=_logprobs(body, [piece]))
        for number, (name, arguments) in enumerate(one.calls):
            opened = {"arguments": "", "name": name}
            call = {"function": opened, "id": _call_id(index, number), "index": number, "type": "function"}
            add("tool", index, {"tool_calls": [call]})
            for piece in _argument_pieces(arguments):
                add("tool", index, {"tool_calls": [{"function": {"arguments": piece}, "index": number}]})
        add("finish", index, {}, finish_reason=finish_reason(one))
    if with_usage:
        made.append(("usage", {**chunk(model, [], with_usage=True), "usage": counts}))
    return made


def _argument_pieces(arguments: Mapping[str, Any]) -> list[str]:
    text = msgspec.json.encode(arguments).decode()
    return [text[start : start + _ARGUMENT_PIECE] for start in range(0, len(text), _ARGUMENT_PIECE)]


def sse(events: Sequence[Chunk]) -> list[tuple[str, bytes]]:
    """Events as server-sent events, `[DONE]` included."""
    framed = [(name, b"data: " + msgspec.json.encode(payload) + b"\n\n") for name, payload in events]
    return [*framed, ("done", b"data: [DONE]\n\n")]
