"""Requests checked against the service model that botocore carries.

Shapes are compiled once into checks. Messages are worded as the service's own validation words them. One thing is
deliberately stricter than the service: a member that the model does not know is refused, not ignored.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import importlib.util
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

_MODEL: Final = "data/bedrock-runtime/2023-09-30/service-2.json.gz"

Check = Callable[[Any, str, list[str]], None]
"""(value, path, problems found so far): adds what is wrong with the value."""


class Malformed(Exception):
    """The body has a value of a wrong JSON type; the service stops at the first."""


@cache
def service_model() -> dict[str, Any]:
    """botocore's service model of Bedrock runtime, as parsed JSON."""
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.submodule_search_locations is None:
        raise RuntimeError("botocore is not installed; the Bedrock simulator takes its service model from it")
    path = Path(next(iter(spec.submodule_search_locations))) / _MODEL
    model = msgspec.json.decode(gzip.decompress(path.read_bytes()))
    assert isinstance(model, dict)
    return model


@cache
def statuses() -> dict[str, int]:
    """Exception name → HTTP status, as modelled."""
    return {
        name: shape["error"]["httpStatusCode"]
        for name, shape in service_model()["shapes"].items()
        if shape.get("exception")
    }


def check(operation: str, body: Any) -> list[str]:
    """What is wrong with a body of `Converse` or `ConverseStream`; empty if nothing. Raises Malformed."""
    problems: list[str] = []
    _operation_check(operation)(body, "", problems)
    return problems


@cache
def _operation_check(operation: str) -> Check:
    return _compiled(service_model()["operations"][operation]["input"]["shape"])


@cache
def _compiled(name: str) -> Check:
    """The check of one shape. Recursive shapes are looked up when they are first met, not when they are compiled."""
    shape = service_model()["shapes"][name]
    kind = shape["type"]
    if kind == "structure" and not shape.get("document"):
        return _structure(name, shape)
    if kind == "list":
        return _list(shape)
    if kind == "map":
        return _map(shape)
    if kind == "string":
        return _string(shape)
    if kind == "blob":
        return _blob(shape)
    if kind in ("integer", "long", "float", "double"):
        return _number(shape, whole=kind in ("integer", "long"))
    if kind == "boolean":
        return _boolean
    return _anything


def _anything(value: Any, path: str, problems: list[str]) -> None:
    pass


def _failed(path: str, constraint: str) -> str:
    return f"Value at '{path}' failed to satisfy constraint: {constraint}"


def _wrong(value: Any, path: str, wanted: str) -> Malformed:
    names = {dict: "Map", list: "List", str: "String", bool: "Boolean", int: "Integer", float: "Double"}
    got = "null" if value is None else names.get(type(value), type(value).__name__)
    return Malformed(f"{got} at '{path}' can not be converted to {wanted}")


def _structure(name: str, shape: dict[str, Any]) -> Check:
    members = {
        member.get("locationName", key): member["shape"]
        for key, member in shape["members"].items()
        if member.get("location") is None
    }
    required = [key for key in shape.get("required", []) if key in members]
    union = bool(shape.get("union"))
    compiled: dict[str, Check] = {}

    def run(value: Any, path: str, problems: list[str]) -> None:
        if not isinstance(value, dict):
            raise _wrong(value, path, f"a structure ({name})")
        prefix = f"{path}." if path else ""
        for key in required:
            if value.get(key) is None:
                problems.append(_failed(prefix + key, "Member must not be null"))
        present = 0
        for key, item in value.items():
            if key not in members:
                raise Malformed(f"extraneous key [{key}] at '{path or '#'}' is not permitted")
            if item is None:
                continue
            present += 1
            found = compiled.get(key)
            if found is None:
                found = compiled[key] = _compiled(members[key])
            found(item, prefix + key, problems)
        if union and present != 1:
            raise Malformed(f"'{path}' must have exactly one member of {name} set, it has {present}")

    return run


def _sized(shape: dict[str, Any]) -> Callable[[int, str, list[str]], None]:
    low, high = shape.get("min"), shape.get("max")

    def run(size: int, path: str, problems: list[str]) -> None:
        if low is not None and size < low:
            problems.append(_failed(path, f"Member must have length greater than or equal to {low}"))
        if high is not None and size > high:
            problems.append(_failed(path, f"Member must have length less than or equal to {high}"))

    return run


def _list(shape: dict[str, Any]) -> Check:
    sized = _sized(shape)
    member = shape["member"]["shape"]

    def run(value: Any, path: str, problems: list[str]) -> None:
        if not isinstance(value, list):
            raise _wrong(value, path, "a List")
        sized(len(value), path, problems)
        each = _compiled(member)
        for position, item in enumerate(value):
            each(item, f"{path}.{position}", problems)

    return run


def _map(shape: dict[str, Any]) -> Check:
    sized = _sized(shape)
    key_shape, value_shape = shape["key"]["shape"], shape["value"]["shape"]

    def run(value: Any, path: str, problems: list[str]) -> None:
        if not isinstance(value, dict):
            raise _wrong(value, path, "a Map")
        sized(len(value), path, problems)
        for key, item in value.items():
            _compiled(key_shape)(key, f"{path}.key", problems)
            _compiled(value_shape)(item, f"{path}.{key}", problems)

    return run


def _string(shape: dict[str, Any]) -> Check:
    sized = _sized(shape)
    allowed = frozenset(shape.get("enum", ()))
    # The service matches the whole value; `\A…\Z` also holds where a model's pattern has anchors of its own.
    pattern = re.compile(rf"\A(?:{shape['pattern']})\Z") if "pattern" in shape else None

    def run(value: Any, path: str, problems: list[str]) -> None:
        if not isinstance(value, str):
            raise _wrong(value, path, "a String")
        sized(len(value), path, problems)
        if allowed and value not in allowed:
            problems.append(_failed(path, f"Member must satisfy enum value set: [{', '.join(sorted(allowed))}]"))
        if pattern is not None and not pattern.match(value):
            problems.append(_failed(path, f"Member must satisfy regular expression pattern: {shape['pattern']}"))

    return run


def _blob(shape: dict[str, Any]) -> Check:
    sized = _sized(shape)

    def run(value: Any, path: str, problems: list[str]) -> None:
        if not isinstance(value, str):
            raise _wrong(value, path, "a Blob")
        try:
            raw = base64.b64decode(value, validate=True)
        except binascii.Error as exc:
            raise Malformed(f"'{path}' is not valid base64") from exc
        sized(len(raw), path, problems)

    return run


def _number(shape: dict[str, Any], *, whole: bool) -> Check:
    low, high = shape.get("min"), shape.get("max")

    def run(value: Any, path: str, problems: list[str]) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or (whole and value != int(value)):
            raise _wrong(value, path, "an Integer" if whole else "a Float")
        if low is not None and value < low:
            problems.append(_failed(path, f"Member must have value greater than or equal to {low}"))
        if high is not None and value > high:
            problems.append(_failed(path, f"Member must have value less than or equal to {high}"))

    return run


def _boolean(value: Any, path: str, problems: list[str]) -> None:
    if not isinstance(value, bool):
        raise _wrong(value, path, "a Boolean")
