"""Secrets that last until somebody revokes them: made by name, accepted at once where they belong."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.simulators.aws_identity import account as accounts
from tests.simulators.aws_identity.account import Account, Holder
from tests.simulators.credentials import Keyring
from tests.simulators.entra.directory import Application
from tests.simulators.estate.ledger import Ledger
from tests.simulators.vault.service import Token, Vault

_SESSION_S = 3_600
BY_KEY = "arn:aws:iam::222222222222:role/by-key"
VAULT_POLICY = "llm"


@dataclass(frozen=True)
class Made:
    """`values` by the names of manifests."""

    values: dict[str, str]
    revoke: Callable[[], object]


@dataclass
class Keys:
    """`make` and `revoke`, by kind and name. `principals`: the applications of secrets and of certificates.

    `proofs`: what is shown to Entra → the name of the secret.
    """

    keyring: Keyring
    account: Account
    vault: Vault
    by_secret: Application
    by_certificate: Application
    ledger: Ledger
    proofs: dict[str, str] = field(default_factory=dict)
    planted: set[str] = field(default_factory=set)
    """Values that nobody but their holders may ever see."""
    _made: dict[str, Made] = field(default_factory=dict)

    def make(self, kind: str, name: str, given: str) -> dict[str, str]:
        """The values of a new secret. `given`: PEM, for a certificate. Raises ValueError."""
        makers: dict[str, Callable[[], Made]] = {
            "openai": lambda: self._text(self.keyring.openai, "sk-", name),
            "azure": lambda: self._text(self.keyring.azure, "az", name),
            "bedrock": lambda: self._text(self.keyring.bedrock, "ABSK", name),
            "accessKey": lambda: self._access_key(name),
            "session": lambda: self._session(name),
            "clientSecret": lambda: self._client_secret(name),
            "certificate": lambda: self._certificate(name, given),
            "vaultToken": self._vault_token,
        }
        if kind not in makers:
            raise ValueError(f"no kind {kind!r}: it is one of {', '.join(makers)}")
        self._made[name] = made = makers[kind]()
        self.planted |= {value for member, value in made.values.items() if member != "accessKeyId"}
        return made.values

    def revoke(self, name: str) -> None:
        """Raises ValueError."""
        made = self._made.pop(name, None)
        if made is None:
            raise ValueError(f"no secret {name!r}")
        made.revoke()

    def _text(self, ring: dict[str, str], prefix: str, name: str) -> Made:
        value = prefix + secrets.token_hex(20)
        ring[value] = name
        return Made({"apiKey": value}, lambda: ring.pop(value, None))

    def _access_key(self, name: str) -> Made:
        holder = Holder(
            arn=accounts.USER,
            access_key_id="AKIA" + secrets.token_hex(8).upper(),
            secret_access_key=secrets.token_hex(20),
        )
        self.account.holders[holder.access_key_id] = holder
        return self._held(name, holder)

    def _session(self, name: str) -> Made:
        holder = self.account.session(BY_KEY, name="by-hand", duration_s=_SESSION_S)
        holder.expires_at = time.time() + _SESSION_S
        return self._held(name, holder)

    def _held(self, name: str, holder: Holder) -> Made:
        self.ledger.made(holder.access_key_id, of=name)
        values = {"accessKeyId": holder.access_key_id, "secretAccessKey": holder.secret_access_key}
        if holder.token:
            values["sessionToken"] = holder.token

        def revoke() -> None:
            holder.revoked = True

        return Made(values, revoke)

    def _client_secret(self, name: str) -> Made:
        value = secrets.token_urlsafe(30)
        self.by_secret.secrets[value] = None
        self.proofs[value] = name
        return Made({"clientSecret": value}, lambda: self.by_secret.secrets.pop(value, None))

    def _certificate(self, name: str, pem: str) -> Made:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        self.by_certificate.certificates.append(certificate)
        self.proofs[thumbprint(certificate)] = name
        return Made({"certificate": pem}, lambda: self.by_certificate.certificates.remove(certificate))

    def _vault_token(self) -> Made:
        value = f"hvs.{secrets.token_urlsafe(24)}"
        self.vault.tokens[value] = Token([VAULT_POLICY], "", float("inf"))
        return Made({"token": value}, lambda: self.vault.tokens.pop(value, None))


def thumbprint(certificate: x509.Certificate) -> str:
    """As the header x5t#S256 has it."""
    return base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).decode().rstrip("=")
