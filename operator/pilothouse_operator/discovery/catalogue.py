"""What is known of models at large: context windows and list prices, by provider and name.

Data, not code: `prices.json` names its source and version, and `make prices` writes it. It is read when the first model
is looked up, and each name is looked up once.
"""

import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pilothouse_api.snapshot.facts import Facts, Price
from pilothouse_operator.compile.discovered import UNKNOWN

_TABLE = Path(__file__).with_name("prices.json")

# Azure has OpenAI's models at OpenAI's prices, and few rows of its own.
_PROVIDERS = {"bedrock": ("aws",), "azureOpenAI": ("azure", "openai")}

Match = Callable[[str], bool]


class _Provider(msgspec.Struct, frozen=True):
    id: str
    urls: str
    models: list[list[Any]]


class _Table(msgspec.Struct, frozen=True):
    source: str
    providers: list[_Provider]


class _Row(msgspec.Struct, frozen=True):
    fits: Match
    facts: Facts


@functools.lru_cache(maxsize=16_384)
def facts(place: str, name: str) -> Facts:
    """`place`: a kind of provider that is one place (`bedrock`, `azureOpenAI`), or the URL of a server."""
    sought = name.lower()
    for provider in _PROVIDERS.get(place) or _at(place):
        for row in _rows(provider):
            if row.fits(sought):
                return row.facts
    return UNKNOWN


def source() -> str:
    """Whose data it is, and which version."""
    return _table().source


@functools.cache
def _table() -> _Table:
    return msgspec.json.decode(_TABLE.read_bytes(), type=_Table)


@functools.lru_cache(maxsize=1_024)
def _at(url: str) -> Sequence[str]:
    """The provider that is called at the URL: none for a server of one's own."""
    return tuple(provider.id for provider in _table().providers if re.match(provider.urls, url))


@functools.cache
def _rows(provider: str) -> Sequence[_Row]:
    found = next((one for one in _table().providers if one.id == provider), None)
    return () if found is None else tuple(_row(*columns) for columns in found.models)


def _row(clause: dict[str, Any], context: int | None, *prices: int | None) -> _Row:
    price = Price(**dict(zip(("input", "output", "cached_input", "cache_write"), prices, strict=True)))
    return _Row(fits=_match(clause), facts=Facts(context_tokens=context, price=None if price == Price() else price))


def _match(clause: dict[str, Any]) -> Match:
    ((name, value),) = clause.items()
    return _MATCHES[name](value)


def _regex(pattern: str) -> Match:
    compiled = re.compile(pattern)
    return lambda name: compiled.search(name) is not None


def _any(clauses: list[dict[str, Any]]) -> Match:
    matches = [_match(clause) for clause in clauses]
    return lambda name: any(match(name) for match in matches)


def _all(clauses: list[dict[str, Any]]) -> Match:
    matches = [_match(clause) for clause in clauses]
    return lambda name: all(match(name) for match in matches)


_MATCHES: dict[str, Callable[[Any], Match]] = {
    "equals": lambda text: lambda name: name == text,
    "startsWith": lambda text: lambda name: name.startswith(text),
    "endsWith": lambda text: lambda name: name.endswith(text),
    "contains": lambda text: lambda name: text in name,
    "regex": _regex,
    "or": _any,
    "and": _all,
}
