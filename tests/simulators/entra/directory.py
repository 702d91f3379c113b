"""What Entra knows: tenants, applications with their secrets, certificates and federated credentials, resources."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509

TENANT_ID = "11111111-aaaa-4aaa-8aaa-111111111111"


@dataclass(frozen=True)
class Federated:
    """A federated identity credential: all three must be those of the token."""

    issuer: str
    subject: str
    audience: str = "api://AzureADTokenExchange"


@dataclass(frozen=True)
class TrustedName:
    """Subject name and issuer authentication: a certificate of this subject, issued by `authority`."""

    authority: x509.Certificate
    common_name: str


@dataclass
class Application:
    client_id: str
    tenant_id: str = TENANT_ID
    object_id: str = "22222222-bbbb-4bbb-8bbb-222222222222"
    enabled: bool = True
    secrets: dict[str, float | None] = field(default_factory=dict)
    """Value → when it ends (Unix seconds), None = not."""
    certificates: list[x509.Certificate] = field(default_factory=list)
    trusted_names: list[TrustedName] = field(default_factory=list)
    federated: list[Federated] = field(default_factory=list)


@dataclass(frozen=True)
class ManagedIdentity:
    client_id: str
    object_id: str
    resource_id: str = ""
    tenant_id: str = TENANT_ID


@dataclass
class Directory:
    tenants: set[str] = field(default_factory=lambda: {TENANT_ID})
    domains: dict[str, str] = field(default_factory=dict)
    """Other names of tenants."""
    applications: dict[str, Application] = field(default_factory=dict)
    """By client id."""
    resources: set[str] = field(
        default_factory=lambda: {
            "https://cognitiveservices.azure.com",
            "https://ai.azure.com",
            "https://vault.azure.net",
            "https://management.azure.com",
        }
    )
    issuers: dict[str, str] = field(default_factory=dict)
    """Of federated tokens: issuer → its public key (PEM)."""
    system_assigned: ManagedIdentity | None = None
    user_assigned: list[ManagedIdentity] = field(default_factory=list)

    def add(self, application: Application) -> Application:
        self.applications[application.client_id] = application
        return application
