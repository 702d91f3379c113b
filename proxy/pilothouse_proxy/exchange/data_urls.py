"""Files inside of requests: data URLs (RFC 2397) in base64, and what the bytes in them are."""

import binascii
import re

from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.parts import Image, ImageFormat

_DATA_URL = re.compile(r"data:(?P<type>[^;,]*)(?P<parameters>(?:;[^;,]*)*),", re.IGNORECASE)

_IMAGE_STARTS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), ImageFormat.PNG),
    (re.compile(rb"\xff\xd8\xff"), ImageFormat.JPEG),
    (re.compile(rb"GIF8[79]a"), ImageFormat.GIF),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), ImageFormat.WEBP),
)


def image(url: str, path: str) -> Image:
    """The image in a data URL. Its format is what the bytes say: the type in the URL is often wrong.

    Raises:
        GatewayError: INVALID_REQUEST that names `path`: no data URL in base64, or none of an image. Addresses are
            none: nothing is fetched for a model.
    """
    found = _DATA_URL.match(url)
    if found is None or "base64" not in found["parameters"].lower().split(";"):
        raise GatewayError(Kind.INVALID_REQUEST, f"`{path}` must be a data URL in base64", param=path)
    encoded = url[found.end() :]
    try:
        content = binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise GatewayError(Kind.INVALID_REQUEST, f"`{path}` is not valid base64: {error}", param=path) from None
    for start, image_format in _IMAGE_STARTS:
        if start.match(content):
            return Image(format=image_format, base64=encoded)
    raise GatewayError(Kind.INVALID_REQUEST, f"`{path}` holds no PNG, JPEG, GIF or WebP image", param=path)
