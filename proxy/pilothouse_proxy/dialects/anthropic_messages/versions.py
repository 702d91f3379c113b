"""What clients say in headers: the version of the API, and which betas they want."""

from collections.abc import Iterable, Mapping

from pilothouse_proxy.errors import GatewayError, Kind

VERSION = b"anthropic-version"
BETA = b"anthropic-beta"

FIRST = b"2023-06-01"
STRICT = b"2026-10-21"
"""Takes no sampling parameters, no documents in assistant turns, no citations on what a user says
(https://platform.claude.com/docs/en/api/versioning)."""

_KNOWN = (FIRST, STRICT)


def read(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """The version and the betas, these as one list.

    Raises:
        GatewayError: INVALID_REQUEST, there is no version, or one that is not known.
    """
    version = None
    betas = []
    for name, value in headers:
        if name == VERSION:
            version = value
        elif name == BETA and value:
            betas.append(value)
    known = " or ".join(each.decode() for each in _KNOWN)
    if version is None:
        raise GatewayError(
            Kind.INVALID_REQUEST, f"the header `anthropic-version` is missing: send {known}", param="anthropic-version"
        )
    if version not in _KNOWN:
        said = version[:32].decode("ascii", "replace")
        raise GatewayError(
            Kind.INVALID_REQUEST,
            f"`anthropic-version: {said}` is not a version of the API that is served here: send {known}",
            param="anthropic-version",
        )
    read = {VERSION: version}
    if betas:
        read[BETA] = b",".join(betas)
    return read
