"""Bodies made like OpenAI's: Jamba, Mistral Large, gpt-oss and the other open-weight models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tests.simulators import answers
from tests.simulators.bedrock.invoke import native
from tests.simulators.bedrock.invoke.native import Asked, Counts, Member, Refused
from tests.simulators.models import BedrockModel, Reasoning
from tests.simulators.speech import Choice, Ended, Speech

_REASONS: Final = {
    Ended.END: "stop",
    Ended.TOOLS: "tool_calls",
    Ended.LENGTH: "length",
    Ended.STOP_SEQUENCE: "stop",
}
_CHOICES: Final = {"auto": Choice.AUTO, "none": Choice.NONE, "any": Choice.ANY, "required": Choice.ANY}
_MISTRAL_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """One such family. `members` beside those that all have; `limit` is the name of the output limit."""

    members: Mapping[str, Member]
    reason_name: str = "finish_reason"
    limit: str = "max_tokens"
    hottest: float = 2
    call_ids: re.Pattern[str] = re.compile(r".+", re.DOTALL)
    user_after_tool: bool = True
    tags: tuple[str, str] | None = None
    """What reasoning in the text stands between."""

    def asked(self, body: Any, model: BedrockModel, *, streamed: bool) -> Asked:
        checked = native.check(
            body,
            {
                "messages": Member(types=(list,), required=True),
                self.limit: native.whole_number(1, model.max_output_tokens),
                "temperature": native.number(0, self.hottest),
                "top_p": native.number(0, 1),
                **self.members,
            },
        )
        messages = checked["messages"]
        if not messages:
            raise Refused("Malformed input request: #/messages: expected minimum item count: 1, found: 0")
        self._check_messages(messages, model)
        said = [message for message in messages if message["role"] == "user"]
        asked_schema = checked.get("response_format", {}).get("json_schema", {}).get("schema")
        results = []
        for message in reversed(messages):
            if message["role"] != "tool":
                break
            results.insert(0, message["content"])
        choice = checked.get("tool_choice", "auto")
        return Asked(
            said=_text(said[-1]["content"]) if said else "",
            turns=sum(message["role"] != "system" for message in messages),
            system="\n".join(_text(message["content"]) for message in messages if message["role"] == "system"),
            results=tuple(results),
            images=sum(_images(message["content"]) for message in messages),
            tools={tool["function"]["name"]: tool["function"]["parameters"] for tool in checked.get("tools", ())},
            choice=_CHOICES[choice] if isinstance(choice, str) else Choice.NAMED,
            named_tool="" if isinstance(choice, str) else choice["function"]["name"],
            schema=asked_schema,
            reasoning="reasoning_effort" in checked or model.reasoning is Reasoning.ALWAYS,
            facts=native.facts(checked, "temperature", "top_p", self.limit, "seed", "reasoning_effort"),
            max_tokens=checked.get(self.limit),
            stops=tuple(checked.get("stop", ())),
        )

    def _check_messages(self, messages: list[dict[str, Any]], model: BedrockModel) -> None:
        calls: set[str] = set()
        for at, message in enumerate(messages):
            role, content = message.get("role"), message.get("content")
            if role not in {"system", "user", "assistant", "tool"}:
                raise Refused(f"Malformed input request: #/messages/{at}/role: {role} is not a valid enum value")
            if content is None and "tool_calls" not in message:
                raise Refused(f"Malformed input request: #/messages/{at}: required key [content] not found")
            if _images(content) and not model.vision:
                raise Refused("This model doesn't support images.")
            for call in message.get("tool_calls", ()):
                if not self.call_ids.fullmatch(call["id"]):
                    raise Refused(f"Tool call id was {call['id']} but must be a-z, A-Z, 0-9, with a length of 9.")
                msgspec.json.decode(call["function"]["arguments"])
                calls.add(call["id"])
            if role == "user" and not self.user_after_tool and at and messages[at - 1].get("role") == "tool":
                raise Refused("Unexpected role 'user' after role 'tool'")
            if role == "tool" and message.get("tool_call_id") not in calls:
                raise Refused(f"Unexpected tool call id {message.get('tool_call_id')} in tool results")
        if messages[-1]["role"] == "assistant":
            raise Refused("Expected last role User or Tool for serving but got assistant")

    def _pieces(self, spoken: Speech) -> list[str]:
        if self.tags is None or not spoken.reasoning:
            return list(spoken.pieces)
        before, behind = self.tags
        return [before, *spoken.reasoning, behind, *spoken.pieces]

    def whole(self, body: Mapping[str, Any], spoken: Speech, counts: Counts) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self._pieces(spoken))}
        if self.tags is None and spoken.reasoning:
            message["reasoning_content"] = "".join(spoken.reasoning)
        if spoken.calls:
            message["tool_calls"] = [_called(at, call) for at, call in enumerate(spoken.calls)]
        choice = {"index": 0, "message": message, self.reason_name: native.reason(spoken, _REASONS)}
        return {"id": f"chat-{answers.RUN}", "choices": [choice], "usage": _usage(counts)}

    def documents(self, body: Mapping[str, Any], spoken: Speech, counts: Counts) -> list[dict[str, Any]]:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        if self.tags is None:
            deltas += [{"reasoning_content": piece} for piece in spoken.reasoning]
        deltas += [{"content": piece} for piece in self._pieces(spoken)]
        deltas += [{"tool_calls": [{"index": at, **_called(at, call)}]} for at, call in enumerate(spoken.calls)]
        said = [self._chunk(delta, None) for delta in deltas]
        last = {"id": f"chat-{answers.RUN}", "choices": [], "usage": _usage(counts)}
        return [*said, self._chunk({}, native.reason(spoken, _REASONS)), last]

    def _chunk(self, delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
        return {"id": f"chat-{answers.RUN}", "choices": [{"index": 0, "delta": delta, self.reason_name: reason}]}


def _called(at: int, call: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    name, arguments = call
    function = {"name": name, "arguments": msgspec.json.encode(arguments).decode()}
    return {"id": f"call{at:05d}", "type": "function", "function": function}


def _usage(counts: Counts) -> dict[str, int]:
    return {
        "prompt_tokens": counts.read,
        "completion_tokens": counts.written,
        "total_tokens": counts.read + counts.written,
    }


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content or () if part.get("type") == "text")


def _images(content: Any) -> int:
    return 0 if isinstance(content, str | None) else sum(part.get("type") == "image_url" for part in content)


_PENALTY: Final = native.number(-2, 2)

JAMBA: Final = Chat(
    members={
        "stop": native.texts(16),
        "n": native.whole_number(1, 16),
        "frequency_penalty": _PENALTY,
        "presence_penalty": _PENALTY,
        "tools": native.LIST,
        "documents": native.LIST,
    },
)
MISTRAL: Final = Chat(
    members={"tools": native.LIST, "tool_choice": native.text(choices=("auto", "any", "none"))},
    reason_name="stop_reason",
    hottest=1,
    call_ids=_MISTRAL_ID,
    user_after_tool=False,
)
GPT_OSS: Final = Chat(
    members={
        "model": native.text(),
        "stream": Member(types=(bool,)),
        "stop": native.texts(4),
        "frequency_penalty": _PENALTY,
        "presence_penalty": _PENALTY,
        "seed": native.whole_number(-(2**63)),
        "tools": native.LIST,
        "tool_choice": Member(types=(str, dict)),
        "reasoning_effort": native.text(choices=("low", "medium", "high")),
        "response_format": native.OBJECT,
    },
    limit="max_completion_tokens",
    tags=("<reasoning>", "</reasoning>"),
)
