"""LLMProvider: a place where models run, and how to sign in there."""

import enum
from typing import Annotated

from pydantic import Field, Strict

from pilothouse_api.resources.connection import ConnectionSpec
from pilothouse_api.resources.durations import DiscoveryInterval
from pilothouse_api.resources.providers.anthropic import AnthropicSpec
from pilothouse_api.resources.providers.azure_openai import AzureOpenAISpec
from pilothouse_api.resources.providers.bedrock import BedrockSpec
from pilothouse_api.resources.providers.bedrock_models import GuardrailSpec, Latency, ServiceTier, Surface
from pilothouse_api.resources.providers.openai import OpenAISpec
from pilothouse_api.resources.refs import Access, ModelText, UpstreamText
from pilothouse_api.resources.rules import Distinct, Part, Rule, UniqueBy
from pilothouse_api.resources.secret_places import NEEDS_VAULT
from pilothouse_api.resources.secret_stores import SecretStoresSpec
from pilothouse_api.resources.status import Count, Status, Timestamp


class ProviderKind(enum.StrEnum):
    """The members of the union, by the field that holds them."""

    BEDROCK = "bedrock"
    AZURE_OPENAI = "azureOpenAI"
    OPENAI = "openAI"
    ANTHROPIC = "anthropic"


Dollars = Annotated[str, Field(max_length=16, pattern="^[0-9]{1,6}([.][0-9]{1,6})?$", examples=["2.50"])]
TokenCount = Annotated[int, Strict(), Field(ge=1, le=100_000_000)]


class Support(enum.StrEnum):
    """Whether a model can do a thing."""

    SUPPORTED = "Supported"
    UNSUPPORTED = "Unsupported"


class ModelCapabilities(Part):
    """What a model takes and gives. What is absent is unknown, and then nothing is refused for it."""

    streaming: Support | None = Field(default=None, description="Whether it can answer as a stream.")
    tools: Support | None = Field(default=None, description="Whether it can be given tools.")
    vision: Support | None = Field(default=None, description="Whether it takes images.")
    documents: Support | None = Field(default=None, description="Whether it takes files such as PDF.")
    audio: Support | None = Field(default=None, description="Whether it takes sound.")
    json_schema: Support | None = Field(default=None, description="Whether its answer can be bound to a schema.")
    reasoning: Support | None = Field(default=None, description="Whether it reasons before it answers.")
    embeddings: Support | None = Field(
        default=None,
        description="`Supported`: it makes embeddings, and answers nothing else. `Unsupported`: it makes none.",
    )
    context_tokens: TokenCount | None = Field(
        default=None, description="The most tokens that input and output may come to together."
    )


class ModelPrice(Part):
    """What a model costs, in US dollars for a million tokens."""

    input: Dollars | None = Field(default=None, description="Input.")
    output: Dollars | None = Field(default=None, description="Output.")
    cached_input: Dollars | None = Field(default=None, description="Input read from the provider's cache.")
    cache_write: Dollars | None = Field(default=None, description="Input written to the provider's cache.")


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
        "none. Who asks for more is refused.",
    )
    capabilities: ModelCapabilities | None = Field(
        default=None, description="What it takes and gives, where that is not known or should be said otherwise."
    )
    price: ModelPrice | None = Field(
        default=None, description="What it costs, where that is not known or should be said otherwise."
    )
    surface: Surface | None = Field(
        default=None,
        description="Which of Bedrock's APIs the model is asked through, where the client speaks that one's language; "
        "else Converse, which all of its chat models have. `Invoke`: the model's own body. `OpenAI`, `Anthropic`: the "
        "APIs of these on the runtime host; `MantleOpenAI`, `MantleAnthropic`: the same on the host `bedrock-mantle`, "
        "for models that are served nowhere else. If absent, what is known of the model decides.",
    )
    guardrail: GuardrailSpec | None = Field(
        default=None, description="A guardrail of Bedrock, instead of the provider's."
    )
    latency: Latency | None = Field(
        default=None, description="`Optimized`: Bedrock runs the model where it answers faster, if it has such a place."
    )
    service_tier: ServiceTier | None = Field(
        default=None, description="Bedrock's tier for requests that ask for none, instead of the provider's."
    )

    @property
    def is_of_bedrock(self) -> bool:
        """Whether something is set that no other kind of provider has."""
        return any(it is not None for it in (self.surface, self.guardrail, self.latency, self.service_tier))


