"""The top-level members of a JSON body, read and rewritten without touching their values.

One pass finds them all; what is not asked for is never decoded. A member that comes twice is read, and sent on, once
(the last of them, as most parsers have it): gateway and provider can never see different values under one name.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from pilothouse_api.names import ModelName
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.http.body import LARGE_BYTES, Body, Pieces

Members = Mapping[str, msgspec.Raw]

T = TypeVar("T")

MAX_MODEL_CHARS: Final = 2_048
"""As long as the longest name of a provider (an ARN of Bedrock). Names are what caches remember: they need a bound."""

_COPIED_BYTES: Final = 16 << 10
"""Bodies up to this size are rather copied than looked at value by value."""

_BLANK: Final = 0x20
_WORDS_MAX: Final = 1_024
_words: Final[dict[str, bytes]] = {}
"""Upstream names of models as they are written, which are the configuration's, hence few."""

_UNASKED: Final = frozenset({b"null", b"1", b"1.0"})

_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text: Final = msgspec.json.Decoder(str)
_encode: Final = msgspec.json.encode


def read(body: bytes) -> Members:
    """The members of a client's JSON object.

    Raises:
        GatewayError: INVALID_REQUEST, the body is not one JSON object in UTF-8 (RFC 8259 section 8.1).
    """
    # Text that is no text would pass unread to a provider, whose trouble with it would look like a fault of its own.
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise GatewayError(Kind.INVALID_REQUEST, f"the request body is not UTF-8 at byte {error.start}") from None
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise GatewayError(Kind.INVALID_REQUEST, f"the request body must be a JSON object: {error}") from None
    except RecursionError:
        raise GatewayError(Kind.INVALID_REQUEST, "the request body is nested too deeply") from None
    except ValueError as error:
        if not body:
            raise GatewayError(Kind.INVALID_REQUEST, "the request has no body; it takes a JSON object") from None
        raise GatewayError(Kind.INVALID_REQUEST, f"the request body is not valid JSON: {error}") from None


def value(members: Members, name: str, decoder: msgspec.json.Decoder[T]) -> T:
    """One member, which is there, decoded.

    Raises:
        GatewayError: INVALID_REQUEST that names it.
    """
    try:
        return decoder.decode(members[name])
    except RecursionError:
        raise GatewayError(Kind.INVALID_REQUEST, f"`{name}` is nested too deeply", param=name) from None
    except ValueError as error:  # msgspec.DecodeError and UnicodeDecodeError
        raise GatewayError(Kind.INVALID_REQUEST, f"invalid `{name}`: {error}", param=name) from None


def sampled_by(members: Members) -> str:
    """Which of temperature and top_p asks for what not every model does unasked; empty: none."""
    for name in ("temperature", "top_p"):
        if name in members and bytes(members[name]) not in _UNASKED:
            return name
    return ""


def model(members: Members) -> ModelName:
    """The model that is asked for.

    Raises:
        GatewayError: INVALID_REQUEST, there is none or it is no name.
    """
    if "model" not in members:
        raise GatewayError(Kind.INVALID_REQUEST, "you must provide a model parameter", param="model")
    name = value(members, "model", _text)
    if not 0 < len(name) <= MAX_MODEL_CHARS:
        what = f"must not be longer than {MAX_MODEL_CHARS} characters" if name else "must not be empty"
        raise GatewayError(Kind.INVALID_REQUEST, f"`model` {what}", param="model")
    return ModelName(name)


def replaced(members: Members, /, **replacements: object) -> bytes:
    """The body again, with some members replaced or added; all other values byte for byte."""
    pieces: list[bytes | msgspec.Raw] = []
    separator = b"{"
    for name, value in replacements.items():
        pieces.append(separator + _encode(name) + b":" + _encode(value))
        separator = b","
    for name, raw in members.items():
        if name not in replacements:
            pieces.append(separator + _encode(name) + b":")
            pieces.append(raw)
            separator = b","
    pieces.append(b"}" if pieces else b"{}")
    return b"".join(pieces)


def renamed(body: bytes, members: Members, model: str) -> Body:
    """The body of these members under another `model`, all else byte for byte.

    SDKs write bodies without a superfluous blank, or with one behind each comma and colon. Such a body is cut where the
    value of `model` stands; that nothing else stands in it, no member twice and none in another spelling, follows from
    its length, for which its members account to the last byte. Any other is put together anew.
    """
    at = _place_of_model(body, members, _gap(body, members))
    if not at:
        return replaced(members, model=model)
    end = at + len(bytes(members["model"]))
    name = _word(model)
    size = len(body)
    if size <= _COPIED_BYTES:
        return b"".join((body[:at], name, body[end:]))
    # The slices of a view copy nothing, but take longer to make.
    text = memoryview(body)
    parts: list[bytes | memoryview] = [text[:at], name, text[end:]]
    return Pieces(parts) if size > LARGE_BYTES else b"".join(parts)


def _word(model: str) -> bytes:
    """As JSON."""
    word = _words.get(model)
    if word is None:
        if len(_words) >= _WORDS_MAX:
            _words.clear()
        word = _words[model] = _encode(model)
    return word


def _gap(body: bytes, members: Members) -> int:
    """How many blanks its writer seems to put behind each comma and colon: one or none."""
    for name in members:
        after = len(name) + 4
        return 1 if after < len(body) and body[after] == _BLANK else 0
    return 0


def _place_of_model(body: bytes, members: Members, gap: int) -> int:
    """Where its value begins in a body with so many blanks behind each comma and colon; 0: it is written otherwise."""
    values = list(members.values())
    copied = len(body) <= _COPIED_BYTES
    at = 1
    place = 0
    # What the values before the one at hand come to, as far as it has been asked for.
    counted = size = 0
    for index, name in enumerate(members):
        if gap or name == "model":
            size += _size(values[counted:index], copied)
            counted = index
            # With blanks to spare, something else could stand in their stead.
            if gap and not body.startswith(b'"%b": ' % name.encode(), at + size):
                return 0
        at += len(name) + 3 + gap
        if name == "model":
            place = at + size
        at += 1 + gap
    return place if at + size + _size(values[counted:], copied) - gap == len(body) else 0


def _size(values: list[msgspec.Raw], copied: bool) -> int:  # noqa: FBT001 -- a view of a value costs more than a copy
    return len(b"".join(values)) if copied else sum(len(memoryview(raw)) for raw in values)
