"""When a function is held to its schema.

OpenAI's Responses hold a function to its schema unless `strict` says otherwise, as far as the schema allows: every
object must be closed and all its properties required (OpenAI's guide "Function calling", strict mode).
"""

import msgspec

from pilothouse_proxy.exchange.request import Strict

_MAX_DEPTH = 32
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_TABLES = ("properties", "$defs", "definitions")


def strictness(asked: bool | None, schema: msgspec.Raw | None) -> Strict:  # noqa: FBT001 -- the member as it is sent
    """What a tool of this `strict` asks for; None: it is absent."""
    if asked is None:
        return Strict.PREFERRED if is_closed(schema) else Strict.NO
    return Strict.YES if asked else Strict.NO


def is_closed(schema: msgspec.Raw | None) -> bool:
    """Whether a model can be held to it."""
    if schema is None:
        return False
    try:
        return _is_closed(msgspec.json.decode(schema), 0)
    except (ValueError, RecursionError):
        return False


def _is_closed(schema: object, depth: int) -> bool:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return False
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties")
        required = schema.get("required", [])
        if schema.get("additionalProperties") is not False or not isinstance(properties, dict):
            return False
        if not isinstance(required, list) or set(properties) - {name for name in required if isinstance(name, str)}:
            return False
    inner = [part for name in _LISTS if isinstance(schema.get(name), list) for part in schema[name]]
    inner += [part for name in _TABLES if isinstance(schema.get(name), dict) for part in schema[name].values()]
    if "items" in schema:
        inner.append(schema["items"])
    return all(_is_closed(part, depth + 1) for part in inner)
