"""Applications of Microsoft Entra, as Azure OpenAI and Key Vault are signed in to with."""

import enum
from typing import Annotated

from pydantic import Field

from pilothouse_api.resources.refs import ClusterSecret
from pilothouse_api.resources.rules import Part, Rule
from pilothouse_api.resources.secret_values import SecretValue

GUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
TENANT = "^[0-9A-Za-z][0-9A-Za-z.-]*$"
RESOURCE_ID = "^/subscriptions/[!-~]+$"

Guid = Annotated[str, Field(max_length=36, pattern=GUID)]
Tenant = Annotated[str, Field(max_length=253, pattern=TENANT)]


class SendChain(enum.StrEnum):
    """Whether the certificate itself is sent along."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class Application(Part):
    """A registered application and its tenant."""

    tenant_id: Tenant = Field(description="The tenant: its id, or a domain of it.")
    client_id: Guid = Field(description="The application (client) id.")
    send_certificate_chain: SendChain = Field(
        default=SendChain.DISABLED,
        description="`Enabled` sends the certificate along, for applications that trust a subject name and issuer "
        "instead of one certificate.",
    )


_ONE_PROOF = Rule(
    cel="has(self.clientSecret) != has(self.certificate)",
    message="exactly one of clientSecret, certificate must be set",
    holds=lambda it: (it.client_secret is None) != (it.certificate is None),
)
_PASSWORD_OF_A_CERTIFICATE = Rule(
    cel="!has(self.password) || has(self.certificate)",
    message="password is that of the certificate's key: leave it out with clientSecret",
    holds=lambda it: it.password is None or it.certificate is not None,
)
_OF_SECRET = Field(default=None, description="A client secret of the application.")
_OF_CERTIFICATE = Field(default=None, description="PEM: the certificate and its private key.")
_OF_KEY = Field(default=None, description="The password of the certificate's key, if that has one.")


class ServicePrincipal(Application):
    """An application with a client secret or a certificate, kept in any store."""

    client_secret: SecretValue | None = _OF_SECRET
    certificate: SecretValue | None = _OF_CERTIFICATE
    password: SecretValue | None = _OF_KEY

    rules = (_ONE_PROOF, _PASSWORD_OF_A_CERTIFICATE)


class StoreServicePrincipal(Application):
    """An application with a client secret or a certificate, kept in Kubernetes Secrets."""

    client_secret: ClusterSecret | None = _OF_SECRET
    certificate: ClusterSecret | None = _OF_CERTIFICATE
    password: ClusterSecret | None = _OF_KEY

    rules = (_ONE_PROOF, _PASSWORD_OF_A_CERTIFICATE)


class ManagedIdentity(Part):
    """The operator's managed identity: the system's own if nothing is named."""

    client_id: Guid | None = Field(default=None, description="Client id of a user-assigned identity.")
    object_id: Guid | None = Field(default=None, description="Object (principal) id of a user-assigned identity.")
    resource_id: Annotated[str, Field(max_length=2048, pattern=RESOURCE_ID)] | None = Field(
        default=None, description="Resource id of a user-assigned identity: `/subscriptions/…`."
    )

    rules = (
        Rule(
            cel="[has(self.clientId), has(self.objectId), has(self.resourceId)].filter(x, x).size() <= 1",
            message="at most one of clientId, objectId, resourceId may be set",
            holds=lambda it: sum(one is not None for one in (it.client_id, it.object_id, it.resource_id)) <= 1,
        ),
    )


class WorkloadIdentity(Part):
    """The operator's ServiceAccount, which an application or a managed identity trusts (federated credential)."""

    client_id: Guid | None = Field(
        default=None, description="Client id to sign in as; the pod's `AZURE_CLIENT_ID` if absent."
    )
    tenant_id: Tenant | None = Field(default=None, description="Its tenant; the pod's `AZURE_TENANT_ID` if absent.")
