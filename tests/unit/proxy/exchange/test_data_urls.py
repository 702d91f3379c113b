"""Images in data URLs."""

import base64

import pytest

from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import data_urls
from pilothouse_proxy.exchange.parts import ImageFormat

STARTS = {
    ImageFormat.PNG: b"\x89PNG\r\n\x1a\n",
    ImageFormat.JPEG: b"\xff\xd8\xff\xe0",
    ImageFormat.GIF: b"GIF89a",
    ImageFormat.WEBP: b"RIFF\n\x00\n\x00WEBP",
}


@pytest.mark.parametrize("form", STARTS)
@pytest.mark.parametrize("head", ["data:image/png;base64,", "data:;base64,", "DATA:image/jpg;charset=x;BASE64,"])
def test_the_bytes_tell_what_it_is(form: ImageFormat, head: str) -> None:
    encoded = base64.b64encode(STARTS[form] + b"the rest").decode()
    image = data_urls.image(head + encoded, "input.image")
    assert (image.format, image.base64) == (form, encoded)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/ship.png",
        "",
        "data:image/png,iVBORw0KGgo=",
        "data:image/png;base64,",
        "data:image/png;base64,%%%%",
        "data:image/png;base64,iVBORw0KGgo",
        "data:image/svg+xml;base64,PHN2Zz4=",
    ],
)
def test_anything_else_is_refused_by_name(url: str) -> None:
    with pytest.raises(GatewayError) as refused:
        data_urls.image(url, "input[3].image")
    assert (refused.value.kind, refused.value.param) == (Kind.INVALID_REQUEST, "input[3].image")
