"""What a kubelet and the clouds' webhooks give a pod: projected tokens, and the environment that names them."""

from __future__ import annotations

import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.simulators.aws_identity import account as accounts
from tests.simulators.entra import managed
from tests.simulators.entra.directory import TENANT_ID, Application, Directory, Federated
from tests.simulators.entra.fleet import EntraSimulator

AZURE_ISSUER = "https://oidc.simulated.example/cluster"
AZURE_AUDIENCE = "api://AzureADTokenExchange"
OPERATOR_ROLE = "arn:aws:iam::111111111111:role/operator"


class Pod:
    """Its tokens are files in `folder`; `project` writes new ones."""

    def __init__(self, folder: Path, directory: Directory, application: Application) -> None:
        self._folder = folder
        self._client_id = application.client_id
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        directory.issuers[AZURE_ISSUER] = public.decode()
        application.federated.append(Federated(AZURE_ISSUER, accounts.SUBJECT, AZURE_AUDIENCE))
        self.project(life_s=3_600)

    def project(self, *, life_s: float) -> None:
        """New tokens in place of those that are there; they end after `life_s`."""
        now = time.time()
        claims = {"iss": AZURE_ISSUER, "sub": accounts.SUBJECT, "aud": [AZURE_AUDIENCE]}
        ends = {"iat": int(now), "nbf": int(now) - 5, "exp": int(now + life_s)}
        tokens = {
            "aws-token": accounts.service_account_token(expires_in_s=life_s),
            "azure-token": jwt.encode(claims | ends, self._key, algorithm="RS256"),
        }
        for name, token in tokens.items():
            written = self._folder / f".{name}"
            written.write_text(token)
            written.replace(self._folder / name)

    def environment(self, entra: EntraSimulator, *, google: str) -> dict[str, str]:
        """Names as the SDKs read them. `google`: URL of the metadata server."""
        metadata = google.removeprefix("http://")
        return {
            "AWS_ROLE_ARN": OPERATOR_ROLE,
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(self._folder / "aws-token"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AZURE_CLIENT_ID": self._client_id,
            "AZURE_TENANT_ID": TENANT_ID,
            "AZURE_FEDERATED_TOKEN_FILE": str(self._folder / "azure-token"),
            "AZURE_AUTHORITY_HOST": entra.authority,
            "IDENTITY_ENDPOINT": entra.identity_endpoint,
            "IDENTITY_HEADER": managed.IDENTITY_HEADER,
            "GCE_METADATA_HOST": metadata,
            "GCE_METADATA_IP": metadata,
            "SSL_CERT_FILE": entra.tls.ca_file,
        }
