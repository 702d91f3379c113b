"""Content filter results, in the shapes that Azure annotates answers with.

https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter-annotations and, for the asynchronous mode,
https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-streaming.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tests.simulators.openai_chat.chat import Chunk

SEVERITIES: Final = ("hate", "self_harm", "sexual", "violence")
DETECTIONS: Final = ("jailbreak", "indirect_attack", "profanity", "protected_material_text", "protected_material_code")
_ASYNC_EVERY: Final = 4
PROMPT_BLOCKED: Final = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please "
    "modify your prompt and retry. To learn more about our content filtering policies please read our documentation: "
    "https://go.microsoft.com/fwlink/?linkid=2198766"
)


def results(blocked: str | None = None, *, prompt: bool = False) -> dict[str, Any]:
    """Results by category; `blocked` names the one that filtered."""
    found: dict[str, Any] = {name: {"filtered": False, "severity": "safe"} for name in SEVERITIES}
    if prompt:
        found["jailbreak"] = {"detected": False, "filtered": False}
    if blocked in SEVERITIES:
        found[blocked] = {"filtered": True, "severity": "high"}
    elif blocked is not None:
        found[blocked] = {"detected": True, "filtered": True}
    return found


def prompt_results() -> list[dict[str, Any]]:
    return [{"prompt_index": 0, "content_filter_results": results(prompt=True)}]


def prompt_blocked(category: str) -> dict[str, Any]:
    """The body of the 400 for a prompt that was not let through."""
    return {
        "error": {
            "message": PROMPT_BLOCKED,
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": results(category, prompt=True),
            },
        }
    }


def completion(payload: dict[str, Any], *, blocked: str | None) -> dict[str, Any]:
    """Annotate an answer without `stream`; a blocked completion loses its content."""
    for choice in payload["choices"]:
        choice["content_filter_results"] = results(blocked)
        if blocked is not None:
            choice["finish_reason"] = "content_filter"
            if "text" in choice:
                choice["text"] = ""
                continue
            choice["message"].pop("content", None)
            choice["message"].pop("tool_calls", None)
    payload["prompt_filter_results"] = prompt_results()
    return payload


def _first_chunk() -> Chunk:
    first = {
        "choices": [],
        "created": 0,
        "id": "",
        "model": "",
        "object": "",
        "prompt_filter_results": prompt_results(),
    }
    return "prompt-filter", first


def synchronous(chunks: Sequence[Chunk], *, blocked: str | None) -> list[Chunk]:
    """Default mode: results on every chunk. A block ends the choice where it was found."""
    annotated = [_first_chunk()]
    content = 0
    closed: set[int] = set()
    for name, payload in chunks:
        if not payload["choices"]:
            annotated.append((name, payload))
            continue
        (choice,) = payload["choices"]
        if choice["index"] in closed:
            continue
        choice["content_filter_results"] = results() if name == "content" else {}
        content += name == "content"
        if blocked is not None and (name == "finish" or content > 3):
            choice |= {"text": ""} if "text" in choice else {"delta": {}}
            choice |= {"finish_reason": "content_filter", "content_filter_results": results(blocked)}
            closed.add(choice["index"])
            content = 0
            annotated.append(("finish", payload))
            continue
        annotated.append((name, payload))
    return annotated


def asynchronous(chunks: Sequence[Chunk], *, blocked: str | None) -> list[Chunk]:
    """Asynchronous mode: text at once, results later in chunks without delta, some after the finish reason."""
    annotated = [_first_chunk()]
    start = end = since = 0
    tail: list[Chunk] = []
    for name, payload in chunks:
        if not payload["choices"]:
            tail.append((name, payload))
            continue
        annotated.append((name, payload))
        (choice,) = payload["choices"]
        if name == "content":
            end += len(choice["delta"]["content"])
            since += 1
        if since >= _ASYNC_EVERY or name == "finish":
            last = name == "finish"
            annotated.append(_annotation(choice["index"], start, end, blocked=blocked if last else None))
            start, since = end, 0
        if name == "finish":
            if blocked is not None:
                late = {"delta": {}, "finish_reason": "content_filter", "index": choice["index"], "logprobs": None}
                annotated.append(("late-filter", {**payload, "choices": [late]}))
            start = end = 0
    return [*annotated, *tail]


def _annotation(index: int, start: int, end: int, *, blocked: str | None) -> Chunk:
    choice = {
        "content_filter_offsets": {"check_offset": end, "start_offset": start, "end_offset": end},
        "content_filter_results": results(blocked),
        "finish_reason": None,
        "index": index,
    }
    return "annotation", {"choices": [choice], "created": 0, "id": "", "model": "", "object": ""}
