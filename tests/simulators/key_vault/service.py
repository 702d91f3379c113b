"""One vault.

https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret and, for errors,
https://learn.microsoft.com/azure/key-vault/general/rest-error-codes.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from tests.simulators.entra.directory import TENANT_ID
from tests.simulators.entra.fleet import EntraSimulator
from tests.simulators.entra.pems import Identity
from tests.simulators.entra.service import answered
from tests.simulators.entra.tokens import TokenRefused, verified
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.server import Request, Server, Service

_VERSIONS: Final = frozenset({"7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"})
_NAMES: Final = ("localhost", "127.0.0.1", "*.vault.azure.net")
PKCS12: Final = "application/x-pkcs12"
PEM: Final = "application/x-pem-file"


@dataclass
class Version:
    value: str
    content_type: str | None = None
    enabled: bool = True
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))


class KeyVault:
    """The vault's content and HTTP service. `origin` is its own URL; `instead`: replies for the next requests.

    `through`: what stands in front of the service.
    """

    def __init__(self, entra: EntraSimulator, *, through: Callable[[Service], Service] = lambda inner: inner) -> None:
        self.entra = entra
        self._server = Server(service=through(self), host="127.0.0.1", port=0, tls=entra.tls.server(*_NAMES))
        self.origin = ""
        self.tenant_id = TENANT_ID
        self.resource = "https://vault.azure.net"
        """As the challenge names it."""
        self.secrets: dict[str, list[Version]] = {}
        self.readers: set[str] | None = None
        """Client ids that may read; None = all that sign in."""
        self.firewall = False
        self.revoked: set[str] = set()
        """`uti` of tokens that count no longer."""
        self.served: list[str] = []
        """Names, in the order that values were given out."""
        self.instead: deque[Reply] = deque()

    def put(self, name: str, value: str, *, content_type: str | None = None) -> Version:
        version = Version(value, content_type)
        self.secrets.setdefault(name, []).append(version)
        return version

    def put_certificate(self, name: str, identity: Identity, *, form: str = PKCS12) -> Version:
        """The secret that Key Vault keeps beside a certificate whose key may be exported."""
        if form == PEM:
            return self.put(name, identity.pem(), content_type=PEM)
        pfx = pkcs12.serialize_key_and_certificates(
            None, identity.key, identity.certificate, None, serialization.NoEncryption()
        )
        return self.put(name, base64.b64encode(pfx).decode(), content_type=PKCS12)

    def delete(self, name: str) -> None:
        """It may be recovered, but is not found meanwhile."""
        del self.secrets[name]

    def __call__(self, request: Request) -> Reply:
        if self.instead:
            return self.instead.popleft()
        refused = self._refused(request)
        if refused is not None:
            return refused
        parts = request.path.decode("latin-1").strip("/").split("/")
        query = dict(parse_qsl(request.query.decode("latin-1")))
        if query.get("api-version") not in _VERSIONS:
            return _error(400, "BadParameter", f"The specified api-version '{query.get('api-version')}' is not valid")
        if request.method != b"GET" or parts[0] != "secrets" or len(parts) not in (2, 3):
            return _error(405, "MethodNotAllowed", "The request method is not allowed here")
        return self._secret(parts[1], parts[2] if len(parts) == 3 else "")

    def _refused(self, request: Request) -> Reply | None:
        scheme, _, token = (request.header(b"authorization") or b"").decode("latin-1").partition(" ")
        if scheme != "Bearer":
            return self._unauthorised("AKV10000: Request is missing a Bearer or PoP token.")
        try:
            claims = verified(token, keys=self.entra.mint.public_keys, audiences=["https://vault.azure.net"])
        except TokenRefused as exc:
            text = (
                "[TokenExpired] Error validating token: 'S2S12086'." if exc.expired else "AKV10022: Invalid audience."
            )
            return self._unauthorised(text)
        if claims["tid"] != self.tenant_id:
            expected, found = f"https://sts.windows.net/{self.tenant_id}/", claims["iss"]
            return self._unauthorised(f"AKV10032: Invalid issuer. Expected one of {expected}, found {found}.")
        if claims["uti"] in self.revoked:
            return self._unauthorised("[TokenRevoked] The token is valid no longer.")
        caller = f"appid={claims['appid']};oid={claims['oid']};iss={claims['iss']}"
        if self.firewall:
            text = (
                "Client address is not authorized and caller is not a trusted service.\r\n"
                f"Client address: 203.0.113.7\r\nCaller: {caller}\r\nVault: simulated;location=eastus"
            )
            return _error(403, "Forbidden", text, inner="ForbiddenByFirewall")
        if self.readers is not None and claims["appid"] not in self.readers:
            text = (
                "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or "
                "role definitions were changed recently, please observe propagation time.\r\n"
                f"Caller: {caller}\r\nAction: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'"
            )
            return _error(403, "Forbidden", text, inner="ForbiddenByRbac")
        return None

    def _unauthorised(self, text: str) -> Reply:
        challenge = f'Bearer authorization="{self.entra.authority}/{self.tenant_id}", resource="{self.resource}"'
        return _error(401, "Unauthorized", text, headers=[("www-authenticate", challenge)])

    def _secret(self, name: str, version: str) -> Reply:
        versions = self.secrets.get(name, [])
        found = next((one for one in reversed(versions) if version in ("", one.id)), None)
        if found is None:
            which = f"{name}/{version}" if version else name
            text = (
                f"A secret with (name/id) {which} was not found in this key vault. If you recently deleted this secret "
                "you may be able to recover it using the correct recovery command."
            )
            return _error(404, "SecretNotFound", text)
        if not found.enabled:
            text = "Operation get is not allowed on a disabled secret."
            return _error(403, "Forbidden", text, inner="SecretDisabled")
        self.served.append(name)
        bundle: dict[str, Any] = {
            "value": found.value,
            "id": f"{self.origin}/secrets/{name}/{found.id}",
            "attributes": {
                "enabled": True,
                "created": found.created,
                "updated": found.created,
                "recoveryLevel": "Recoverable+Purgeable",
                "recoverableDays": 90,
            },
            "tags": {},
        }
        if found.content_type is not None:
            bundle["contentType"] = found.content_type
        if found.content_type in (PKCS12, PEM):
            bundle["kid"] = f"{self.origin}/keys/{name}/{found.id}"
            bundle["managed"] = True
        return answered(200, bundle)

    async def start(self) -> None:
        self.origin = f"https://localhost:{await self._server.start()}"

    async def stop(self) -> None:
        await self._server.stop()

    async def __aenter__(self) -> KeyVault:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def throttled(retry_after_s: int) -> Reply:
    """What a vault says at its limit."""
    text = "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"
    return _error(429, "Throttled", text, headers=[("retry-after", str(retry_after_s))])


def _error(
    status: int, code: str, text: str, *, inner: str | None = None, headers: list[tuple[str, str]] | None = None
) -> Reply:
    error: dict[str, Any] = {"code": code, "message": text}
    if inner is not None:
        error["innererror"] = {"code": inner}
    return answered(status, {"error": error}, *(headers or []))
