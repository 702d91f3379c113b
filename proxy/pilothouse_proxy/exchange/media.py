"""Files that come inside of a request, in base64, and what the bytes in them are."""

import binascii
import hashlib
import re
from collections.abc import Mapping

from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.parts import CacheMark, Document, Image, ImageFormat

_IMAGE_STARTS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), ImageFormat.PNG),
    (re.compile(rb"\xff\xd8\xff"), ImageFormat.JPEG),
    (re.compile(rb"GIF8[79]a"), ImageFormat.GIF),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), ImageFormat.WEBP),
)

DOCUMENT_TYPES: Mapping[str, str] = {
    "pdf": "application/pdf",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
    "html": "text/html",
    "md": "text/markdown",
    "txt": "text/plain",
}
"""The media type of each format."""
_FORMATS = {media_type: document_format for document_format, media_type in DOCUMENT_TYPES.items()}
_NAMED_BY = 16
"""Characters of the digest that make a file's name: the same file is always called the same."""


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


def document(
    encoded: str, path: str, *, media_type: str, filename: str | None, cache: CacheMark | None = None
) -> Document | None:
    """The file, whose format is what its bytes say, else its type, else the ending of its name; None: none is known.

    Raises:
        GatewayError: INVALID_REQUEST that names the path, which holds no base64, or nothing.
    """
    content = content_of(encoded, path)
    ending = (filename or "").rpartition(".")[2].lower()
    found = _FORMATS.get(media_type) or (ending if ending in DOCUMENT_TYPES else None)
    if content.startswith(b"%PDF-"):
        found = "pdf"
    if found is None:
        return None
    return Document(format=found, base64=encoded, digest=hashlib.sha256(content).hexdigest(), cache=cache)


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


def name_of(document: Document) -> str:
    """How a file is called where a name is required: the client's own would tell the model more than the content."""
    return f"{document.digest[:_NAMED_BY]}.{document.format}"


def type_of(document: Document) -> str:
    """Its media type."""
    return DOCUMENT_TYPES.get(document.format, "application/octet-stream")
