"""ServiceAccount tokens, checked offline against the signing keys that the snapshot carries.

A token that was checked once is known by its SHA-256 until it expires. Deletion of the account is not seen here:
callers should ask for tokens of an hour at most.
"""

import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pilothouse_api.snapshot.identity import Issuer
from pilothouse_proxy.auth import subject

if TYPE_CHECKING:
    import jwt

LEEWAY_S = 30
CACHED_TOKENS = 10_000
MAX_TOKEN_BYTES = 16_384

_SUBJECT = re.compile(r"system:serviceaccount:([a-z0-9][-a-z0-9]{0,62}):([a-z0-9][-a-z0-9.]{0,252})")

# RFC 7518 §3.1. The key decides which algorithms may be named, never the token: no HMAC with a public key, no `none`.
_ALGORITHMS = {
    ("RSA", None): ("RS256", "RS384", "RS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}

logger = logging.getLogger(__name__)


class InvalidToken(Exception):
    """The text says to the caller what is wrong, without a word of the token."""


class Verifier:
    """Checks tokens of the configured issuers. `verify` takes the Unix time."""

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        self._keys: dict[tuple[str, str | None], tuple[jwt.PyJWK, tuple[str, ...]]] | None = None
        self._known: dict[bytes, tuple[subject.Subject, float]] = {}

    def load(self) -> None:
        """Import what checks signatures, and read the keys: a tenth of a second, better not on a request's time."""
        if self._keys is None:
            self._keys = dict(_keys(self._issuers.values()))

    def remembered(self, digest: bytes, *, now: float) -> subject.Subject | None:
        """Whose token with this SHA-256 was found good, if it has not expired since."""
        known = self._known.get(digest)
        if known is None:
            return None
        if known[1] <= now:
            del self._known[digest]
            return None
        return known[0]

    def verify(self, token: str, digest: bytes, *, now: float) -> subject.Subject:
        """Whose token it is.

        Raises:
            InvalidToken: not one of an issuer that we know, for us, now, with a good signature.
        """
        self.load()
        claims = self._checked(token, now)
        found = _SUBJECT.fullmatch(str(claims.get("sub", "")))
        if found is None:
            raise InvalidToken("the token is not that of a ServiceAccount")
        caller = subject.of_service_account(namespace=found[1], name=found[2])
        if len(self._known) >= CACHED_TOKENS:
            self._forget(now)
        self._known[digest] = (caller, float(claims["exp"]))
        return caller

    def _forget(self, now: float) -> None:
        self._known = {digest: entry for digest, entry in self._known.items() if entry[1] > now}
        while len(self._known) >= CACHED_TOKENS:
            del self._known[next(iter(self._known))]

    def _checked(self, token: str, now: float) -> dict[str, Any]:
        import jwt  # noqa: PLC0415 - with cryptography 20 MiB and a tenth of a second, which only gateways need

        try:
            unverified = jwt.decode_complete(token, options={"verify_signature": False})
            name = unverified["payload"].get("iss")
            issuer = self._issuers.get(name) if isinstance(name, str) else None
            if issuer is None:
                raise InvalidToken("the token's issuer is not this cluster")
            key = (self._keys or {}).get((issuer.issuer, unverified["header"].get("kid")))
            if key is None:
                raise InvalidToken("the token is signed with a key that this cluster does not use (any more)")
            # Times are checked below, on the clock that was handed in.
            claims: dict[str, Any] = jwt.decode(
                token,
                key=key[0].key,
                algorithms=list(key[1]),
                audience=issuer.audience,
                issuer=issuer.issuer,
                options={"require": ["exp"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            _check_times(claims, now)
        except jwt.InvalidAudienceError as error:
            raise InvalidToken(f'the token is not for audience "{issuer.audience if issuer else ""}"') from error
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise InvalidToken("the token is malformed or its signature is wrong") from error
        return claims


def _check_times(claims: dict[str, Any], now: float) -> None:
    if float(claims["exp"]) <= now - LEEWAY_S:
        raise InvalidToken("the token has expired")
    if float(claims.get("nbf", 0)) > now + LEEWAY_S:
        raise InvalidToken("the token is not valid yet")


def _keys(issuers: Any) -> Any:
    import jwt  # noqa: PLC0415 - as above

    for issuer in issuers:
        for entry in issuer.keys:
            kid = entry.get("kid")
            try:
                at = (issuer.issuer, kid if kid is None else _text(kid))
                algorithms = _ALGORITHMS.get((entry.get("kty"), entry.get("crv")))
                if algorithms is None or entry.get("use", "sig") != "sig":
                    continue
                if entry.get("alg") in algorithms:
                    algorithms = (entry["alg"],)
                key = jwt.PyJWK(entry, algorithm=algorithms[0])
            except (jwt.PyJWTError, ValueError, TypeError) as error:
                logger.warning("signing key %r of issuer %s cannot be used: %s", kid, issuer.issuer, error)
                continue
            yield at, (key, algorithms)


def _text(kid: object) -> str:
    if not isinstance(kid, str):
        raise TypeError("its id is no text")
    return kid
