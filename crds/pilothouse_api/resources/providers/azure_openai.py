"""One Azure OpenAI resource."""

import enum
from typing import Annotated

from pydantic import Field

from pilothouse_api.resources.entra import ManagedIdentity, ServicePrincipal, WorkloadIdentity
from pilothouse_api.resources.rules import Part, Rule
from pilothouse_api.resources.secret_values import SecretValue
from pilothouse_api.resources.urls import HostURL

AzureResourceID = Annotated[
    str,
    Field(
        max_length=512,
        pattern="^/subscriptions/[0-9a-fA-F-]{36}/resourceGroups/[-A-Za-z0-9_.()]{1,90}/providers/"
        "Microsoft[.]CognitiveServices/accounts/[A-Za-z0-9][-A-Za-z0-9]{1,63}$",
    ),
]


class AzureCloud(enum.StrEnum):
    """The clouds that Microsoft runs apart from one another."""

    PUBLIC = "Public"
    US_GOVERNMENT = "USGovernment"
    CHINA = "China"


class AzureOpenAIAuth(Part):
    """How requests to Azure OpenAI are authorised."""

    api_key: SecretValue | None = Field(
        default=None, description="One of the resource's two keys, sent as `api-key`. It does not end by itself."
    )
    service_principal: ServicePrincipal | None = Field(
        default=None, description="An Entra application with a client secret or a certificate."
    )
    managed_identity: ManagedIdentity | None = Field(
        default=None, description="The managed identity of the operator's node."
    )
    workload_identity: WorkloadIdentity | None = Field(
        default=None, description="The operator's ServiceAccount as an application that trusts it."
    )
    authority_host: HostURL | None = Field(
        default=None, description="URL of Entra's sign-in; that of `cloud` if absent."
    )

    rules = (
        Rule(
            cel="[has(self.apiKey), has(self.servicePrincipal), has(self.managedIdentity), has(self.workloadIdentity)]"
            ".filter(x, x).size() == 1",
            message="exactly one of apiKey, servicePrincipal, managedIdentity, workloadIdentity must be set",
            holds=lambda it: (
                sum(
                    way is not None
                    for way in (it.api_key, it.service_principal, it.managed_identity, it.workload_identity)
                )
                == 1
            ),
        ),
    )


class AzureOpenAISpec(Part):
    """One Azure OpenAI resource."""

    endpoint: HostURL = Field(
        description="URL of the resource, without a path: `https://<resource>.openai.azure.com`.",
    )
    api_version: Annotated[str, Field(max_length=32, pattern="^(v1|[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?)$")] = Field(
        default="v1",
        description="`v1` for `/openai/v1/…`, which needs no date; a dated version such as `2024-10-21` for "
        "`/openai/deployments/<deployment>/…?api-version=`.",
    )
    cloud: AzureCloud = Field(
        default=AzureCloud.PUBLIC, description="The cloud whose Entra issues tokens for the resource."
    )
    resource_id: AzureResourceID | None = Field(
        default=None,
        description="Azure's id of the resource, under which its deployments are listed (`discovery`): "
        "`/subscriptions/…/resourceGroups/…/providers/Microsoft.CognitiveServices/accounts/…`.",
    )
    management_endpoint: HostURL | None = Field(
        default=None,
        description="URL of Azure Resource Manager, which lists deployments; that of `cloud` if absent.",
    )
    auth: AzureOpenAIAuth = Field(description="How to sign in.")
