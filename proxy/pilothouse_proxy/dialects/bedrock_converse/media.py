"""How many images and files a request may hold, and how large: what Bedrock bounds for every model.

Source: API reference of Amazon Bedrock, `Message` of Converse: up to 20 images of 3.75 MB, up to 5 documents of 4.5 MB.
"""

from collections.abc import Iterable
from typing import Final

from pilothouse_proxy.dialects.bedrock_converse import refusal
from pilothouse_proxy.exchange.capabilities import Capabilities
from pilothouse_proxy.exchange.parts import Document, Image, Text, ToolResult
from pilothouse_proxy.exchange.request import Turn

_IMAGES: Final = 20
_IMAGE_BYTES: Final = 3_932_160
_DOCUMENTS: Final = 5
_DOCUMENT_BYTES: Final = 4_718_592


def check(turns: Iterable[Turn], caps: Capabilities) -> None:
    """Of all turns together.

    Raises:
        GatewayError: UNSUPPORTED that names the part which is too large, or one too many.
    """
    images = documents = 0
    for turn in turns:
        for index, part in _pieces(turn):
            if isinstance(part, Image):
                images += 1
                param = f"messages[{turn.at}].content[{index}].image_url"
                _bound(caps, param, part.base64, images, _IMAGES, _IMAGE_BYTES)
            elif isinstance(part, Document):
                documents += 1
                param = f"messages[{turn.at}].content[{index}].file"
                _bound(caps, param, part.base64, documents, _DOCUMENTS, _DOCUMENT_BYTES)


def _pieces(turn: Turn) -> list[tuple[int, object]]:
    """The parts with their places; those of results too. Text has no bounds."""
    found: list[tuple[int, object]] = []
    for index, part in enumerate(turn.parts):
        # Asked first: to find that a value is none of a class costs much more than to find that it is.
        if type(part) is Text:
            continue
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
