"""Access tokens: signed JWTs with the claims of Entra's version 1.0 tokens, and how a resource checks them.

https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


class TokenRefused(Exception):
    """`expired` tells that from all else."""

    def __init__(self, reason: str, *, expired: bool = False) -> None:
        super().__init__(reason)
        self.expired = expired


class Mint:
    """Issues tokens with a key of its own. `public_keys`: PEM by key id, all that `verified` needs."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._id = uuid.uuid4().hex
        pem = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.public_keys = {self._id: pem.decode()}

    def issue(self, *, audience: str, tenant_id: str, app_id: str, object_id: str, now: float, life_s: int) -> str:
        """`uti` is different in every one."""
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{tenant_id}/",
            "iat": int(now),
            "nbf": int(now),
            "exp": int(now) + life_s,
            "appid": app_id,
            "oid": object_id,
            "sub": object_id,
            "tid": tenant_id,
            "uti": uuid.uuid4().hex[:22],
            "ver": "1.0",
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._id})

    def jwks(self) -> dict[str, Any]:
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**key, "kid": self._id, "use": "sig"}]}


def verified(
    token: str, *, keys: Mapping[str, str], audiences: Collection[str], now: float | None = None
) -> dict[str, Any]:
    """The claims of a token that a resource with these identifiers accepts. Raises TokenRefused.

    `keys`: `Mint.public_keys`. `now`: Unix seconds; by default the system's time.
    """
    try:
        key_id = jwt.get_unverified_header(token).get("kid", "")
        if key_id not in keys:
            raise TokenRefused("signed with an unknown key")
        check_time = now is None
        claims: dict[str, Any] = jwt.decode(
            token,
            keys[key_id],
            algorithms=["RS256"],
            audience=[form for audience in audiences for form in (audience.rstrip("/"), audience.rstrip("/") + "/")],
            options={"require": ["exp", "aud"], "verify_exp": check_time, "verify_nbf": check_time},
        )
    except jwt.ExpiredSignatureError:
        raise TokenRefused("expired", expired=True) from None
    except jwt.InvalidTokenError as exc:
        raise TokenRefused(str(exc)) from None
    if now is not None and claims["exp"] <= now:
        raise TokenRefused("expired", expired=True)
    return claims
