"""A request for embeddings to the exchange."""

from typing import TypeVar

import msgspec

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_embeddings import wire
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import data_urls, members
from pilothouse_proxy.exchange.embedding import Input, Purpose, Request
from pilothouse_proxy.exchange.members import Members

T = TypeVar("T")

MAX_INPUTS = 2_048
"""As OpenAI's own API has it."""

_input: msgspec.json.Decoder[wire.Input] = msgspec.json.Decoder(wire.Input)
_text = msgspec.json.Decoder(str)
_count = msgspec.json.Decoder(int)

_READ = frozenset({"model", "input", "dimensions", "encoding_format", "input_type", "user"})
_FORMATS = ("float", "base64")
_NULL = b"null"
_TOKENS = "this model takes texts, no lists of token ids"


def decode(call: Call) -> Request:
    """The neutral request.

    Raises:
        GatewayError: INVALID_REQUEST or UNSUPPORTED that names the parameter.
    """
    found = call.peek.members
    encoding_format(found)
    dimensions = _read(found, "dimensions", _count)
    if dimensions is not None and dimensions < 1:
        raise GatewayError(Kind.INVALID_REQUEST, "`dimensions` must be at least 1", param="dimensions")
    return Request(
        inputs=_inputs(members.value(found, "input", _input)),
        dimensions=dimensions,
        purpose=_purpose(found),
        others={name: raw for name, raw in found.items() if name not in _READ and bytes(raw) != _NULL},
    )


def encoding_format(found: Members) -> str:
    """How the client wants its vectors: `float` or `base64`.

    Raises:
        GatewayError: INVALID_REQUEST, something else.
    """
    asked = _read(found, "encoding_format", _text) or _FORMATS[0]
    if asked not in _FORMATS:
        raise GatewayError(
            Kind.INVALID_REQUEST, "`encoding_format` must be `float` or `base64`", param="encoding_format"
        )
    return asked


def _read(found: Members, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    raw = found.get(name)
    return None if raw is None or bytes(raw) == _NULL else members.value(found, name, decoder)


def _purpose(found: Members) -> Purpose:
    asked = _read(found, "input_type", _text)
    if asked is None:
        return Purpose.DOCUMENT
    try:
        return Purpose(asked)
    except ValueError:
        known = ", ".join(f"`{purpose.value}`" for purpose in Purpose)
        raise GatewayError(Kind.INVALID_REQUEST, f"`input_type` must be one of {known}", param="input_type") from None


def _inputs(given: wire.Input) -> tuple[Input, ...]:
    if not isinstance(given, list):
        return (_one(given, "input"),)
    if not given:
        raise GatewayError(Kind.INVALID_REQUEST, "`input` must not be an empty list", param="input")
    if len(given) > MAX_INPUTS:
        message = f"`input` holds {len(given)} elements; there may be {MAX_INPUTS} in a request"
        raise GatewayError(Kind.INVALID_REQUEST, message, param="input")
    return tuple([_one(element, f"input[{at}]") for at, element in enumerate(given)])


def _one(given: str | int | list[int] | wire.Item, path: str) -> Input:
    if isinstance(given, str):
        return Input(path=path, text=_filled(given, path))
    if not isinstance(given, wire.Item):
        raise GatewayError(Kind.UNSUPPORTED, _TOKENS, param="input")
    if given.text is None and given.image is None:
        raise GatewayError(Kind.INVALID_REQUEST, f"`{path}` needs a `text`, an `image`, or both", param=path)
    return Input(
        path=path,
        text=None if given.text is None else _filled(given.text, f"{path}.text"),
        image=None if given.image is None else data_urls.image(given.image, f"{path}.image"),
    )


def _filled(text: str, path: str) -> str:
    if not text:
        raise GatewayError(Kind.INVALID_REQUEST, f"`{path}` must not be empty", param=path)
    return text
