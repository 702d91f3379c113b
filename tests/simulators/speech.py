"""What the simulated models say: a pure function of the prompt, the same for every provider.

The last user text decides. `call NAME [{json}]` calls a tool that was offered, `simulate WHAT[=VALUE]` asks for one of
the behaviours in the README; everything else is echoed, with a short account of what arrived.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

_WORD: Final = re.compile(r"\s*\S+|\s+$")
_SIMULATE: Final = re.compile(r"\bsimulate ([a-z-]+)(?:=([^\s;,]+))?")
_CALL: Final = re.compile(r"\bcall ([a-zA-Z0-9_.-]+)[ :]*")
_MAX_ECHO: Final = 400
_MAX_DIRECTIVES: Final = 8000  # characters at the end of the text that are searched for directives
_IMAGE_TOKENS: Final = 85
_DOCUMENT_TOKENS: Final = 1500
_MAX_SCHEMA_DEPTH: Final = 12


class Choice(enum.Enum):
    """What the request asks of the tools."""

    AUTO = "auto"
    NONE = "none"
    ANY = "any"
    NAMED = "named"


class Ended(enum.Enum):
    END = "end"
    TOOLS = "tools"
    LENGTH = "length"
    STOP_SEQUENCE = "stop_sequence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A request as both dialects understand it. `max_tokens` is what binds: asked for, or the model's own."""

    provider: str
    model: str
    text: str
    turns: int
    system: str = ""
    results: tuple[str, ...] = ()
    images: int = 0
    documents: int = 0
    audio: int = 0
    tools: Mapping[str, Any] = field(default_factory=dict)
    choice: Choice = Choice.AUTO
    named_tool: str = ""
    parallel: bool = True
    schema: Any = None
    json_object: bool = False
    reasoning: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int
    stops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """An answer before it is put into a dialect. A piece is one token and one stream event."""

    reasoning: tuple[str, ...] = ()
    pieces: tuple[str, ...] = ()
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    ended: Ended = Ended.END
    stop_sequence: str | None = None
    wishes: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def output_tokens(self) -> int:
        arguments = sum(8 + count_tokens(msgspec.json.encode(args)) for _, args in self.calls)
        return max(1, len(self.reasoning) + len(self.pieces) + arguments)


def count_tokens(content: str | bytes) -> int:
    """A token for every four bytes of UTF-8, begun ones included."""
    size = len(content) if isinstance(content, bytes) else len(content.encode())
    return (size + 3) // 4


def media_tokens(*, images: int, documents: int) -> int:
    return images * _IMAGE_TOKENS + documents * _DOCUMENT_TOKENS


def speak(prompt: Prompt) -> Speech:
    wishes = dict(_SIMULATE.findall(prompt.text[-_MAX_DIRECTIVES:]))
    calls = _calls(prompt)
    reasoning = (
        _split("The user wants an answer. I should give one.") if prompt.reasoning or "reasoning" in wishes else []
    )
    if calls:
        spoken = _split("I will call a tool.") if "preamble" in wishes else []
        return Speech(
            reasoning=tuple(reasoning), pieces=tuple(spoken), calls=tuple(calls), ended=Ended.TOOLS, wishes=wishes
        )
    text, ended, stop_sequence = _text(prompt, wishes), Ended.END, None
    for stop in prompt.stops:
        position = text.find(stop)
        if position >= 0:
            text, ended, stop_sequence = text[:position], Ended.STOP_SEQUENCE, stop
    pieces = _split(text)
    room = max(0, prompt.max_tokens - len(reasoning))
    if len(reasoning) > prompt.max_tokens or len(pieces) > room:
        reasoning, pieces, ended, stop_sequence = reasoning[: prompt.max_tokens], pieces[:room], Ended.LENGTH, None
    return Speech(
        reasoning=tuple(reasoning), pieces=tuple(pieces), ended=ended, stop_sequence=stop_sequence, wishes=wishes
    )


def _split(text: str) -> list[str]:
    return _WORD.findall(text)