NamePattern = Annotated[str, Field(min_length=1, max_length=253, pattern="^[!-~]+$", examples=["*.anthropic.*"])]


class DiscoverySpec(Part):
    """The models are what the account has, asked for at intervals."""

    interval: DiscoveryInterval = Field(default="1h", description="How often the account is listed.")
    include: Annotated[tuple[NamePattern, ...], Field(max_length=64), Distinct()] = Field(
        default=(),
        description="Shell patterns (`*`, `?`, `[…]`) on upstream names: what none of them fits is not served. All if "
        "empty.",
    )
    exclude: Annotated[tuple[NamePattern, ...], Field(max_length=64), Distinct()] = Field(
        default=(), description="Shell patterns on upstream names: what one of them fits is not served."
    )


class Delivery(enum.StrEnum):
    """Which proxies may be given the credential."""

    AUTO = "Auto"
    GATEWAY = "Gateway"
    SIDECAR = "Sidecar"


NativePath = Annotated[str, Field(min_length=1, max_length=512, pattern="^/[!-)+-~]*[*]?$")]


class NativeSpec(Part):
    """Which part of the provider's own API may be called as it is."""

    paths: Annotated[tuple[NativePath, ...], Field(min_length=1, max_length=64), Distinct()] = Field(
        default=("/*",),
        description="Paths below the provider's URL, as they are sent; a trailing `*` matches any rest. All of them if "
        "absent.",
    )


class LLMProviderSpec(Part):
    """Where models run and how to sign in there: exactly one of `bedrock`, `azureOpenAI`, `openAI`, `anthropic`."""

    bedrock: BedrockSpec | None = Field(default=None, description="AWS Bedrock in one region.")
    azure_openai: AzureOpenAISpec | None = Field(
        default=None, alias="azureOpenAI", description="One Azure OpenAI resource."
    )
    openai: OpenAISpec | None = Field(
        default=None,
        alias="openAI",
        description="Any server that speaks the OpenAI API: OpenAI itself, vLLM, Ollama, another gateway.",
    )
    anthropic: AnthropicSpec | None = Field(
        default=None,
        description="Anthropic's API, or any server that speaks it, such as Claude in Microsoft's Foundry.",
    )
    models: Annotated[tuple[ProviderModel, ...], Field(max_length=256), UniqueBy("name")] = Field(
        default=(),
        description="The models that may be used. If empty, every name is passed to the provider as it was asked. "
        "With `discovery`: further names of models that the account has, and what is to be known otherwise of them.",
    )
    discovery: DiscoverySpec | None = Field(
        default=None, description="Have the operator find out what the account has, and serve that."
    )
    connection: ConnectionSpec | None = Field(default=None, description="How to connect.")
    access: Access | None = Field(
        default=None,
        description="Which namespaces' routes may refer to this provider, besides its own namespace's; none if absent.",
    )
    native: NativeSpec | None = Field(
        default=None,
        description="Lets the callers of this namespace, and of those that `access` names, call the provider's own API "
        "at `/providers/{name}/…` of a proxy (`/providers/{namespace}:{name}/…` from another namespace): signed in to "
        "and counted, but neither translated nor routed, and with all that the credential may do there. Off if absent.",
    )
    delivery: Delivery = Field(
        default=Delivery.AUTO,
        description="Which proxies may be given the credential. `Auto`: one that ends by itself goes to all that may "
        "use the provider; a static key, or a session that is all that the operator itself is there, to gateways "
        "and to sidecars of this namespace. `Gateway`: gateways alone. `Sidecar`: these, too, to all that may use the "
        "provider.",
    )
    secret_stores: SecretStoresSpec | None = Field(
        default=None,
        description="How to sign in to the stores outside the cluster that values of this provider name. Where it "
        "says nothing of a store, the operator's own identity is used.",
    )

    rules = (
        Rule(
            cel="[has(self.bedrock), has(self.azureOpenAI), has(self.openAI), has(self.anthropic)]"
            ".filter(x, x).size() == 1",
            message="exactly one of bedrock, azureOpenAI, openAI, anthropic must be set",
            holds=lambda it: (
                sum(member is not None for member in (it.bedrock, it.azure_openai, it.openai, it.anthropic)) == 1
            ),
        ),
        Rule(
            cel="has(self.bedrock) == has(oldSelf.bedrock) && has(self.azureOpenAI) == has(oldSelf.azureOpenAI) && "
            "has(self.openAI) == has(oldSelf.openAI) && has(self.anthropic) == has(oldSelf.anthropic)",
            message="the kind of a provider cannot change: create a new LLMProvider and point the routes at it",
            holds=None,
        ),
        Rule(
            cel="has(self.bedrock) || !has(self.models) || self.models.all(m, !has(m.surface) && !has(m.guardrail) && "
            "!has(m.latency) && !has(m.serviceTier))",
            message="surface, guardrail, latency and serviceTier of a model are for Bedrock alone",
            holds=lambda it: it.bedrock is not None or not any(model.is_of_bedrock for model in it.models),
        ),
        NEEDS_VAULT,
    )

    @property
    def kind(self) -> ProviderKind:
        """Which member of the union is set."""
        if self.bedrock is not None:
            return ProviderKind.BEDROCK
        if self.azure_openai is not None:
            return ProviderKind.AZURE_OPENAI
        return ProviderKind.OPENAI if self.openai is not None else ProviderKind.ANTHROPIC


