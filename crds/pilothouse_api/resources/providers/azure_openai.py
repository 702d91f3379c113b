"""One Azure OpenAI resource."""

from typing import Annotated

from pydantic import Field

from pilothouse_api.resources.refs import SecretValue
from pilothouse_api.resources.rules import Part
from pilothouse_api.resources.urls import HostURL


class AzureOpenAIAuth(Part):
    """How requests to Azure OpenAI are authorised."""

    api_key: SecretValue = Field(description="One of the resource's two keys, sent as `api-key`.")


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
    auth: AzureOpenAIAuth = Field(description="How to sign in.")
