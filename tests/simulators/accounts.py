"""A cluster's issuer of ServiceAccount tokens, as a review of tokens sees it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass
class Cluster:
    """Signs projected tokens, and reviews them."""

    issuer: str = "https://kubernetes.default.svc.cluster.local"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False)

    def token(self, namespace: str, name: str, *, audience: str, ttl_s: float = 600.0) -> str:
        """What a kubelet projects for a pod that runs as this ServiceAccount."""
        now = time.time()
        claims = {
            "iss": self.issuer,
            "aud": [audience],
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "iat": int(now),
            "nbf": int(now) - 5,
            "exp": int(now + ttl_s),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name}},
        }
        return jwt.encode(claims, self.key, algorithm="ES256")

    def review(self, token: str, audience: str | None) -> dict[str, Any]:
        """The claims; raises jwt.InvalidTokenError, InvalidAudienceError and ExpiredSignatureError among them."""
        options: Any = {"verify_aud": audience is not None}
        return jwt.decode(
            token, self.key.public_key(), algorithms=["ES256"], audience=audience, issuer=self.issuer, options=options
        )
