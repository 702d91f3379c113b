"""Files that come inside of a request, in base64."""

import binascii
import re

from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.parts import CacheMark, Image, ImageFormat

_IMAGE_STARTS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), ImageFormat.PNG),
    (re.compile(rb"\xff\xd8\xff"), ImageFormat.JPEG),
    (re.compile(rb"GIF8[79]a"), ImageFormat.GIF),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), ImageFormat.WEBP),
)


def image(encoded: str, path: str, *, detail: str | None = None, cache: CacheMark | None = None) -> Image:
    """The image. What its bytes are counts: the type that comes with them is often wrong, and providers look at the
    bytes too.

    Raises:
        GatewayError: INVALID_REQUEST that names the path, which holds no base64, or no image of a known format.
    """
    content = content_of(encoded, path)
    for start, image_format in _IMAGE_STARTS:
        if start.match(content):
            return Image(format=image_format, base64=encoded, detail=detail, cache=cache)
    raise GatewayError(Kind.INVALID_REQUEST, f"`{path}` holds no PNG, JPEG, GIF or WebP image", param=path)


def content_of(encoded: str, path: str) -> bytes:
    """The bytes.

    Raises:
        GatewayError: INVALID_REQUEST that names the path, which holds no base64, or nothing.
    """
    try:
        content = binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise GatewayError(Kind.INVALID_REQUEST, f"`{path}` is not valid base64: {error}", param=path) from None
    if not content:
        raise GatewayError(Kind.INVALID_REQUEST, f"`{path}` is empty", param=path)
    return content
