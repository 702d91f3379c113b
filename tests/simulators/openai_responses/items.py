"""Items as the simulated model reads them: the chat that they amount to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def items_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The input as items, whichever form it came in."""
    given = body.get("input") or []
    return [{"role": "user", "content": given}] if isinstance(given, str) else list(given)


def as_chat(body: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The chat request that says the same."""
    messages: list[dict[str, Any]] = []
    if body.get("instructions"):
        messages.append({"role": "developer", "content": body["instructions"]})
    for item in items:
        _add(messages, item)
    chat: dict[str, Any] = {"messages": messages}
    tools = [tool for tool in body.get("tools") or () if tool["type"] == "function"]
    if tools:
        chat["tools"] = [{"type": "function", "function": tool} for tool in tools]
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = {tool["name"] for tool in choice["tools"]}
        chat["tools"] = [tool for tool in chat["tools"] if tool["function"]["name"] in allowed]
        choice = choice["mode"]
    elif isinstance(choice, dict):
        choice = {"type": "function", "function": {"name": choice["name"]}}
    wanted = (body.get("text") or {}).get("format") or {}
    if wanted.get("type") == "json_schema":
        chat["response_format"] = {"type": "json_schema", "json_schema": wanted}
    elif wanted:
        chat["response_format"] = wanted
    limit, effort = body.get("max_output_tokens"), (body.get("reasoning") or {}).get("effort")
    chat |= {"tool_choice": choice, "max_completion_tokens": limit, "reasoning_effort": effort}
    for name in ("temperature", "top_p", "parallel_tool_calls"):
        chat[name] = body.get(name)
    return chat


def _add(messages: list[dict[str, Any]], item: Mapping[str, Any]) -> None:
    kind = item.get("type", "message")
    if kind == "message":
        messages.append({"role": item["role"], "content": _content(item["content"])})
    elif kind == "function_call":
        call = {"id": item["call_id"], "function": {"name": item["name"], "arguments": item["arguments"]}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
    elif kind == "function_call_output":
        messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": _content(item["output"])})


def _content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    parts: list[dict[str, Any]] = []
    for part in content:
        if part["type"] in ("input_text", "output_text"):
            parts.append({"type": "text", "text": part["text"]})
        elif part["type"] == "input_image":
            parts.append({"type": "image_url"})
        elif part["type"] == "input_file":
            parts.append({"type": "file"})
        else:
            parts.append({"type": "text", "text": part["refusal"]})
    return parts
