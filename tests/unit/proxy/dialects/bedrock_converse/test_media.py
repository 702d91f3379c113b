"""Images and files as far as Bedrock bounds them."""

import pytest

from pilothouse_proxy.dialects.bedrock_converse import media
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.capabilities import Capabilities
from pilothouse_proxy.exchange.parts import Document, Image, ImageFormat, Part, Text, ToolResult
from pilothouse_proxy.exchange.request import Role, Turn

CAPS = Capabilities(family="Nova")


def image(size: int = 3) -> Image:
    return Image(format=ImageFormat.PNG, base64="AAAA" * (size // 3))


def document(size: int = 3) -> Document:
    return Document(format="pdf", base64="AAAA" * (size // 3), digest="d")


def refused(*parts: Part) -> str | None:
    try:
        media.check([Turn(role=Role.USER, parts=parts, at=4)], CAPS)
    except GatewayError as error:
        assert error.kind is Kind.UNSUPPORTED
        return error.param
    return None


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ((Text(text="x"), *[image()] * 20, *[document()] * 5), None),
        ([image()] * 21, "messages[4].content[20].image_url"),
        ([document()] * 6, "messages[4].content[5].file"),
        ([image(3_932_160)], None),
        ([image(3_932_163)], "messages[4].content[0].image_url"),
        ([document(4_718_592)], None),
        ([document(4_718_595)], "messages[4].content[0].file"),
        ([ToolResult(call_id="c", content=(Text(text="x"), image(3_932_163)))], "messages[4].content[1].image_url"),
    ],
)
def test_what_is_one_too_many_or_too_large_is_named(parts: list[Part], param: str | None) -> None:
    assert refused(*parts) == param
