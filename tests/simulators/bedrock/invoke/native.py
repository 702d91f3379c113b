"""What the families have in common: the check of a body's members, and what a body asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from tests.simulators.models import BedrockModel
from tests.simulators.speech import Choice, Ended, Speech


class Refused(Exception):
    """The message of a ValidationException."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a body."""

    types: tuple[type, ...]
    required: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


NUMBER: Final = (int, float)


def number(low: float | None = None, high: float | None = None) -> Member:
    return Member(types=NUMBER, low=low, high=high)


def whole_number(low: int = 1, high: int | None = None, *, required: bool = False) -> Member:
    return Member(types=(int,), low=low, high=high, required=required)


def text(*, required: bool = False, choices: tuple[str, ...] = ()) -> Member:
    return Member(types=(str,), required=required, choices=choices)


def texts(high: int | None = None) -> Member:
    return Member(types=(list,), high=high)


ANY: Final = Member(types=(object,))
LIST: Final = Member(types=(list,))
OBJECT: Final = Member(types=(dict,))


def check(body: Any, members: Mapping[str, Member], path: str = "#") -> dict[str, Any]:
    """The body, whose members are those known and no others, of their types and within their bounds."""
    if not isinstance(body, dict):
        raise Refused(_malformed(f"{path}: expected type: JSONObject, found: {type(body).__name__}"))
    for name in body:
        if name not in members:
            raise Refused(_malformed(f"{path}: extraneous key [{name}] is not permitted"))
    for name, member in members.items():
        if name in body:
            _check_value(body[name], member, f"{path}/{name}")
        elif member.required:
            raise Refused(_malformed(f"{path}: required key [{name}] not found"))
    return body


def _check_value(value: Any, member: Member, path: str) -> None:
    if not isinstance(value, member.types) or (isinstance(value, bool) and bool not in (*member.types, object)):
        raise Refused(_malformed(f"{path}: expected type: {member.types[0].__name__}, found: {type(value).__name__}"))
    if member.choices and value not in member.choices:
        raise Refused(_malformed(f"{path}: {value} is not a valid enum value"))
    size = len(value) if isinstance(value, list) else value
    if isinstance(size, int | float):
        if member.low is not None and size < member.low:
            raise Refused(_malformed(f"{path}: {size} is not greater or equal to {member.low}"))
        if member.high is not None and size > member.high:
            raise Refused(_malformed(f"{path}: {size} is not less or equal to {member.high}"))
    if isinstance(value, list) and member.high is not None and not all(isinstance(item, str) for item in value):
        raise Refused(_malformed(f"{path}: expected type: String"))


def _malformed(what: str) -> str:
    return f"Malformed input request: {what}, please reformat your input and try again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a body asks, whichever family's it is."""

    said: str
    turns: int = 1
    system: str = ""
    results: tuple[str, ...] = ()
    images: int = 0
    documents: int = 0
    tools: Mapping[str, Any] = field(default_factory=dict)
    choice: Choice = Choice.AUTO
    named_tool: str = ""
    schema: Any = None
    reasoning: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None
    stops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Tokens, as Bedrock counts them."""

    read: int
    written: int


class Family(Protocol):
    """A module of this room."""

    def asked(self, body: Any, model: BedrockModel, *, streamed: bool) -> Asked:
        """Raises Refused."""
        ...

    def whole(self, body: Mapping[str, Any], spoken: Speech, counts: Counts) -> dict[str, Any]: ...

    def documents(self, body: Mapping[str, Any], spoken: Speech, counts: Counts) -> list[dict[str, Any]]: ...


def reason(spoken: Speech, names: Mapping[Ended, str]) -> str:
    """Why the model stopped; `simulate stop=…` has the last word."""
    return spoken.wishes.get("stop") or names[spoken.ended]


def turns_of(prompt: str, user: str, assistant: str) -> tuple[str, list[tuple[str, str]]]:
    """What stands before the first mark, and the turns as (role, text). Marks are patterns."""
    marks = list(re.finditer(f"(?P<user>{user})|(?:{assistant})", prompt, re.MULTILINE))
    if not marks:
        return "", [("user", prompt)]
    ends = [mark.start() for mark in marks[1:]] + [len(prompt)]
    turns = [
        ("user" if mark.group("user") is not None else "assistant", prompt[mark.end() : end].strip())
        for mark, end in zip(marks, ends, strict=True)
    ]
    return prompt[: marks[0].start()].strip(), turns


def prompted(prompt: str, user: str, assistant: str) -> dict[str, Any]:
    """`said`, `turns` and `system` of `Asked`, from a transcript. The turn to be written counts for none."""
    system, turns = turns_of(prompt, user, assistant)
    if turns[-1] == ("assistant", ""):
        turns = turns[:-1]
    said = [spoken for role, spoken in turns if role == "user"]
    return {"said": said[-1] if said else "", "turns": len(turns), "system": system}


def facts(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """What the answer repeats of the settings that arrived."""
    return {name: body[name] for name in names if name in body}
