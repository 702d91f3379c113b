import pytest

from pilothouse_proxy.http import origins
from pilothouse_proxy.http.origins import Base


def base(url: str) -> Base:
    return origins.base(url, connect_timeout_ms=5_000, pool_size=256, ca_bundle=None)


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "path"),
    [
        ("https://api.openai.com/v1", "https", "api.openai.com", 443, "/v1"),
        ("https://api.openai.com/v1/", "https", "api.openai.com", 443, "/v1"),
        ("http://LLM.example", "http", "llm.example", 80, ""),
        ("http://127.0.0.1:9000/", "http", "127.0.0.1", 9000, ""),
        ("https://[::1]:8443/a/b", "https", "::1", 8443, "/a/b"),
    ],
)
def test_a_url_is_taken_apart(url: str, scheme: str, host: str, port: int, path: str) -> None:
    found = base(url)
    assert (found.origin.scheme, found.origin.host, found.origin.port, found.path) == (scheme, host, port, path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.openai.com/v1",
        "ftp://x/",
        "https://",
        "https://user:pass@x/",
        "https://x/?a=b",
        "https://x/#a",
        "https://x:0x50/",
        "https://x:99999/",
        "https://x/a b",
        "https://x/\n",
        "https://bücher.example/",
    ],
)
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        base(url)


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="takes no user") as raised:
        base("https://user:hunter2@x/")
    assert "hunter2" not in str(raised.value)


def test_equal_urls_share_their_origin() -> None:
    assert base("https://x/v1").origin is base("https://x/v1").origin


@pytest.mark.parametrize(
    ("scheme", "host", "port", "authority"),
    [
        ("https", "x", 443, "x"),
        ("http", "x", 80, "x"),
        ("http", "x", 443, "x:443"),
        ("https", "::1", 443, "[::1]"),
        ("http", "::1", 9000, "[::1]:9000"),
    ],
)
def test_the_host_header_leaves_the_schemes_own_port_out(scheme: str, host: str, port: int, authority: str) -> None:
    assert origins.authority(scheme, host, port) == authority
