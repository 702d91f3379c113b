"""How to sign in to the stores outside the cluster that a provider's values are kept in.

The values of these sign-ins are kept in Kubernetes Secrets: a store that is opened with a value of another store would
have no end.
"""

from typing import Annotated

from pydantic import Field

from pilothouse_api.resources.aws import Region, RoleChain
from pilothouse_api.resources.entra import ManagedIdentity, StoreServicePrincipal, WorkloadIdentity
from pilothouse_api.resources.refs import ClusterSecret
from pilothouse_api.resources.rules import Part, Rule
from pilothouse_api.resources.secret_values import VaultPath
from pilothouse_api.resources.urls import HostURL

EMAIL = "^[a-z0-9-]+@[a-z0-9.-]+$"
VAULT_NAME = "^[A-Za-z0-9_.-]+$"
VAULT_NAMESPACE = "^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*/?$"


class OwnIdentity(Part):
    """What the operator itself is (workload identity)."""


class StoreAccessKey(Part):
    """An AWS access key, permanent or temporary, kept in Kubernetes Secrets."""

    access_key_id: ClusterSecret = Field(description="The access key's id.")
    secret_access_key: ClusterSecret = Field(description="The secret access key.")
    session_token: ClusterSecret | None = Field(
        default=None, description="The session token, which temporary credentials need."
    )


class AWSStoreAuth(Part):
    """How to sign in to the stores of AWS."""

    default: OwnIdentity | None = Field(
        default=None, description="The operator's own identity: IRSA, EKS Pod Identity, its environment."
    )
    access_key: StoreAccessKey | None = Field(default=None, description="An access key.")

    rules = (
        Rule(
            cel="has(self.default) != has(self.accessKey)",
            message="exactly one of default, accessKey must be set",
            holds=lambda it: (it.default is None) != (it.access_key is None),
        ),
    )


class AWSStores(Part):
    """AWS Secrets Manager and Parameter Store."""

    region: Region | None = Field(default=None, description="Region of the values that name none.")
    auth: AWSStoreAuth | None = Field(default=None, description="How to sign in; `default` if absent.")
    assume_role: RoleChain = Field(
        default=(), description="Roles to assume, one after the other, such as one of the account that has the secrets."
    )
    endpoint: HostURL | None = Field(
        default=None, description="URL to call instead of the stores' public ones (a VPC interface endpoint)."
    )
    sts_endpoint: HostURL | None = Field(
        default=None, description="URL to assume roles at instead of the region's public STS."
    )


class KeyVaultAuth(Part):
    """How to sign in to Azure Key Vault."""

    workload_identity: WorkloadIdentity | None = Field(
        default=None, description="The operator's ServiceAccount as an application that trusts it."
    )
    managed_identity: ManagedIdentity | None = Field(
        default=None, description="The managed identity of the operator's node."
    )
    service_principal: StoreServicePrincipal | None = Field(
        default=None, description="An application with a client secret or a certificate."
    )

    rules = (
        Rule(
            cel="[has(self.workloadIdentity), has(self.managedIdentity), has(self.servicePrincipal)]"
            ".filter(x, x).size() == 1",
            message="exactly one of workloadIdentity, managedIdentity, servicePrincipal must be set",
            holds=lambda it: (
                sum(way is not None for way in (it.workload_identity, it.managed_identity, it.service_principal)) == 1
            ),
        ),
    )


class KeyVaultStores(Part):
    """Azure Key Vault."""

    auth: KeyVaultAuth | None = Field(default=None, description="How to sign in; `workloadIdentity` if absent.")
    authority_host: HostURL | None = Field(
        default=None, description="URL of Entra's sign-in; that of the vault's cloud if absent."
    )


class KubernetesAuth(Part):
    """Vault's Kubernetes auth method, with the token of the operator's ServiceAccount."""

    role: Annotated[str, Field(min_length=1, max_length=253, pattern=VAULT_NAME)] = Field(
        description="Role of the auth method."
    )
    mount: VaultPath = Field(default="kubernetes", description="Where the auth method is mounted.")


class VaultAuth(Part):
    """How to sign in to Vault."""

    kubernetes: KubernetesAuth | None = Field(default=None, description="The operator's ServiceAccount.")
    token: ClusterSecret | None = Field(default=None, description="A Vault token.")

    rules = (
        Rule(
            cel="has(self.kubernetes) != has(self.token)",
            message="exactly one of kubernetes, token must be set",
            holds=lambda it: (it.kubernetes is None) != (it.token is None),
        ),
    )


class VaultStore(Part):
    """One HashiCorp Vault."""

    server: HostURL = Field(description="URL of the server: `https://vault.example.com:8200`.")
    namespace: Annotated[str, Field(min_length=1, max_length=253, pattern=VAULT_NAMESPACE)] | None = Field(
        default=None, description="Namespace of Vault Enterprise."
    )
    ca_bundle: Annotated[str, Field(min_length=1, max_length=65_536, pattern="-----BEGIN CERTIFICATE-----")] | None = (
        Field(default=None, description="PEM certificates to trust instead of the system's.")
    )
    auth: VaultAuth = Field(description="How to sign in.")


class GCPStoreAuth(Part):
    """How to sign in to Google Cloud."""

    default: OwnIdentity | None = Field(
        default=None, description="The operator's own identity: Workload Identity Federation, its environment."
    )
    service_account_key: ClusterSecret | None = Field(
        default=None, description="The key file (JSON) of a service account."
    )

    rules = (
        Rule(
            cel="has(self.default) != has(self.serviceAccountKey)",
            message="exactly one of default, serviceAccountKey must be set",
            holds=lambda it: (it.default is None) != (it.service_account_key is None),
        ),
    )


class GCPStores(Part):
    """Google Cloud Secret Manager."""

    auth: GCPStoreAuth | None = Field(default=None, description="How to sign in; `default` if absent.")
    impersonate: Annotated[str, Field(max_length=253, pattern=EMAIL)] | None = Field(
        default=None, description="E-mail address of a service account to act as."
    )
    endpoint: HostURL | None = Field(default=None, description="URL to call instead of Google's public one.")


class SecretStoresSpec(Part):
    """How to sign in to the stores that values of this provider name.

    Without a word on a store, the operator's own identity (workload identity) is used; only Vault needs one.
    """

    aws: AWSStores | None = Field(default=None, description="For `awsSecretsManager` and `awsParameter`.")
    azure_key_vault: KeyVaultStores | None = Field(default=None, description="For `azureKeyVault`.")
    vault: VaultStore | None = Field(default=None, description="For `vault`.")
    gcp: GCPStores | None = Field(default=None, description="For `gcpSecretManager`.")
