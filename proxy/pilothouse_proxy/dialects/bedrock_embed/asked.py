"""What a model can honour of a request; the rest is refused by name."""

from pilothouse_proxy.dialects.bedrock_embed.models import Row
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.embedding import Input, Purpose, Request
from pilothouse_proxy.exchange.parts import Image


def check(request: Request, row: Row) -> None:
    """Parameters beside the inputs, and what kind of inputs there are.

    Raises:
        GatewayError: UNSUPPORTED that names the parameter.
    """
    for name in request.others:
        raise unsupported(row, name)
    if not row.purposes and request.purpose is not Purpose.DOCUMENT:
        raise unsupported(row, "input_type", "its vectors are the same for all purposes")
    for given in request.inputs:
        if given.image is None:
            continue
        _check_image(given, given.image, row)
        if given.text is not None and not row.pairs:
            raise unsupported(row, given.path, "a text and an image make a vector each")


def dimensions(request: Request, row: Row) -> int | None:
    """The length of vectors to ask for; None: nothing need be asked.

    Raises:
        GatewayError: UNSUPPORTED, the model has no such length.
    """
    asked = request.dimensions
    if asked is None:
        return None
    if asked not in row.dimensions:
        raise unsupported(row, "dimensions", f"it can be {_listed(row.dimensions)}")
    return asked if len(row.dimensions) > 1 else None


def unsupported(row: Row, param: str, hint: str = "") -> GatewayError:
    """The one way in which these dialects say no."""
    message = f"`{param}` is not supported by {row.family} on Amazon Bedrock"
    return GatewayError(Kind.UNSUPPORTED, f"{message}: {hint}" if hint else message, param=param)


def _check_image(given: Input, image: Image, row: Row) -> None:
    param = f"{given.path}.image"
    if not row.images:
        raise unsupported(row, param, "it takes texts only")
    if image.format not in row.images:
        known = " or ".join(sorted(known.value for known in row.images))
        raise unsupported(row, param, f"it takes {known}, this is {image.format.value}")


def _listed(lengths: tuple[int, ...]) -> str:
    *first, last = map(str, lengths)
    return f"{', '.join(first)} or {last}" if first else last
