"""Data URLs (RFC 2397) in base64: how OpenAI's dialects have files inside of requests."""

import re

from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import media
from pilothouse_proxy.exchange.parts import CacheMark, Document, Image, RemoteImage

_DATA_URL = re.compile(r"data:(?P<type>[^;,]*)(?P<parameters>(?:;[^;,]*)*),", re.IGNORECASE)


def image(url: str, path: str) -> Image:
    """The image in a data URL.

    Raises:
        GatewayError: INVALID_REQUEST that names `path`: no data URL in base64, or none of an image. Addresses are
            none: nothing is fetched for a model.
    """
    return media.image(_base64_of(url, _DATA_URL.match(url), path), path)


def image_or_address(url: str, path: str, *, detail: str | None, cache: CacheMark | None = None) -> Image | RemoteImage:
    """The image that a URL holds or leads to.

    Raises:
        GatewayError: INVALID_REQUEST that names `path`.
    """
    found = _DATA_URL.match(url)
    if found is None:
        if "://" not in url:
            raise GatewayError(Kind.INVALID_REQUEST, f"`{path}` is neither a URL nor a data URL", param=path)
        return RemoteImage(url=url, detail=detail, cache=cache)
    return media.image(_base64_of(url, found, path), path, detail=detail, cache=cache)


def document(data: str, filename: str | None, path: str, *, cache: CacheMark | None = None) -> Document:
    """The file in `data`: a data URL, or bare base64 with a telling `filename`. `path` is what the client calls the
    part; its content is the member `file_data` there.

    Raises:
        GatewayError: INVALID_REQUEST that names it.
    """
    param = f"{path}.file_data"
    found = _DATA_URL.match(data)
    media_type = found["type"].lower() if found else ""
    encoded = _base64_of(data, found, param) if found else data
    read = media.document(encoded, param, media_type=media_type, filename=filename, cache=cache)
    if read is None:
        known = ", ".join(sorted(media.DOCUMENT_TYPES))
        raise GatewayError(
            Kind.INVALID_REQUEST,
            f"`{path}` is of unknown type: give a data URL with its type, or a `filename` ending in one of {known}",
            param=path,
        )
    return read


def _base64_of(url: str, found: re.Match[str] | None, path: str) -> str:
    if found is None or "base64" not in found["parameters"].lower().split(";"):
        raise GatewayError(Kind.INVALID_REQUEST, f"`{path}` must be a data URL in base64", param=path)
    return url[found.end() :]
