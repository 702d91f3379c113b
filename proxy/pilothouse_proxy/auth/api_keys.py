"""Callers by API key. The snapshot holds hashes; a key is 16 characters at least, so that a bare SHA-256 is enough."""

from collections.abc import Mapping

from pilothouse_api.snapshot.identity import KeyHolder
from pilothouse_proxy.auth import subject


def subjects(api_keys: Mapping[str, KeyHolder]) -> dict[bytes, subject.Subject]:
    """By the binary SHA-256 of the key.

    Raises:
        ValueError: a hash is not 64 hexadecimal digits.
    """
    found: dict[bytes, subject.Subject] = {}
    for digest, holder in api_keys.items():
        binary = bytes.fromhex(digest)
        if len(binary) != 32:
            raise ValueError("an API key's SHA-256 has 64 hexadecimal digits")
        found[binary] = subject.of_key(holder)
    return found
