"""Writes what genai-prices knows of models as a table of data: `prices.py [--check]`.

https://github.com/pydantic/genai-prices (MIT). The package itself would cost the operator 97 MB of memory and a second
at its start, for a table that it reads once. Of prices in steps the lowest is taken, of those in time the newest.
"""

import importlib.metadata
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from genai_prices import types
from genai_prices.data import providers

TARGET = Path(__file__).parents[1] / "operator" / "pilothouse_operator" / "discovery" / "prices.json"

_PRICES = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
_CLAUSES = {
    types.ClauseEquals: ("equals", "equals"),
    types.ClauseStartsWith: ("startsWith", "starts_with"),
    types.ClauseEndsWith: ("endsWith", "ends_with"),
    types.ClauseContains: ("contains", "contains"),
    types.ClauseRegex: ("regex", "regex"),
    types.ClauseOr: ("or", "or_"),
    types.ClauseAnd: ("and", "and_"),
}


def _clause(match: Any) -> dict[str, Any]:
    name, member = _CLAUSES[type(match)]
    value = getattr(match, member)
    return {name: [_clause(one) for one in value] if isinstance(value, list) else value}


def _micros(price: Any) -> int | None:
    """Millionths of a dollar for a million tokens."""
    price = price.base if isinstance(price, types.TieredPrices) else price
    return int(Decimal(price) * 1_000_000) if price is not None else None


def _prices(model: types.ModelInfo) -> types.ModelPrice:
    found = model.prices
    if not isinstance(found, list):
        return found
    dated = [one for one in found if isinstance(one.constraint, types.StartDateConstraint)]
    plain = [one for one in found if one.constraint is None]
    newest = max(dated, key=lambda one: one.constraint.start_date) if dated else None
    return (newest or (plain or found)[0]).prices


def _row(model: types.ModelInfo) -> list[Any]:
    prices = _prices(model)
    return [_clause(model.match), model.context_window, *(_micros(getattr(prices, name)) for name in _PRICES)]


def table() -> str:
    """The file: a row a model, so that a change shows as one line."""
    lines = ['{"source": "genai-prices ' + importlib.metadata.version("genai-prices") + '", "providers": [']
    for number, provider in enumerate(providers):
        head = json.dumps({"id": provider.id, "urls": provider.api_pattern})[:-1]
        rows = ",\n".join("  " + json.dumps(_row(model), separators=(",", ":")) for model in provider.models)
        comma = "," if number + 1 < len(providers) else ""
        lines.append(f'{head}, "models": [\n{rows}\n]}}{comma}')
    return "\n".join([*lines, "]}", ""])


def main(mode: str | None = None) -> int:
    """Writes the table, or compares it."""
    if mode != "--check":
        TARGET.write_text(table())
        return 0
    if TARGET.read_text() == table():
        return 0
    print(f"{TARGET.name} is not what genai-prices says: run `make prices`", file=sys.stderr)
    return 1


sys.exit(main(*sys.argv[1:]))
