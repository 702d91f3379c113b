"""How many images and files a request may hold, and how large: what Bedrock bounds for every model.

Source: API reference of Amazon Bedrock, `Message` of Converse: up to 20 images of 3.75 MB, up to 5 documents of 4.5 MB.
"""

from collections.abc import Iterable

from pilothouse_proxy.dialects.bedrock_converse import refusal
from pilothouse_proxy.exchange.capabilities import Capabilities
from pilothouse_proxy.exchange.parts import Document, Image, ToolResult
from pilothouse_proxy.exchange.request import Turn

_IMAGES = 20
_IMAGE_BYTES = 3_932_160
_DOCUMENTS = 5
_DOCUMENT_BYTES = 4_718_592


def check(turns: Iterable[Turn], caps: Capabilities) -> None:
    """Of all turns together.

    Raises:
        GatewayError: UNSUPPORTED that names the part which is too large, or one too many.
    """
    images = documents = 0
    for turn in turns:
        for index, part in _pieces(turn):
            path = f"messages[{turn.at}].content[{index}]"
            if isinstance(part, Image):
                images += 1
                _bound(caps, f"{path}.image_url", part.base64, images, _IMAGES, _IMAGE_BYTES)
            elif isinstance(part, Document):
                documents += 1
                _bound(caps, f"{path}.file", part.base64, documents, _DOCUMENTS, _DOCUMENT_BYTES)


def _pieces(turn: Turn) -> list[tuple[int, object]]:
    """The parts with their places; those of results too."""
    found: list[tuple[int, object]] = []
    for index, part in enumerate(turn.parts):
        if isinstance(part, ToolResult):
            found += enumerate(part.content)
        else:
            found.append((index, part))
    return found


def _bound(caps: Capabilities, param: str, base64: str, number: int, most: int, largest: int) -> None:
    if number > most:
        raise refusal.unsupported(caps, param, f"at most {most} of them in one request")
    size = len(base64) * 3 // 4 - base64[-2:].count("=")
    if size > largest:
        raise refusal.unsupported(caps, param, f"it may have {largest:,} bytes, and has {size:,}")
