"""Top-level members of a client's body, decoded strictly: what is not understood is refused by its name.

Null asks for nothing in every dialect of clients, also in a member that is not known here.
"""

import re
from typing import Final, TypeVar

import msgspec

from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.members import Members

T = TypeVar("T")

_NULL: Final = b"null"
_UNKNOWN_FIELD: Final = re.compile(r"Object contains unknown field `(.*)`")


def read(members: Members, name: str, decoder: msgspec.json.Decoder[T], *, opaque: frozenset[str]) -> T | None:
    """One member, None if it is absent. `opaque` are members of any depth in which null has a meaning of its own.

    Raises:
        GatewayError: INVALID_REQUEST, or UNSUPPORTED for a member that is not known, with its path.
    """
    return value(members[name], name, decoder, opaque=opaque) if name in members else None


def value(raw: msgspec.Raw, path: str, decoder: msgspec.json.Decoder[T], *, opaque: frozenset[str]) -> T:
    """The value at a path of the body; raises as `read` does."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError:
        return _without_nulls(raw, path, decoder, opaque)
    except (ValueError, RecursionError) as error:
        raise GatewayError(Kind.INVALID_REQUEST, f"invalid `{path}`: {error}", param=path) from None


def is_null(raw: msgspec.Raw) -> bool:
    """Whether it is null."""
    return bytes(raw) == _NULL


def equals(raw: msgspec.Raw, name: str, expected: object) -> bool:
    """Whether a member has this value.

    Raises:
        GatewayError: INVALID_REQUEST, it is nested too deeply or not JSON.
    """
    try:
        return bool(msgspec.json.decode(raw) == expected)
    except (ValueError, RecursionError) as error:
        raise GatewayError(Kind.INVALID_REQUEST, f"invalid `{name}`: {error}", param=name) from None


def _without_nulls(raw: msgspec.Raw, name: str, decoder: msgspec.json.Decoder[T], opaque: frozenset[str]) -> T:
    """Another try without what asks for nothing, for a better error."""
    try:
        return decoder.decode(msgspec.json.encode(_pruned(msgspec.json.decode(raw), opaque)))
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        path = name + path.removesuffix("`")
    except (ValueError, RecursionError) as error:
        raise GatewayError(Kind.INVALID_REQUEST, f"invalid `{name}`: {error}", param=name) from None
    unknown = _UNKNOWN_FIELD.match(what)
    if unknown:
        path = f"{path}.{unknown[1]}"
        raise GatewayError(Kind.UNSUPPORTED, f"`{path}` is not supported with this model", param=path)
    raise GatewayError(Kind.INVALID_REQUEST, f"invalid `{path}`: {what}", param=path)


def _pruned(value: object, opaque: frozenset[str]) -> object:
    if isinstance(value, dict):
        return {
            key: member if key in opaque else _pruned(member, opaque)
            for key, member in value.items()
            if member is not None
        }
    if isinstance(value, list):
        return [_pruned(element, opaque) for element in value]
    return value
