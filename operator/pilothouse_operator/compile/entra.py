"""Sign-ins of Microsoft Entra: the authority of each cloud, and the identity of each way.

Authorities: azure.identity.AzureAuthorityHosts; they hold for every service of a cloud.
"""

from typing import TypeVar

from pilothouse_api.resources import urls
from pilothouse_api.resources.entra import (
    Application,
    ManagedIdentity,
    SendChain,
    ServicePrincipal,
    StoreServicePrincipal,
    WorkloadIdentity,
)
from pilothouse_api.resources.providers.azure_openai import AzureCloud
from pilothouse_api.resources.refs import ClusterSecret
from pilothouse_api.resources.secret_values import SecretValue
from pilothouse_operator.compile.identities import EntraIdentity, EntraWay

_AUTHORITIES = {
    AzureCloud.PUBLIC: "https://login.microsoftonline.com",
    AzureCloud.US_GOVERNMENT: "https://login.microsoftonline.us",
    AzureCloud.CHINA: "https://login.chinacloudapi.cn",
}

_Value = TypeVar("_Value")

Entrance = Application | ManagedIdentity | WorkloadIdentity


def authority(host: str | None, cloud: AzureCloud) -> str:
    """What the manifest names, else the sign-in of the cloud."""
    return urls.normalised(host) if host is not None else _AUTHORITIES[cloud]


def identity(way: Entrance, at: str) -> EntraIdentity:
    """Who signs in at the authority `at`."""
    if isinstance(way, ManagedIdentity):
        return EntraIdentity(
            way=EntraWay.MANAGED_IDENTITY,
            authority=at,
            client_id=way.client_id or "",
            object_id=way.object_id or "",
            resource_id=way.resource_id or "",
        )
    if isinstance(way, WorkloadIdentity):
        return EntraIdentity(
            way=EntraWay.WORKLOAD_IDENTITY,
            authority=at,
            tenant_id=way.tenant_id or "",
            client_id=way.client_id or "",
        )
    return EntraIdentity(
        way=EntraWay.SERVICE_PRINCIPAL,
        authority=at,
        tenant_id=way.tenant_id,
        client_id=way.client_id,
        send_chain=way.send_certificate_chain is SendChain.ENABLED,
    )


def values(principal: ServicePrincipal) -> dict[str, SecretValue]:
    """By the manifest's names, those that are set."""
    return _set(principal.client_secret, principal.certificate, principal.password)


def store_values(principal: StoreServicePrincipal) -> dict[str, ClusterSecret]:
    """The same of a sign-in to a store."""
    return _set(principal.client_secret, principal.certificate, principal.password)


def _set(client_secret: _Value | None, certificate: _Value | None, password: _Value | None) -> dict[str, _Value]:
    members = {"clientSecret": client_secret, "certificate": certificate, "password": password}
    return {name: value for name, value in members.items() if value is not None}
