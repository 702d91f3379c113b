"""Signs in an application with a certificate: the assertion that azure-identity sends in place of a secret.

azure-identity can make it too, but reads the key anew for every credential, and its asynchronous one cannot send the
certificate along. https://learn.microsoft.com/entra/identity-platform/certificate-credentials.
"""

import base64
import time
import uuid

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from pilothouse_api.secret import Secret

_LIFE_S = 600
# Entra's clock may be behind ours.
_SKEW_S = 30


class ApplicationCertificate:
    """A certificate with its key and those that issued it. Raises ValueError or TypeError if the PEM is not that."""

    def __init__(self, pem: Secret, password: Secret | None) -> None:
        data = pem.reveal().encode()
        key = serialization.load_pem_private_key(data, password.reveal().encode() if password else None)
        if not isinstance(key, RSAPrivateKey):
            raise ValueError("not an RSA key")
        chain = x509.load_pem_x509_certificates(data)
        own = next((c for c in chain if c.public_key() == key.public_key()), None)
        if own is None:
            raise ValueError("no certificate belongs to the key")
        self._key = key
        self._thumbprint = base64.urlsafe_b64encode(own.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
        self._chain = [_encoded(own), *(_encoded(c) for c in chain if c != own)]

    def assertion(self, *, client_id: str, token_url: str, send_chain: bool) -> str:
        """A JWT that Entra takes for a client secret (RFC 7523, section 2.2), good for ten minutes.

        `send_chain`: with the certificate, so that its subject and issuer count (subject name and issuer
        authentication) and not its thumbprint.
        """
        now = int(time.time())
        claims = {
            "aud": token_url,
            "iss": client_id,
            "sub": client_id,
            "jti": str(uuid.uuid4()),
            "nbf": now - _SKEW_S,
            "exp": now + _LIFE_S,
        }
        headers: dict[str, object] = {"x5t#S256": self._thumbprint}
        if send_chain:
            headers["x5c"] = self._chain
        return jwt.encode(claims, self._key, algorithm="PS256", headers=headers)


def _encoded(certificate: x509.Certificate) -> str:
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
