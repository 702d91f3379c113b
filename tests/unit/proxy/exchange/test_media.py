import base64

import pytest

from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import media
from pilothouse_proxy.exchange.parts import CacheMark, ImageFormat


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b"\x89PNG\r\n\x1a\n...", ImageFormat.PNG),
        (b"\xff\xd8\xff...", ImageFormat.JPEG),
        (b"GIF89a...", ImageFormat.GIF),
        (b"RIFF\n\x00\x01\x02WEBP...", ImageFormat.WEBP),
    ],
)
def test_an_image_is_what_its_bytes_say(content: bytes, form: ImageFormat) -> None:
    encoded = base64.b64encode(content).decode()
    image = media.image(encoded, "x", detail="high", cache=CacheMark())
    assert (image.format, image.base64, image.detail, image.cache) == (form, encoded, "high", CacheMark())


@pytest.mark.parametrize("encoded", ["aGVsbG8=", "", "no base64!", "aGVsbG8"])
def test_what_is_no_image_is_refused_by_its_path(encoded: str) -> None:
    with pytest.raises(GatewayError) as raised:
        media.image(encoded, "a.b")
    assert (raised.value.kind, raised.value.param) == (Kind.INVALID_REQUEST, "a.b")
