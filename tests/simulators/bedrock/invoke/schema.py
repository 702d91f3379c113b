"""Checks of native bodies, and the words in which Bedrock tells what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Refused(Exception):
    """A ValidationException with these words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoked:
    """What a model answers, and the input tokens that it has read."""

    body: Mapping[str, Any]
    input_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A member. `most` and `least` bound the length of texts and lists, `each` the length of a list's texts."""

    kind: type
    required: bool = False
    values: tuple[Any, ...] = ()
    least: int = 0
    most: int | None = None
    each: int | None = None


_NAMES = {str: "String", int: "Integer", bool: "Boolean", list: "JSONArray", dict: "JSONObject", float: "Number"}


def check(body: Any, keys: Mapping[str, Key], path: str = "#") -> None:
    """Raises Refused that lists everything which does not fit."""
    problems = _problems(body, keys, path)
    if problems:
        raise Refused(f"Malformed input request: {', '.join(problems)}, please reformat your input and try again.")


def _problems(body: Any, keys: Mapping[str, Key], path: str) -> list[str]:
    if not isinstance(body, dict):
        return [f"{path}: expected type: JSONObject, found: {_NAMES.get(type(body), 'Null')}"]
    problems = [
        f"{path}: required key [{name}] not found" for name, key in keys.items() if key.required and name not in body
    ]
    for name, value in body.items():
        if name in keys:
            problems += _unfit(value, keys[name], f"{path}/{name}")
        else:
            problems.append(f"{path}: extraneous key [{name}] is not permitted")
    return problems


def _unfit(value: Any, key: Key, path: str) -> list[str]:
    if not isinstance(value, key.kind) or (isinstance(value, bool) and key.kind is not bool):
        return [f"{path}: expected type: {_NAMES[key.kind]}, found: {_NAMES.get(type(value), 'Null')}"]
    if key.values and value not in key.values:
        return [f"{path}: {value} is not a valid enum value"]
    if isinstance(value, str):
        return _length(len(value), key, path, "Length")
    if isinstance(value, list):
        problems = _length(len(value), key, path, "Items")
        for at, element in enumerate(value):
            if key.each is not None:
                problems += _unfit(element, Key(kind=str, most=key.each), f"{path}/{at}")
        return problems
    return []


def _length(length: int, key: Key, path: str, what: str) -> list[str]:
    if length < key.least:
        return [f"{path}: expected min{what}: {key.least}, actual: {length}"]
    if key.most is not None and length > key.most:
        return [f"{path}: expected max{what}: {key.most}, actual: {length}"]
    return []
