"""Finds out who sent a request, from its headers alone."""

import hashlib
import re
from typing import Final, NoReturn

from pilothouse_api.snapshot.identity import Identity
from pilothouse_proxy.auth import api_keys, subject, tokens
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.http.request import Memory

# Any page of the web can have its reader's browser post to this machine; an honest client of a page sends its Origin.
_OWN_ORIGIN: Final = re.compile(rb"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?")

_HINT: Final = "send `Authorization: Bearer` and an API key, or a ServiceAccount token of audience `pilothouse`"


class Callers:
    """Everybody whom one snapshot lets in. With a `resident`, who is the one caller of a sidecar, keys are not read."""

    def __init__(self, identity: Identity, *, resident: subject.Subject | None = None) -> None:
        self.identity = identity
        self.resident = resident
        self._mark = object()
        """Stands for this object in memories, which outlive it on connections that are idle."""
        self._holders = api_keys.subjects(identity.api_keys)
        self._verifier = tokens.Verifier(identity.issuers) if identity.issuers else None
        self._anonymous = subject.of_nobody(identity.anonymous) if identity.anonymous is not None else None

    def load(self) -> None:
        """Get ready for the first token, off the request path. May run in another thread."""
        if self._verifier is not None and self.resident is None:
            self._verifier.load()

    def authenticate(self, headers: Headers, *, now: float, memory: Memory | None = None) -> subject.Subject:
        """Who calls. `now` in Unix seconds; `memory` is that of the headers.

        Raises:
            GatewayError: UNAUTHENTICATED, without a word of what was sent.
        """
        if self.resident is not None:
            return self.resident
        if memory is not None and memory.by is self._mark:
            known = memory.found
            if isinstance(known, subject.Subject):
                return known
        key, other = _keys(headers)
        if key is None:
            return self._nobody(headers)
        unchecked = self._anonymous is not None and not self._holders and self._verifier is None
        if other is not None and not unchecked:
            _refuse("the keys in `Authorization` and in `x-api-key` are not the same: send one of them")
        digest = hashlib.sha256(key).digest()
        caller = self._holders.get(digest)
        if caller is not None:
            if memory is not None:
                # A key holds as long as this snapshot does, which a token need not.
                memory.by, memory.found = self._mark, caller
            return caller
        if self._verifier is not None:
            caller = self._verifier.remembered(digest, now=now)
            return caller or self._verified(self._verifier, key, digest, now)
        if self._anonymous is not None and not self._holders:
            # Nothing to check a key against: SDKs insist on sending one, whatever it is.
            return self._nobody(headers)
        _refuse("the API key is not known here")

    def _nobody(self, headers: Headers) -> subject.Subject:
        """The anonymous caller, if there is one: a program on this machine, or a page that this machine serves."""
        if self._anonymous is None:
            _refuse(f"no API key: {_HINT}")
        for name, value in headers:
            if name == b"origin" and _OWN_ORIGIN.fullmatch(value) is None:
                _refuse(f"a page of another origin is not let in without a known API key: {_HINT}")
        return self._anonymous

    def _verified(self, verifier: tokens.Verifier, key: bytes, digest: bytes, now: float) -> subject.Subject:
        if key.count(b".") != 2 or len(key) > tokens.MAX_TOKEN_BYTES or not key.isascii():
            _refuse("the API key is not known here, and it is no ServiceAccount token")
        try:
            return verifier.verify(key.decode("ascii"), digest, now=now)
        except tokens.InvalidToken as error:
            raise GatewayError(Kind.UNAUTHENTICATED, str(error)) from error


def _keys(headers: Headers) -> tuple[bytes | None, bytes | None]:
    """What stands in `Authorization: Bearer`, else in `api-key` or `x-api-key`; and another key, if there is one."""
    found: bytes | None = None
    other: bytes | None = None
    for name, value in headers:
        key = None
        if name == b"authorization":
            if value[:7].lower() != b"bearer ":
                _refuse(f"the Authorization header is not of the scheme Bearer: {_HINT}")
            key = value[7:].strip()
        elif name in {b"api-key", b"x-api-key"}:
            key = value
        if key and found is not None and key != found:
            other = key
        elif key:
            found = key
    return found, other


def _refuse(message: str) -> NoReturn:
    raise GatewayError(Kind.UNAUTHENTICATED, message)
