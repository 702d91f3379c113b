"""LLMProvider: a place where models run, and how to sign in there."""

import enum
from typing import Annotated

from pydantic import Field, Strict

from pilothouse_api.resources.connection import ConnectionSpec
from pilothouse_api.resources.providers.azure_openai import AzureOpenAISpec
from pilothouse_api.resources.providers.bedrock import BedrockSpec
from pilothouse_api.resources.providers.openai import OpenAISpec
from pilothouse_api.resources.refs import Access, ModelText, UpstreamText
from pilothouse_api.resources.rules import Part, Rule, UniqueBy
from pilothouse_api.resources.status import Count, Status


class ProviderKind(enum.StrEnum):
    """The members of the union, by the field that holds them."""

    BEDROCK = "bedrock"
    AZURE_OPENAI = "azureOpenAI"
    OPENAI = "openAI"


class ProviderModel(Part):
    """One model that the provider serves."""

    name: ModelText = Field(description="Name by which routes choose the model; unique within the provider.")
    upstream_model: UpstreamText | None = Field(
        default=None,
        description="The provider's own name of it: a Bedrock model id, inference profile or ARN, an Azure deployment. "
        "The same as `name` if absent.",
    )
    family: Annotated[str, Field(min_length=1, max_length=64, pattern="^[a-z0-9][-a-z0-9._]*$")] | None = Field(
        default=None,
        description="Family whose capabilities apply (`claude`, `nova`, `llama`, `gpt`, …) where the upstream name "
        "does not tell: an ARN, a deployment name.",
    )
    max_output_tokens: Annotated[int, Strict(), Field(ge=1, le=10_000_000)] | None = Field(
        default=None,
        description="Upper bound of tokens in one answer; sent where the provider needs a bound and the client gave "
        "none.",
    )


class LLMProviderSpec(Part):
    """Where models run and how to sign in there: exactly one of `bedrock`, `azureOpenAI`, `openAI`."""

    bedrock: BedrockSpec | None = Field(default=None, description="AWS Bedrock in one region.")
    azure_openai: AzureOpenAISpec | None = Field(
        default=None, alias="azureOpenAI", description="One Azure OpenAI resource."
    )
    openai: OpenAISpec | None = Field(
        default=None,
        alias="openAI",
        description="Any server that speaks the OpenAI API: OpenAI itself, vLLM, Ollama, another gateway.",
    )
    models: Annotated[tuple[ProviderModel, ...], Field(max_length=256), UniqueBy("name")] = Field(
        default=(),
        description="The models that may be used. If empty, every name is passed to the provider as it was asked.",
    )
    connection: ConnectionSpec | None = Field(default=None, description="How to connect.")
    access: Access | None = Field(
        default=None,
        description="Which namespaces' routes may refer to this provider, besides its own namespace's; none if absent.",
    )

    rules = (
        Rule(
            cel="[has(self.bedrock), has(self.azureOpenAI), has(self.openAI)].filter(x, x).size() == 1",
            message="exactly one of bedrock, azureOpenAI, openAI must be set",
            holds=lambda it: sum(member is not None for member in (it.bedrock, it.azure_openai, it.openai)) == 1,
        ),
        Rule(
            cel="has(self.bedrock) == has(oldSelf.bedrock) && has(self.azureOpenAI) == has(oldSelf.azureOpenAI) && "
            "has(self.openAI) == has(oldSelf.openAI)",
            message="the kind of a provider cannot change: create a new LLMProvider and point the routes at it",
            holds=None,
        ),
    )

    @property
    def kind(self) -> ProviderKind:
        """Which member of the union is set."""
        if self.bedrock is not None:
            return ProviderKind.BEDROCK
        return ProviderKind.AZURE_OPENAI if self.azure_openai is not None else ProviderKind.OPENAI


class LLMProviderStatus(Status):
    """What the operator found out about the provider."""

    kind: Annotated[str, Field(max_length=32)] | None = Field(
        default=None, description="Which kind of provider the spec sets."
    )
    models: Count | None = Field(
        default=None, description="How many models the spec names; absent where every name is passed on."
    )


class LLMProvider(Part):
    """A place where models run: an AWS region with Bedrock, an Azure OpenAI resource, an OpenAI-compatible server."""

    spec: LLMProviderSpec = Field(description="Where models run and how to sign in there.")
    status: LLMProviderStatus | None = Field(default=None, description="What the operator found out about it.")
