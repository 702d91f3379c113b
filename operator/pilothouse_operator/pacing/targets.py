"""Whose patience is shared: the calls that one service counts together. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse_api.secret import Secret
from pilothouse_operator.compile.identities import (
    Account,
    Address,
    AnthropicServer,
    AWSParameterAddress,
    AWSSecretAddress,
    AWSSession,
    AzureAccount,
    BedrockAccount,
    EntraIdentity,
    EntraWay,
    GoogleSecretAddress,
    Grant,
    KeyVaultAddress,
    ModelServer,
    VaultAddress,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A service, and which of its counters. `service` is one of a few words: a label of metrics."""

    service: str
    where: str
    caller: Secret | None = field(default=None, repr=False)
    """Whoever signs in as somebody of its own has its own quota, and its excess is nobody else's."""

    def __str__(self) -> str:
        return f"{_NAMES[self.service]} ({self.where})"


_NAMES = {
    "sts": "AWS STS",
    "entra": "Microsoft Entra",
    "managedIdentity": "the managed identity endpoint",
    "awsSecretsManager": "AWS Secrets Manager",
    "awsParameterStore": "AWS Parameter Store",
    "azureKeyVault": "Azure Key Vault",
    "gcpSecretManager": "Google Secret Manager",
    "vault": "Vault",
    "bedrock": "Bedrock",
    "azureResourceManager": "Azure Resource Manager",
    "modelServer": "the model server",
    "anthropic": "Anthropic",
}


def of_grant(grant: Grant, values: Mapping[str, Secret]) -> Target:
    """STS counts by the account that calls and by region, Entra by tenant; a node's identity endpoint by itself."""
    if isinstance(grant, AWSSession):
        return _aws("sts", grant.identity.sts_endpoint or grant.identity.region, values)
    return _entra(grant.identity)


def of_address(address: Address, sign_in: Mapping[str, Secret]) -> Target:
    """AWS's stores count by account and region, Google by project, the others are servers or vaults of their own."""
    match address:
        case AWSSecretAddress():
            return _aws("awsSecretsManager", address.endpoint or address.region, sign_in)
        case AWSParameterAddress():
            return _aws("awsParameterStore", address.endpoint or address.region, sign_in)
        case KeyVaultAddress():
            return Target(service="azureKeyVault", where=address.vault_url)
        case GoogleSecretAddress():
            return Target(service="gcpSecretManager", where=address.endpoint or address.project)
        case VaultAddress():
            return Target(service="vault", where=address.server)


def of_account(account: Account, values: Mapping[str, Secret]) -> Target:
    """Bedrock counts by account and region, Azure Resource Manager by subscription; a server is one of its own."""
    match account:
        case BedrockAccount():
            return _aws("bedrock", account.endpoint or account.region, values)
        case AzureAccount():
            return Target(service="azureResourceManager", where=account.endpoint)
        case ModelServer():
            return Target(service="modelServer", where=account.url)
        case AnthropicServer():
            return Target(service="anthropic", where=account.url, caller=values.get("apiKey"))


def _aws(service: str, where: str, values: Mapping[str, Secret]) -> Target:
    return Target(service=service, where=where, caller=values.get("accessKeyId"))


def _entra(identity: EntraIdentity) -> Target:
    if identity.way is EntraWay.MANAGED_IDENTITY:
        return Target(service="managedIdentity", where="of this node")
    return Target(service="entra", where=f"{identity.authority}/{identity.tenant_id}".rstrip("/"))
