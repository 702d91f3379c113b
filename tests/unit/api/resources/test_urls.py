import pytest

from pilothouse_api.resources.urls import normalised


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("https://Host.Example/", "https://host.example"),
        ("https://host:443", "https://host"),
        ("http://host:80/v1/", "http://host/v1"),
        ("http://host:443/V1", "http://host:443/V1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://host:8443/a/b//", "https://host:8443/a/b"),
    ],
)
def test_one_url_has_one_form(written: str, form: str) -> None:
    assert normalised(written) == form
    assert normalised(form) == form
