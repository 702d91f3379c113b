"""Where a secret value is kept: a Kubernetes Secret, or a store outside the cluster.

How to sign in to a store is said once a provider, in `secretStores`. Bounds: each store's API reference.
"""

from typing import Annotated

from pydantic import Field, Strict

from pilothouse_api.resources.aws import Region
from pilothouse_api.resources.durations import RefreshInterval
from pilothouse_api.resources.refs import SecretKeyRef
from pilothouse_api.resources.rules import Part, Rule

AWS_ID = "^[A-Za-z0-9/_+=.@:!-]+$"
PARAMETER = "^[A-Za-z0-9/_.:-]+$"
_PORT = "([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
KEY_VAULT_URL = f"^https://[A-Za-z0-9][A-Za-z0-9.-]*(:{_PORT})?/?$"
KEY_VAULT_NAME = "^[0-9A-Za-z-]+$"
KEY_VAULT_VERSION = "^[0-9a-f]{32}$"
PROJECT = "^[a-z0-9][a-z0-9.:-]*$"
GOOGLE_NAME = "^[A-Za-z0-9_-]+$"
VAULT_PATH = "^[A-Za-z0-9_@+=~-][A-Za-z0-9_.@+=~-]*(/[A-Za-z0-9_@+=~-][A-Za-z0-9_.@+=~-]*)*$"
"""No part begins with a dot: none leads out of the mount."""

JsonKey = Annotated[str, Field(min_length=1, max_length=253)]
VaultPath = Annotated[str, Field(max_length=512, pattern=VAULT_PATH)]

_JSON_KEY = "Member of the JSON object that the secret is; all of it if absent."
_REFRESH = "How often the store is asked."
_REGION = "That of the ARN, of `secretStores.aws`, or of `bedrock` if absent."


class AWSSecretsManagerRef(Part):
    """A secret of AWS Secrets Manager; the newest version if none is named."""

    secret_id: Annotated[str, Field(min_length=1, max_length=2048, pattern=AWS_ID)] = Field(
        description="Name or ARN of the secret."
    )
    json_key: JsonKey | None = Field(default=None, description=_JSON_KEY)
    version_stage: Annotated[str, Field(min_length=1, max_length=256, pattern=AWS_ID)] | None = Field(
        default=None, description="Staging label, such as `AWSPREVIOUS`."
    )
    version_id: Annotated[str, Field(min_length=32, max_length=64, pattern=AWS_ID)] | None = Field(
        default=None, description="Id of one version."
    )
    region: Region | None = Field(default=None, description=_REGION)
    refresh_interval: RefreshInterval = Field(default="5m", description=_REFRESH)

    rules = (
        Rule(
            cel="!has(self.versionStage) || !has(self.versionId)",
            message="at most one of versionStage, versionId may be set",
            holds=lambda it: it.version_stage is None or it.version_id is None,
        ),
    )


class AWSParameterRef(Part):
    """A parameter of the AWS Systems Manager Parameter Store, decrypted."""

    name: Annotated[str, Field(min_length=1, max_length=2048, pattern=PARAMETER)] = Field(
        description="Name or ARN; `:3` or `:label` at its end names a version."
    )
    json_key: JsonKey | None = Field(default=None, description=_JSON_KEY)
    region: Region | None = Field(default=None, description=_REGION)
    refresh_interval: RefreshInterval = Field(default="5m", description=_REFRESH)


class AzureKeyVaultRef(Part):
    """A secret of Azure Key Vault, or a certificate with its key by the certificate's name."""

    vault_url: Annotated[str, Field(max_length=253, pattern=KEY_VAULT_URL)] = Field(
        alias="vaultURL", description="`https://<name>.vault.azure.net`."
    )
    name: Annotated[str, Field(min_length=1, max_length=127, pattern=KEY_VAULT_NAME)] = Field(
        description="Name of the secret or certificate."
    )
    version: Annotated[str, Field(max_length=32, pattern=KEY_VAULT_VERSION)] | None = Field(
        default=None, description="One version; the newest if absent."
    )
    json_key: JsonKey | None = Field(default=None, description=_JSON_KEY)
    refresh_interval: RefreshInterval = Field(default="5m", description=_REFRESH)


class GCPSecretManagerRef(Part):
    """A secret of Google Cloud's Secret Manager."""

    project: Annotated[str, Field(max_length=64, pattern=PROJECT)] = Field(description="Id or number of the project.")
    secret: Annotated[str, Field(min_length=1, max_length=255, pattern=GOOGLE_NAME)] = Field(
        description="Name of the secret."
    )
    version: Annotated[str, Field(min_length=1, max_length=63, pattern=GOOGLE_NAME)] = Field(
        default="latest", description="Number or alias of the version."
    )
    json_key: JsonKey | None = Field(default=None, description=_JSON_KEY)
    refresh_interval: RefreshInterval = Field(default="5m", description=_REFRESH)


class VaultRef(Part):
    """A key of a secret in HashiCorp Vault (KV version 2)."""

    path: VaultPath = Field(description="Path of the secret below the mount, without `data`.")
    key: JsonKey = Field(description="Key of the secret that holds the value.")
    mount: VaultPath = Field(default="secret", description="Where the KV engine is mounted.")
    version: Annotated[int, Strict(), Field(ge=1, le=2**31)] | None = Field(
        default=None, description="One version; the newest if absent."
    )
    refresh_interval: RefreshInterval = Field(default="5m", description=_REFRESH)


class SecretValue(Part):
    """Where a secret value is kept. A manifest never holds the value itself."""

    secret_key_ref: SecretKeyRef | None = Field(default=None, description="A key of a Secret in the same namespace.")
    aws_secrets_manager: AWSSecretsManagerRef | None = Field(default=None, description="AWS Secrets Manager.")
    aws_parameter: AWSParameterRef | None = Field(default=None, description="AWS Systems Manager Parameter Store.")
    azure_key_vault: AzureKeyVaultRef | None = Field(default=None, description="Azure Key Vault.")
    gcp_secret_manager: GCPSecretManagerRef | None = Field(default=None, description="Google Cloud Secret Manager.")
    vault: VaultRef | None = Field(
        default=None, description="HashiCorp Vault, KV version 2; needs `secretStores.vault`."
    )

    rules = (
        Rule(
            cel="[has(self.secretKeyRef), has(self.awsSecretsManager), has(self.awsParameter), "
            "has(self.azureKeyVault), has(self.gcpSecretManager), has(self.vault)].filter(x, x).size() == 1",
            message="exactly one of secretKeyRef, awsSecretsManager, awsParameter, azureKeyVault, gcpSecretManager, "
            "vault must be set",
            holds=lambda it: sum(place is not None for place in it.places) == 1,
        ),
    )

    @property
    def places(self) -> tuple[Part | None, ...]:
        """The members of the union, set or not."""
        return (
            self.secret_key_ref,
            self.aws_secrets_manager,
            self.aws_parameter,
            self.azure_key_vault,
            self.gcp_secret_manager,
            self.vault,
        )