class CredentialStatus(Part):
    """What the operator holds for the provider; never the value."""

    kind: Annotated[str, Field(max_length=32)] = Field(
        description="How the provider is signed in to: the member of `auth` that is set, or `none`."
    )
    expires_at: Timestamp | None = Field(
        default=None, description="When what proxies have now ends; another takes its place ahead of that."
    )
    renewed_at: Timestamp | None = Field(default=None, description="When it was issued.")
    note: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="What it opens beyond what was asked for, and why."
    )


LONGEST_NAME = 256
"""Of a model whose quota is shown."""

SHOWN_QUOTAS = 20


class QuotaStatus(Part):
    """What the account may use of a model in a minute, as the cloud tells it. A hint: nothing is refused by it."""

    model: Annotated[str, Field(max_length=LONGEST_NAME)] = Field(description="By the name that it is served by.")
    requests_per_minute: Count | None = Field(default=None, description="Absent where the cloud does not tell.")
    tokens_per_minute: Count | None = Field(default=None, description="The same for tokens, as the cloud counts them.")


class DiscoveryStatus(Part):
    """What came of listing the account, in numbers: the names are at `GET /v1/models` of the proxies."""

    last_succeeded: Timestamp | None = Field(default=None, description="When the account was last listed.")
    found: Count = Field(description="Models that the account lists.")
    served: Count = Field(description="Those of them that are served.")
    excluded: Count = Field(description="Those that `include` and `exclude` leave out.")
    unusable: Count = Field(description="Those that cannot be called: no access, at an end, not deployed.")
    quotas: Annotated[tuple[QuotaStatus, ...], Field(max_length=SHOWN_QUOTAS)] | None = Field(
        default=None,
        description="What the account may use of the models that are served, the tightest 20 first; absent where "
        "nothing is told.",
    )


class UnknownStatus(Part):
    """Something in the provider's answers that other formats have no word for."""

    dialect: Annotated[str, Field(max_length=64)] = Field(description="In which format it came.")
    what: Annotated[str, Field(max_length=128)] = Field(description="Its name there: a member, an event, a reason.")


class LLMProviderStatus(Status):
    """What the operator found out about the provider."""

    kind: Annotated[str, Field(max_length=32)] | None = Field(
        default=None, description="Which kind of provider the spec sets."
    )
    models: Count | None = Field(
        default=None, description="How many models are served by name; absent where every name is passed on."
    )
    discovery: DiscoveryStatus | None = Field(default=None, description="What came of listing the account.")
    credential: CredentialStatus | None = Field(default=None, description="The credential that proxies sign in with.")
    unknown: Annotated[tuple[UnknownStatus, ...], Field(max_length=20)] | None = Field(
        default=None,
        description="What proxies left out of translated answers because no other format has a word for it; a newer "
        "version may. The metric `pilothouse_unknown_total` tells how often.",
    )


class LLMProvider(Part):
    """A place where models run: Bedrock in an AWS region, an Azure OpenAI resource, Anthropic, a compatible server."""

    spec: LLMProviderSpec = Field(description="Where models run and how to sign in there.")
    status: LLMProviderStatus | None = Field(default=None, description="What the operator found out about it.")
