import pytest

from pilothouse_proxy.dialects.anthropic_messages import versions
from pilothouse_proxy.errors import GatewayError, Kind


@pytest.mark.parametrize("version", [b"2023-06-01", b"2026-10-21"])
def test_both_versions_in_use_are_taken_and_no_other_header_is_read(version: bytes) -> None:
    headers = [(b"host", b"x"), (b"anthropic-version", version), (b"x-api-key", b"secret")]
    assert versions.read(headers) == {b"anthropic-version": version}


def test_betas_of_several_lines_are_one_list() -> None:
    headers = [(b"anthropic-beta", b"a,b"), (b"anthropic-version", versions.STRICT), (b"anthropic-beta", b"c")]
    assert versions.read(headers)[versions.BETA] == b"a,b,c"


def test_an_empty_list_of_betas_is_none() -> None:
    assert versions.BETA not in versions.read([(b"anthropic-version", versions.FIRST), (b"anthropic-beta", b"")])


@pytest.mark.parametrize("headers", [[], [(b"anthropic-version", b"2024-01-01")], [(b"anthropic-version", b"\xff")]])
def test_without_a_known_version_the_header_is_named(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(GatewayError, match="2023-06-01 or 2026-10-21") as raised:
        versions.read(headers)
    assert (raised.value.kind, raised.value.param) == (Kind.INVALID_REQUEST, "anthropic-version")