def _text(prompt: Prompt, wishes: Mapping[str, str]) -> str:
    if "empty" in wishes:
        return ""
    if prompt.schema is not None:
        return msgspec.json.encode(sample(prompt.schema)).decode()
    if prompt.json_object:
        return msgspec.json.encode({"echo": prompt.text[:_MAX_ECHO]}).decode()
    if "words" in wishes and wishes["words"].isdigit():
        return " ".join(f"word{number}" for number in range(1, int(wishes["words"]) + 1))
    said = f"You said: {_short(prompt.text)}"
    if prompt.results:
        said = f"The tools said: {_short(' | '.join(prompt.results))}"
    return f"{said} ({_account(prompt)})"


def _short(text: str) -> str:
    return text if len(text) <= _MAX_ECHO else text[:_MAX_ECHO] + "…"


def _account(prompt: Prompt) -> str:
    facts: dict[str, Any] = {"model": prompt.model, "turns": prompt.turns}
    if prompt.system:
        facts["system"] = repr(_short(prompt.system))
    for name, number in (("images", prompt.images), ("documents", prompt.documents), ("audio", prompt.audio)):
        if number:
            facts[name] = number
    if prompt.tools:
        facts["tools"] = ",".join(prompt.tools)
    facts.update(prompt.facts)
    return f"{prompt.provider}: " + " ".join(f"{name}={value}" for name, value in facts.items())


def _calls(prompt: Prompt) -> list[tuple[str, Mapping[str, Any]]]:
    if not prompt.tools or prompt.choice is Choice.NONE:
        return []
    calls: list[tuple[str, Mapping[str, Any]]] = []
    if not prompt.results:
        text = prompt.text[-_MAX_DIRECTIVES:]
        for match in _CALL.finditer(text):
            name = match.group(1).rstrip(".")
            if name in prompt.tools:
                calls.append((name, _arguments(text[match.end() :], prompt.tools[name])))
    if prompt.choice is Choice.NAMED:
        calls = [call for call in calls if call[0] == prompt.named_tool] or [
            (prompt.named_tool, _arguments("", prompt.tools[prompt.named_tool]))
        ]
    elif prompt.choice is Choice.ANY and not calls:
        first = next(iter(prompt.tools))
        calls = [(first, _arguments("", prompt.tools[first]))]
    return calls if prompt.parallel else calls[:1]


def _arguments(rest: str, schema: Any) -> Mapping[str, Any]:
    if rest.startswith("{"):
        for end in range(len(rest), 0, -1):
            if rest[end - 1] != "}":
                continue
            try:
                given = msgspec.json.decode(rest[:end])
            except msgspec.DecodeError:
                continue
            if isinstance(given, dict):
                return given
    made = sample(schema)
    return made if isinstance(made, dict) else {}


def sample(schema: Any, *, root: Any = None, depth: int = 0) -> Any:
    """The simplest value that a JSON schema admits: required properties only, first choices, smallest numbers."""
    if not isinstance(schema, dict) or depth > _MAX_SCHEMA_DEPTH:
        return None
    root = schema if root is None else root
    if "$ref" in schema:
        target = root
        for part in str(schema["$ref"]).lstrip("#/").split("/"):
            target = target.get(part, {}) if isinstance(target, dict) else {}
        return sample(target, root=root, depth=depth + 1)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return sample(schema[key][0], root=root, depth=depth + 1)
    return _sample_of_type(schema, root=root, depth=depth)


def _sample_of_type(schema: dict[str, Any], *, root: Any, depth: int) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        return {
            name: sample(properties.get(name, {"type": "string"}), root=root, depth=depth + 1)
            for name in schema.get("required", [])
        }
    if kind == "array":
        number = schema.get("minItems", 1)
        return [sample(schema.get("items", {}), root=root, depth=depth + 1) for _ in range(number)]
    if kind == "string":
        return "value".ljust(schema.get("minLength", 0), "x")
    if kind == "integer":
        return schema.get("minimum", 1)
    if kind == "number":
        return schema.get("minimum", 1.5)
    return True if kind == "boolean" else None
