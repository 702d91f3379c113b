"""Secrets of Azure Key Vault, by azure-keyvault-secrets; a certificate is the secret of its name.

https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret and
https://learn.microsoft.com/azure/key-vault/certificates/about-certificates#composition-of-a-certificate.
"""

import asyncio
import base64
import binascii
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from azure.core.credentials import AccessTokenInfo, TokenRequestOptions
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError
from azure.keyvault.secrets import ApiVersion
from azure.keyvault.secrets.aio import SecretClient
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.clouds.entra import Closing, Entra, EntraCredential
from pilothouse_operator.clouds.entra_faults import one_line, retry_after_s, whom
from pilothouse_operator.compile.identities import Address, EntraIdentity, KeyVaultAddress
from pilothouse_operator.ports import Fault, Fetched

PATIENCE_S = 20.0
"""For one secret: a challenge, a token, the value."""

_PKCS12 = "application/x-pkcs12"
_DOMAINS = (".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net")
_CLIENTS = 512
_ClientKey = tuple[EntraIdentity, tuple[tuple[str, Secret], ...], str]

_FORBIDDEN: Mapping[str, str] = {
    "SecretDisabled": "the secret, or this version of it, is disabled: enable it, or name another version.",
    "ForbiddenByFirewall": "the vault's firewall does not let the operator's address through: allow it, or use a "
    "private endpoint.",
    "ForbiddenByConnection": "the vault takes no public connections: reach it by its private endpoint.",
    "ForbiddenByRbac": "{whom} may not read it: give it the role Key Vault Secrets User for the vault or the secret.",
    "AccessDenied": "{whom} may not read it: add an access policy with the secret permission Get.",
    "ForbiddenByPolicy": "{whom} may not read it: add an access policy with the secret permission Get.",
}


class AzureKeyVault:
    """A Store for addresses of type KeyVaultAddress. Keeps a client, and so a token, per identity and vault."""

    def __init__(self, *, entra: Entra) -> None:
        self._entra = entra
        self._clients: OrderedDict[_ClientKey, _Client] = OrderedDict()

    async def fetch(self, address: Address, sign_in: Mapping[str, Secret], *, known: str | None) -> Fetched | None:
        """A certificate is PEM: its key, itself, those that issued it. Raises Fault; answers within PATIENCE_S.

        A version is asked for even if it is known: one that has been disabled must not be used any longer, and asking
        for versions without their values takes another permission.
        """
        if not isinstance(address, KeyVaultAddress):
            raise TypeError(f"no address of Key Vault: {type(address).__name__}")
        key = (address.identity, tuple(sorted(sign_in.items(), key=lambda item: item[0])), address.vault_url)
        client = await self._client(key, sign_in)
        try:
            async with asyncio.timeout(PATIENCE_S):
                found = await client.secrets.get_secret(address.name, address.version or None)
        except TimeoutError:
            raise _unavailable(address, f"did not answer within {PATIENCE_S:g} s; it is tried again.") from None
        except AzureError as error:
            if getattr(error, "status_code", None) in (401, 403):
                # Its token may have been taken away, or be of before a right was given.
                await self._drop(key)
            raise _fault(error, address, sign_in) from None
        except ValueError as error:
            # Of the SDK, or of _VaultTokens: a challenge that asks for too much. What the SDK advises is not for users.
            said = one_line(str(error).partition(". ")[0], sign_in.values())
            raise _unavailable(address, f"is shown no token: {said}") from None
        except (AttributeError, LookupError, TypeError):
            # What the SDK stumbles over when an answer is JSON of another form.
            raise _odd(address) from None
        version = found.properties.version
        if not isinstance(found.value, str) or not version:
            raise _odd(address)
        if version == known:
            return None
        return Fetched(value=_value(found.value, found.properties.content_type, address), version=version)

    async def close(self) -> None:
        """The shared connections stay open."""
        for key in list(self._clients):
            await self._drop(key)

    async def _client(self, key: _ClientKey, sign_in: Mapping[str, Secret]) -> "_Client":
        client = self._clients.get(key)
        if client is None:
            identity, _, vault_url = key
            tokens = _VaultTokens(await self._entra.credential(identity, sign_in), vault_url)
            secrets = SecretClient(
                vault_url,
                # The client asks for either kind of protocol, though it declares the older one.
                cast(AsyncTokenCredential, tokens),
                # Every cloud has it; the SDK's own newest is not everywhere.
                api_version=ApiVersion.V7_4,
                # The operator asks whom the manifest names, not whom a server does.
                permit_redirects=False,
                verify_challenge_resource=(urlsplit(vault_url).hostname or "").endswith(_DOMAINS),
                **self._entra.options,
            )
            client = self._clients[key] = _Client(secrets, tokens)
        self._clients.move_to_end(key)
        if len(self._clients) > _CLIENTS:
            await self._drop(next(iter(self._clients)))
        return client

    async def _drop(self, key: _ClientKey) -> None:
        client = self._clients.pop(key, None)
        if client is not None:
            await client.secrets.close()
            await client.tokens.close()


