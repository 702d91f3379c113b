"""Who the operator is to a cloud or a store, and what is to be issued there. Frozen values that can be compared.

Values of Secrets are not in here: what needs some (an access key, a client secret) finds them in `values` beside it.
"""

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedRole:
    """One link of a chain: AssumeRole with what the link before it has given."""

    role_arn: str
    external_id: str = ""
    session_tags: tuple[tuple[str, str], ...] = ()
    transitive_tags: tuple[str, ...] = ()
    """Keys of tags that the roles after it get too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AWSIdentity:
    """Values `accessKeyId`, `secretAccessKey`, `sessionToken`; without them the operator's own (default chain)."""

    region: str
    roles: tuple[AssumedRole, ...] = ()
    sts_endpoint: str = ""
    """URL instead of the region's public one."""


class BedrockForm(enum.StrEnum):
    """What proxies get; the values are the manifest's."""

    SESSION = "Session"
    API_KEY = "APIKey"
    """A short-term Bedrock API key, made of the session."""


class BedrockHost(enum.StrEnum):
    """What a session is for: each host has IAM actions of its own."""

    RUNTIME = "bedrock-runtime"
    MANTLE = "bedrock-mantle"


@dataclass(frozen=True, slots=True, kw_only=True)
class AWSSession:
    """To issue: a session of STS for Bedrock."""

    identity: AWSIdentity
    duration_s: int = 3_600
    models: tuple[str, ...] | None = None
    """Upstream models to narrow it to; empty = every model, but Bedrock alone; None = no session policy at all."""
    form: BedrockForm = BedrockForm.SESSION
    hosts: tuple[BedrockHost, ...] = (BedrockHost.RUNTIME,)


class EntraWay(enum.StrEnum):
    """How an application signs in to Entra; the values are the manifest's."""

    SERVICE_PRINCIPAL = "servicePrincipal"
    MANAGED_IDENTITY = "managedIdentity"
    WORKLOAD_IDENTITY = "workloadIdentity"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntraIdentity:
    """Values of a service principal: `clientSecret`, or `certificate` (PEM with its key) and `password` of the key.

    Empty fields of the other two are the pod's own (`AZURE_CLIENT_ID`, …), as AKS sets them.
    """

    way: EntraWay
    authority: str
    """URL of the cloud's sign-in (`https://login.microsoftonline.com`)."""
    tenant_id: str = ""
    client_id: str = ""
    object_id: str = ""
    resource_id: str = ""
    """Of a user-assigned managed identity: at most one of client_id, object_id, resource_id."""
    send_chain: bool = False
    """Send the certificate itself too (subject name and issuer authentication)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntraAccess:
    """To issue: an access token for `scope` (`https://cognitiveservices.azure.com/.default`)."""

    identity: EntraIdentity
    scope: str


Grant = AWSSession | EntraAccess
"""What a service of a cloud is asked to issue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleIdentity:
    """Value `key`: a service account's key file (JSON); without it the operator's own (default credentials)."""

    impersonate: str = ""
    """E-mail address of a service account to act as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultIdentity:
    """Kubernetes auth with the operator's ServiceAccount token; with the value `token`, that Vault token."""

    role: str = ""
    mount: str = "kubernetes"
    """Where the auth method is mounted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AWSSecretAddress:
    """A secret of AWS Secrets Manager. `secret_id`: name or ARN."""

    identity: AWSIdentity
    region: str
    secret_id: str
    version_stage: str = ""
    version_id: str = ""
    endpoint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AWSParameterAddress:
    """A parameter of the SSM Parameter Store. `name` may end in `:version` or `:label`."""

    identity: AWSIdentity
    region: str
    name: str
    endpoint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVaultAddress:
    """A secret of Azure Key Vault, or the one that holds a certificate with its key. `version` empty: the newest."""

    identity: EntraIdentity
    vault_url: str
    name: str
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleSecretAddress:
    """A version (number, alias or `latest`) of a secret in Google Secret Manager."""

    identity: GoogleIdentity
    project: str
    secret: str
    version: str = "latest"
    endpoint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultAddress:
    """A secret of a KV version 2 engine. `version` 0: the newest."""

    identity: VaultIdentity
    server: str
    """URL."""
    path: str
    mount: str = "secret"
    version: int = 0
    namespace: str = ""
    """Of Vault Enterprise."""
    ca_bundle: str = ""
    """PEM certificates to trust instead of the system's."""


Address = AWSSecretAddress | AWSParameterAddress | KeyVaultAddress | GoogleSecretAddress | VaultAddress
"""What one call to a store fetches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BedrockAccount:
    """The models of Bedrock in a region. `endpoint`: URL of the control plane instead of the region's public one."""

    identity: AWSIdentity
    region: str
    endpoint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureAccount:
    """The deployments of an Azure OpenAI resource, as Azure Resource Manager at `endpoint` lists them."""

    identity: EntraIdentity
    resource_id: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a manifest says, and by which way. Value `apiKey`, or none. `proxy`: URL of a forward proxy, or empty.

    A proxy that asks for a user gets the values `username` and `password`.
    """

    url: str
    ca_bundle: str = ""
    proxy: str = ""
    proxy_ca_bundle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelServer(Server):
    """One that speaks the OpenAI API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicServer(Server):
    """One that speaks Anthropic's API: Anthropic itself, or another."""


Account = AnthropicServer | AzureAccount | BedrockAccount | ModelServer
"""Whose models are listed."""
