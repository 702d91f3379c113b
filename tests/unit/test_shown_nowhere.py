"""Every type that holds secrets, wherever it is: nothing that writes a value for a reader, or a copy, shows them."""

import copy
import dataclasses
import importlib
import json
import logging
import pickle
import pkgutil
import pprint
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import NoneType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pydantic_core
import pytest
import yaml

import pilothouse
import pilothouse_api
import pilothouse_operator
import pilothouse_proxy
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.stream import Publication
from pilothouse_operator.distribution import hub
from pilothouse_proxy.config import lastgood, subscriber
from pilothouse_proxy.http.messages import UpstreamRequest
from tests.planted import Planted

VALUE = "sk-correct-horse-battery-staple"
ENCODED = {
    hub.Prepared: ["encoded"],
    hub.Taken: ["lines"],
    hub._Channel: ["encoded", "line"],
    lastgood.LastGood: ["publication"],
    Publication: ["snapshot"],
    UpstreamRequest: ["headers"],
    subscriber._Offer: ["publication", "line"],
}
"""Types whose secrets are bytes already, and where."""


def _classes() -> Iterator[type]:
    """Every one with fields."""
    for root in (pilothouse, pilothouse_api, pilothouse_operator, pilothouse_proxy):
        for module in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            if not module.name.endswith("__main__"):
                members = vars(importlib.import_module(module.name)).values()
                yield from (each for each in members if _has_fields(each) and each.__module__ == module.name)


def _has_fields(kind: object) -> bool:
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct))


def _mentioned(hint: Any) -> Iterator[Any]:
    yield hint
    for argument in get_args(hint):
        if not isinstance(argument, list):
            yield from _mentioned(argument)


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _find_holders() -> list[type]:
    mentioned = {kind: {m for hint in _hints(kind).values() for m in _mentioned(hint)} for kind in set(_classes())}
    found: set[Any] = {Secret, *ENCODED}
    while more := {kind for kind, mentions in mentioned.items() if kind not in found and mentions & found}:
        found |= more
    return sorted(found - {Secret}, key=lambda kind: (kind.__module__, kind.__name__))


HOLDERS = _find_holders()


def _made(hint: Any) -> Any:
    """A value of the type, with as many secrets in it as it can have."""
    if hint is Secret:
        return Secret(VALUE)
    if hint in HOLDERS:
        return _instance(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Union or (arguments and origin is not None and origin.__name__ == "UnionType"):
        holding = [each for each in arguments if _holds(each)]
        return _made((holding or [each for each in arguments if each is not NoneType])[0])
    if origin is tuple:
        return tuple(_made(each) for each in arguments if each is not ...)
    if origin is not None and issubclass(origin, Mapping):
        return {_made(arguments[0]): _made(arguments[1])}
    if origin is not None and arguments and issubclass(origin, list | set | frozenset):
        return origin([_made(arguments[0])])
    if hint in (float, int):
        return 1
    return "sts"  # where a service must be named, one that there is


def _holds(hint: Any) -> bool:
    return any(each is Secret or each in HOLDERS for each in _mentioned(hint))


def _instance(kind: Any) -> Any:
    fields = {name: _made(hint) for name, hint in _hints(kind).items()}
    for name in ENCODED.get(kind, []):
        if name == "snapshot":
            fields[name] = msgspec.Raw(json.dumps(VALUE))
        elif name == "headers":
            fields[name] = [(b"authorization", f"Bearer {VALUE}".encode())]
        elif name != "publication":
            fields[name] = VALUE.encode()
    if issubclass(kind, msgspec.Struct):
        return kind(**{name: fields[name] for name in kind.__struct_fields__})
    made = object.__new__(kind)
    for field in dataclasses.fields(kind):
        object.__setattr__(made, field.name, fields[field.name])
    return made


def _in_a_traceback(value: object) -> str:
    """With what stands in the variables of each frame, as some reporters of errors show it."""
    try:
        raise ValueError(value)
    except ValueError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def _logged(value: object) -> str:
    record = logging.LogRecord("pilothouse", logging.INFO, "", 0, "%s %r", (value, value), None)
    return logging.Formatter().format(record)


WAYS: Mapping[str, Callable[[Any], object]] = {
    "repr": repr,
    "str": str,
    "format": lambda value: f"{value} {value!r:>200} {[value]}",
    "pprint": pprint.pformat,
    "log": _logged,
    "traceback": _in_a_traceback,
    "json": lambda value: json.dumps([value], default=str),
    "json of its fields": lambda value: json.dumps(_fields(value), default=repr),
    "yaml": yaml.safe_dump,
    "pydantic": lambda value: pydantic_core.to_json(value, fallback=str, serialize_unknown=True),
    "pickle": pickle.dumps,
    "deepcopy": lambda value: repr(copy.deepcopy(value)),
    "asdict": lambda value: repr(dataclasses.asdict(value)),
}


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in _hints(type(value)) if hasattr(value, name)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [each for each in HOLDERS if each not in ENCODED], ids=lambda kind: kind.__qualname__)
def test_no_way_of_writing_a_holder_shows_its_secrets(kind: type, way: str) -> None:
    planted = Planted()
    planted.plant("the secret", VALUE)
    value = _instance(kind)
    assert _holds(kind)
    try:
        shown = WAYS[way](value)
    except (TypeError, AttributeError, ValueError, yaml.YAMLError, pydantic_core.PydanticSerializationError) as refused:
        shown = str(refused)
    assert planted.found(shown if isinstance(shown, bytes) else str(shown)) == []


@pytest.mark.parametrize("way", ["repr", "str", "format", "pprint", "log", "traceback"])
@pytest.mark.parametrize("kind", ENCODED, ids=lambda kind: kind.__qualname__)
def test_no_text_about_what_is_on_its_way_shows_its_secrets(kind: type, way: str) -> None:
    planted = Planted()
    planted.plant("the secret", VALUE)
    assert planted.found(str(WAYS[way](_instance(kind)))) == []


@pytest.mark.parametrize("kind", [each for each in HOLDERS if issubclass(each, msgspec.Struct) and each not in ENCODED])
@pytest.mark.parametrize("encode", [msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins])
def test_msgspec_takes_no_secret_without_the_one_hook_that_reveals(kind: type, encode: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match="Secret"):
        encode(_instance(kind))