@dataclass(frozen=True, slots=True)
class _Client:
    secrets: SecretClient
    tokens: "_VaultTokens"


class _VaultTokens(Closing):
    """Asks for tokens for vaults alone: a vault behind a name of its own may not choose what it is shown."""

    def __init__(self, inner: EntraCredential, vault_url: str) -> None:
        self._inner = inner
        self._host = "." + (urlsplit(vault_url).hostname or "")

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        for scope in scopes:
            host = "." + (urlsplit(scope).hostname or "")
            if host not in _DOMAINS and not (host.count(".") > 1 and self._host.endswith(host)):
                raise ValueError(f"it asks for a token for {scope}, which is no vault's.")
        # Of its own tenant, which the manifest may call by a domain where the vault says a number. If they are two, the
        # vault refuses the token.
        kept: TokenRequestOptions = {"enable_cae": (options or {}).get("enable_cae", False)}
        if options and "claims" in options:
            kept["claims"] = options["claims"]
        return await self._inner.get_token_info(*scopes, options=kept)

    async def close(self) -> None:
        await self._inner.close()


def _value(value: str, content_type: str | None, address: KeyVaultAddress) -> Secret:
    if content_type != _PKCS12:
        return Secret(value)
    try:
        key, own, others = pkcs12.load_key_and_certificates(base64.b64decode(value, validate=True), None)
    except (ValueError, TypeError, binascii.Error):
        key = own = None
        others = []
    if key is None or own is None:
        raise Fault(
            f"{_which(address)} says that it is PKCS #12 and is not, or has no key in it: is the certificate's key "
            "exportable?",
            reason=Reason.SECRET_MALFORMED,
            passing=False,
        )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Secret(b"".join([pem, *(one.public_bytes(Encoding.PEM) for one in (own, *others))]).decode())


def _fault(error: AzureError, address: KeyVaultAddress, sign_in: Mapping[str, Secret]) -> Fault:
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return _unavailable(address, f"does not answer; it is tried again. {one_line(error.message, sign_in.values())}")
    response = getattr(error, "response", None)
    status: int = getattr(response, "status_code", 0)
    if status < 400:
        return _odd(address)
    if status == 429:
        text = "asks us to slow down; it is tried again."
        return _unavailable(address, text, throttled=True, after=retry_after_s(response))
    if status == 408 or status >= 500:
        return _unavailable(address, f"fails ({status}); it is tried again.", after=retry_after_s(response))
    code, inner, message = _told(response)
    return _refused(address, status, code, inner, f"It says: {one_line(message, sign_in.values()) or 'nothing'}")


def _refused(address: KeyVaultAddress, status: int, code: str, inner: str, said: str) -> Fault:
    if status == 401:
        text = (
            f"{address.vault_url} does not accept the token of {whom(address.identity)}: is the vault in the same "
            f"tenant and cloud? {said}"
        )
        return Fault(text, reason=Reason.SECRET_FORBIDDEN, passing=True)
    if status == 403:
        advice = _FORBIDDEN.get(inner, "{whom} may not read it.").format(whom=whom(address.identity))
        text = f"{_which(address)} is refused: {advice} {said}"
        return Fault(text, reason=Reason.SECRET_FORBIDDEN, passing=False)
    if status == 404 and code == "SecretNotFound":
        text = f"{_which(address)} does not exist: create it, or recover it if it has been deleted."
    elif status == 404:
        text = f"{address.vault_url} is no vault of Azure: it knows no secrets. {said}"
    else:
        text = f"{_which(address)} cannot be read ({status}): correct its name or version. {said}"
    return Fault(text, reason=Reason.SECRET_NOT_FOUND, passing=False)


def _told(response: Any) -> tuple[str, str, str]:
    """Code, inner code and message of an error answer; empty where it is of another form."""
    try:
        error = response.json()["error"]
        inner = (error.get("innererror") or {}).get("code", "")
        return str(error["code"]), str(inner), str(error["message"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return "", "", ""


def _unavailable(address: KeyVaultAddress, text: str, *, throttled: bool = False, after: float | None = None) -> Fault:
    return Fault(
        f"Key Vault {address.vault_url} {text}",
        reason=Reason.STORE_UNAVAILABLE,
        passing=True,
        throttled=throttled,
        retry_after_s=after,
    )


def _odd(address: KeyVaultAddress) -> Fault:
    return _unavailable(address, "answered without a secret. Does something else answer in its place?")


def _which(address: KeyVaultAddress) -> str:
    version = f", version {address.version}," if address.version else ""
    return f"The secret {address.name}{version} of Key Vault {address.vault_url}"
