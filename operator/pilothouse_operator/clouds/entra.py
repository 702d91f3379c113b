"""Signs the operator in to Entra, by azure-identity: an application, a managed identity, a workload identity.

Its asynchronous credentials, over connections that all of them share. These ask the authority that they are given and
no other: they have no instance discovery that could refuse a sovereign or private cloud.
"""

import asyncio
import logging
import os
import ssl
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
from azure.core.credentials import AccessTokenInfo, TokenRequestOptions
from azure.core.credentials_async import AsyncSupportsTokenInfo
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import (
    ClientAssertionCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.clouds import entra_faults
from pilothouse_operator.clouds.entra_certificate import ApplicationCertificate
from pilothouse_operator.compile.identities import EntraIdentity, EntraWay
from pilothouse_operator.ports import Fault

T = TypeVar("T")

PATIENCE_S = 10.0
"""For one token, whatever happens on the way, once it is its turn."""
AT_ONCE = 32
"""Tokens asked for at the same time; others wait for their turn, so that a crowd makes nobody late."""

_CONNECTIONS = 64
_CERTIFICATES = 512
# One more try over a new connection, for one that was closed while idle; everything else is the broker's to pace.
_RETRIES = {"retry_total": 1, "retry_connect": 1, "retry_read": 0, "retry_status": 0}
_TIMEOUTS: dict[str, float] = {"connection_timeout": 3, "read_timeout": 6}
_WORKLOAD = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE")

# It tells of every request, and of each failure with the service's own words. What matters is in the Fault.
logging.getLogger("azure").setLevel(logging.ERROR)


def connect() -> aiohttp.ClientSession:
    """Connections for everything of Azure, for the caller to close. They trust SSL_CERT_FILE, or else the system."""
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=ssl.create_default_context())
    # As azure-core makes its own: it inflates bodies itself, and cookies have no place here.
    return aiohttp.ClientSession(
        connector=connector, trust_env=True, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    )


class Entra:
    """Makes credentials of azure-identity for identities."""

    def __init__(self, *, session: aiohttp.ClientSession) -> None:
        self._transport = AioHttpTransport(session=session, session_owner=False, **_TIMEOUTS)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._certificates: OrderedDict[tuple[Secret, Secret | None], ApplicationCertificate] = OrderedDict()

    @property
    def options(self) -> dict[str, Any]:
        """For any client of Azure's SDK: the shared connections, how long it waits, and how little it repeats."""
        return {"transport": self._transport, **_RETRIES, **_TIMEOUTS}

    async def credential(self, identity: EntraIdentity, values: Mapping[str, Secret]) -> "EntraCredential":
        """A new one, which has cached no token. Raises Fault where identity and values make none."""
        match identity.way:
            case EntraWay.SERVICE_PRINCIPAL:
                inner = await self._service_principal(identity, values)
            case EntraWay.MANAGED_IDENTITY:
                inner = self._managed_identity(identity)
            case EntraWay.WORKLOAD_IDENTITY:
                inner = self._workload_identity(identity)
        return EntraCredential(inner, identity=identity, values=values, turns=self._turns)

    async def _service_principal(self, identity: EntraIdentity, values: Mapping[str, Secret]) -> AsyncSupportsTokenInfo:
        options = {**self.options, "authority": identity.authority}
        tenant, client = identity.tenant_id, identity.client_id
        if "clientSecret" in values:
            secret = values["clientSecret"].reveal()
            return _made(identity, lambda: ClientSecretCredential(tenant, client, secret, **options))
        certificate = await self._certificate(values["certificate"], values.get("password"))
        token_url = f"{identity.authority.rstrip('/')}/{tenant}/oauth2/v2.0/token"

        def assertion() -> str:
            return certificate.assertion(client_id=client, token_url=token_url, send_chain=identity.send_chain)

        return _made(identity, lambda: ClientAssertionCredential(tenant, client, assertion, **options))

    async def _certificate(self, pem: Secret, password: Secret | None) -> ApplicationCertificate:
        """As last read: OpenSSL's checks of an RSA key take it 50 ms, too long for every token."""
        known = self._certificates.get((pem, password))
        if known is None:
            try:
                known = await asyncio.to_thread(ApplicationCertificate, pem, password)
            except (ValueError, TypeError):
                # What cryptography says of it is no help to the reader, and might quote it.
                raise Fault(
                    "The certificate cannot be used: it must be PEM with an unencrypted RSA private key and its "
                    "certificate in one text, or with an encrypted key and just its password.",
                    reason=Reason.SECRET_MALFORMED,
                    passing=False,
                    field="certificate",
                ) from None
            self._certificates[pem, password] = known
        self._certificates.move_to_end((pem, password))
        if len(self._certificates) > _CERTIFICATES:
            self._certificates.popitem(last=False)
        return known

    def _managed_identity(self, identity: EntraIdentity) -> AsyncSupportsTokenInfo:
        chosen: dict[str, Any] = {}
        if identity.client_id:
            chosen["client_id"] = identity.client_id
        elif identity.object_id or identity.resource_id:
            _refuse_workload_identity(identity)
            # The two families of endpoints spell it differently, and both pass over what they do not know.
            resource_id = "mi_res_id" if "IDENTITY_ENDPOINT" in os.environ else "msi_res_id"
            by_object = {"object_id": identity.object_id}
            chosen["identity_config"] = by_object if identity.object_id else {resource_id: identity.resource_id}
        return _made(identity, lambda: ManagedIdentityCredential(**chosen, **self.options))

    def _workload_identity(self, identity: EntraIdentity) -> AsyncSupportsTokenInfo:
        given = (identity.client_id, identity.tenant_id, "")
        missing = [name for name, own in zip(_WORKLOAD, given, strict=True) if not own and not os.environ.get(name)]
        if missing:
            raise Fault(
                f"The operator's pod has no workload identity ({', '.join(missing)} not set): label it "
                "azure.workload.identity/use=true, and annotate its ServiceAccount with "
                "azure.workload.identity/client-id.",
                reason=Reason.SIGN_IN_REFUSED,
                passing=False,
            )
        # The file is read by every new credential: kubelet replaces it long before the token in it ends. Where AKS has
        # a proxy of its own for this, the credential has connections of its own to it.
        options = {**self.options, "authority": identity.authority or None, "enable_azure_proxy": True}
        client, tenant = identity.client_id or None, identity.tenant_id or None
        return _made(identity, lambda: WorkloadIdentityCredential(client_id=client, tenant_id=tenant, **options))


