"""Images and files by value: what a data URL, or bare base64, holds."""

import binascii
import hashlib
import re

from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.parts import CacheMark, Document, Image, ImageFormat, RemoteImage

_DATA_URL = re.compile(r"data:(?P<type>[^;,]*)(?P<parameters>(?:;[^;,]*)*),", re.IGNORECASE)

_IMAGE_STARTS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), ImageFormat.PNG),
    (re.compile(rb"\xff\xd8\xff"), ImageFormat.JPEG),
    (re.compile(rb"GIF8[79]a"), ImageFormat.GIF),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), ImageFormat.WEBP),
)

_DOCUMENT_TYPES = {
    "application/pdf": "pdf",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
}
_TYPES_OF_DOCUMENTS = {extension: media_type for media_type, extension in _DOCUMENT_TYPES.items()}


def image(url: str, param: str, *, detail: str | None, cache: CacheMark | None) -> Image | RemoteImage:
    """The image that `url` holds or leads to. `param` is what the client calls the URL.

    Raises:
        GatewayError: INVALID_REQUEST that names it.
    """
    found = _DATA_URL.match(url)
    if found is None:
        if "://" not in url:
            raise GatewayError(Kind.INVALID_REQUEST, f"`{param}` is neither a URL nor a data URL", param=param)
        return RemoteImage(url=url, detail=detail, cache=cache)
    encoded = _base64_of(url, found, param)
    content = _content_of(encoded, param)
    # What the bytes are counts: the type in the URL is often wrong, and a provider looks at the bytes too.
    for start, image_format in _IMAGE_STARTS:
        if start.match(content):
            return Image(format=image_format, base64=encoded, detail=detail, cache=cache)
    raise GatewayError(Kind.INVALID_REQUEST, f"`{param}` holds no PNG, JPEG, GIF or WebP image", param=param)


def document(data: str, filename: str | None, path: str, *, cache: CacheMark | None) -> Document:
    """The file in `data`: a data URL, or bare base64 with a telling `filename`. `path` is what the client calls the
    part; its content is the member `file_data` there.

    Raises:
        GatewayError: INVALID_REQUEST that names it.
    """
    param = f"{path}.file_data"
    found = _DATA_URL.match(data)
    media_type = found["type"].lower() if found else ""
    encoded = _base64_of(data, found, param) if found else data
    content = _content_of(encoded, param)
    extension = (filename or "").rpartition(".")[2].lower()
    if content.startswith(b"%PDF-"):
        document_format: str | None = "pdf"
    else:
        document_format = _DOCUMENT_TYPES.get(media_type) or (extension if extension in _TYPES_OF_DOCUMENTS else None)
    if document_format is None:
        known = ", ".join(sorted(_TYPES_OF_DOCUMENTS))
        raise GatewayError(
            Kind.INVALID_REQUEST,
            f"`{path}` is of unknown type: give a data URL with its type, or a `filename` ending in one of {known}",
            param=path,
        )
    return Document(format=document_format, base64=encoded, digest=hashlib.sha256(content).hexdigest(), cache=cache)


def media_type(document: Document) -> str:
    """Of a file, for a data URL."""
    return _TYPES_OF_DOCUMENTS.get(document.format, "application/octet-stream")


def _base64_of(url: str, found: re.Match[str], param: str) -> str:
    if "base64" not in found["parameters"].lower().split(";"):
        raise GatewayError(Kind.INVALID_REQUEST, f"`{param}` must be a data URL in base64", param=param)
    return url[found.end() :]


def _content_of(encoded: str, param: str) -> bytes:
    try:
        content = binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise GatewayError(Kind.INVALID_REQUEST, f"`{param}` is not valid base64: {error}", param=param) from None
    if not content:
        raise GatewayError(Kind.INVALID_REQUEST, f"`{param}` is empty", param=param)
    return content
