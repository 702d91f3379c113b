"""Who is who at Google: keys of service accounts, tokens, who may act as whom."""

from __future__ import annotations

import functools
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.simulators.accounts import Cluster

AUDIENCE = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster"
_LONGEST_S = 3_600


@functools.cache
def _private() -> rsa.RSAPrivateKey:
    # One for all keys, which their ids tell apart: it takes up to seconds to make.
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Token:
    email: str
    scopes: list[str]
    ends_at: float


@dataclass
class Identity:
    """`creators`: an account → those that may act as it. `ttl_s`: of the tokens that are given out.

    A token exchange takes tokens of `cluster`, whose subject is then the account's name.
    """

    creators: dict[str, set[str]] = field(default_factory=dict)
    cluster: Cluster = field(default_factory=Cluster)
    tokens: dict[str, Token] = field(default_factory=dict)
    keys: dict[str, tuple[str, rsa.RSAPublicKey]] = field(default_factory=dict)
    ttl_s: int = 3_600

    def key_file(self, email: str, **changed: Any) -> str:
        """A new key of an account, as the console lets it be downloaded."""
        private = _private()
        key_id = secrets.token_hex(20)
        self.keys[key_id] = (email, private.public_key())
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        made = {
            "type": "service_account",
            "project_id": email.partition("@")[2].partition(".")[0],
            "private_key_id": key_id,
            "private_key": pem.decode(),
            "client_email": email,
            "client_id": "100000000000000000001",
            "token_uri": AUDIENCE,
            "universe_domain": "googleapis.com",
        }
        return json.dumps(made | changed)

    def give(self, email: str, scopes: list[str], ttl_s: int | None = None) -> str:
        made = f"ya29.{secrets.token_urlsafe(24)}"
        self.tokens[made] = Token(email, scopes, time.time() + (self.ttl_s if ttl_s is None else ttl_s))
        return made

    def of(self, token: str) -> Token | None:
        """Whose token it is, unless it has ended."""
        found = self.tokens.get(token)
        return found if found is not None and found.ends_at > time.time() else None

    def of_assertion(self, assertion: str) -> tuple[str, list[str]]:
        """Account and scopes of RFC 7523's grant; raises ValueError with OAuth's words."""
        try:
            key_id = jwt.get_unverified_header(assertion).get("kid")
            email, public = self.keys[str(key_id)]
            claims = jwt.decode(assertion, public, algorithms=["RS256"], audience=AUDIENCE)
        except (jwt.InvalidTokenError, KeyError):
            raise ValueError("Invalid JWT Signature.") from None
        if claims["iss"] != email or claims["exp"] - claims["iat"] > _LONGEST_S:
            raise ValueError(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
            )
        return email, claims["scope"].split()

    def of_exchange(self, asked: dict[str, str]) -> str:
        """The subject of RFC 8693's exchange; raises ValueError with OAuth's words."""
        if asked.get("audience") != POOL:
            raise ValueError("Invalid value for audience.")
        try:
            return str(self.cluster.review(asked["subject_token"], POOL)["sub"])
        except jwt.InvalidTokenError:
            raise ValueError("The given credential is rejected by the attribute condition.") from None