class Closing(ABC):
    """What Azure's clients want of a credential besides its tokens: a context that closes it."""

    @abstractmethod
    async def close(self) -> None:
        """Ends what is its own."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()


class EntraCredential(Closing):
    """A credential for Azure's clients that raises Fault, and nothing else, when there is no token.

    Caches tokens as azure-identity does: who needs one that is new asks a new credential.
    """

    def __init__(
        self,
        inner: AsyncSupportsTokenInfo,
        *,
        identity: EntraIdentity,
        values: Mapping[str, Secret],
        turns: asyncio.Semaphore,
    ) -> None:
        self._inner = inner
        self._identity = identity
        self._values = values
        self._turns = turns

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Waits for its turn, then PATIENCE_S at most."""
        try:
            async with self._turns, asyncio.timeout(PATIENCE_S):
                found = await self._inner.get_token_info(*scopes, options=options)
        except TimeoutError:
            raise entra_faults.late(self._identity, PATIENCE_S) from None
        except (AzureError, OSError) as error:
            # Not as its cause: a traceback would show the body of an answer.
            raise entra_faults.fault(error, self._identity, self._values.values()) from None
        except (AttributeError, LookupError, TypeError, ValueError):
            # What the SDK stumbles over when an answer is JSON of another form.
            raise entra_faults.unusable(self._identity) from None
        token = found.token
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable() or " " in token:
            raise entra_faults.unusable(self._identity)
        return found

    async def close(self) -> None:
        """The shared connections stay open."""
        await self._inner.close()


def _made(identity: EntraIdentity, make: Callable[[], T]) -> T:
    """The SDK's own checks of what the manifest says."""
    try:
        return make()
    except ValueError as error:
        raise Fault(
            f"The sign-in of {entra_faults.whom(identity)} is not possible: {entra_faults.one_line(str(error))}",
            reason=Reason.SIGN_IN_REFUSED,
            passing=False,
        ) from None


def _refuse_workload_identity(identity: EntraIdentity) -> None:
    """A pod that AKS has given a workload identity gets that from azure-identity, whatever the id asked for."""
    if all(os.environ.get(name) for name in ("AZURE_AUTHORITY_HOST", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE")):
        raise Fault(
            f"The operator's pod signs in by workload identity, which cannot find {entra_faults.whom(identity)} by "
            "that id: name its client id.",
            reason=Reason.SIGN_IN_REFUSED,
            passing=False,
            field="objectId" if identity.object_id else "resourceId",
        )
