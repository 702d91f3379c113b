"""The families of models, each by one model that the simulators have."""

import enum
from dataclasses import dataclass

from pilothouse_api.names import UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, Credential
from pilothouse_api.snapshot.endpoints.anthropic import AnthropicEndpoint
from pilothouse_api.snapshot.endpoints.azure_openai import AzureOpenAIEndpoint
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from pilothouse_api.snapshot.providers import Endpoint, Model
from tests.simulators import credentials
from tests.simulators.fleet import Simulators


class Place(enum.Enum):
    """A provider, as the configuration of the matrix has it. The value is the heading in docs/providers.md."""

    BEDROCK = "AWS Bedrock"
    AZURE = "Azure OpenAI"
    OPENAI = "OpenAI"
    ANTHROPIC = "Anthropic"


class Kind(enum.Enum):
    """What a family is for."""

    CHAT = "chat"
    EMBEDDING = "embedding"
    RERANK = "rerank"


@dataclass(frozen=True)
class Row:
    """One family at one provider. `name` is what clients ask for."""

    place: Place
    family: str
    upstream: str
    kind: Kind = Kind.CHAT
    hides_thoughts: bool = False
    """Whether it thinks without showing it."""

    @property
    def name(self) -> str:
        return f"{self.place.name}-{self.family}".replace(" ", "-").lower()

    @property
    def model(self) -> Model:
        return Model(upstream=UpstreamModel(self.upstream))


_B, _A, _O, _C = Place.BEDROCK, Place.AZURE, Place.OPENAI, Place.ANTHROPIC

ROWS = (
    Row(_B, "Claude 3", "anthropic.claude-3-haiku-20240307-v1:0"),
    Row(_B, "Claude 4.5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    Row(_B, "Claude 5.5", "global.anthropic.claude-opus-5-5"),
    Row(_B, "Claude 2", "anthropic.claude-v2:1"),
    Row(_B, "Nova", "amazon.nova-pro-v1:0"),
    Row(_B, "Nova Micro", "amazon.nova-micro-v1:0"),
    Row(_B, "Titan Text", "amazon.titan-text-express-v1"),
    Row(_B, "Llama 3.3", "us.meta.llama3-3-70b-instruct-v1:0"),
    Row(_B, "Llama 3.2 with vision", "us.meta.llama3-2-90b-instruct-v1:0"),
    Row(_B, "Mistral 7B", "mistral.mistral-7b-instruct-v0:2"),
    Row(_B, "Mistral Large", "mistral.mistral-large-2407-v1:0"),
    Row(_B, "Command", "cohere.command-text-v14"),
    Row(_B, "Command R+", "cohere.command-r-plus-v1:0"),
    Row(_B, "Jamba", "ai21.jamba-1-5-large-v1:0"),
    Row(_B, "Jurassic-2", "ai21.j2-ultra-v1"),
    Row(_B, "DeepSeek R1", "us.deepseek.r1-v1:0"),
    Row(_B, "gpt-oss", "openai.gpt-oss-120b-1:0"),
    Row(_B, "GPT 5.6", "global.openai.gpt-5.6", hides_thoughts=True),
    Row(_A, "GPT-4o", "gpt-4o"),
    Row(_A, "o-series", "o4-mini", hides_thoughts=True),
    Row(_A, "Codex", "gpt-5-codex", hides_thoughts=True),
    Row(_O, "GPT-4o", "gpt-4o"),
    Row(_O, "o-series", "o4-mini", hides_thoughts=True),
    Row(_O, "GPT-3.5 Instruct", "gpt-3.5-turbo-instruct"),
    Row(_C, "Claude 3", "claude-3-haiku-20240307"),
    Row(_C, "Claude 4.5", "claude-haiku-4-5-20251001"),
    Row(_C, "Claude 5.5", "claude-sonnet-5-5"),
    Row(_B, "Titan Embed G1", "amazon.titan-embed-text-v1", Kind.EMBEDDING),
    Row(_B, "Titan Embed v2", "amazon.titan-embed-text-v2:0", Kind.EMBEDDING),
    Row(_B, "Titan Multimodal", "amazon.titan-embed-image-v1", Kind.EMBEDDING),
    Row(_B, "Nova Embeddings", "amazon.nova-2-multimodal-embeddings-v1:0", Kind.EMBEDDING),
    Row(_B, "Cohere Embed v3", "cohere.embed-english-v3", Kind.EMBEDDING),
    Row(_B, "Cohere Embed v4", "us.cohere.embed-v4:0", Kind.EMBEDDING),
    Row(_B, "Marengo 3", "twelvelabs.marengo-embed-3-0-v1:0", Kind.EMBEDDING),
    Row(_A, "text-embedding-3", "text-embedding-3-small", Kind.EMBEDDING),
    Row(_O, "text-embedding-3", "text-embedding-3-small", Kind.EMBEDDING),
    Row(_B, "Cohere Rerank", "cohere.rerank-v3-5:0", Kind.RERANK),
    Row(_B, "Amazon Rerank", "amazon.rerank-v1:0", Kind.RERANK),
    Row(_O, "Jina Reranker", "jina-reranker-v2-base-multilingual", Kind.RERANK),
)


def endpoint(place: Place, simulators: Simulators | None) -> Endpoint:
    """Where it is; without simulators a place that is only spoken of."""
    if place is Place.BEDROCK:
        url = "https://bedrock-runtime.us-east-1.amazonaws.com" if simulators is None else simulators.bedrock_url
        return BedrockEndpoint(url=url, region="us-east-1")
    if place is Place.AZURE:
        return AzureOpenAIEndpoint(url="https://x.openai.azure.com" if simulators is None else simulators.azure_url)
    if place is Place.ANTHROPIC:
        return AnthropicEndpoint(url="https://api.anthropic.com" if simulators is None else simulators.anthropic_url)
    return OpenAIEndpoint(url="https://api.openai.com/v1" if simulators is None else simulators.openai_url)


def credential(place: Place) -> Credential:
    """What signs in to the simulator of it."""
    if place is Place.BEDROCK:
        return AccessKey(
            access_key_id=credentials.SESSION_ACCESS_KEY_ID,
            secret_access_key=Secret(credentials.SESSION_SECRET_ACCESS_KEY),
            session_token=Secret(credentials.SESSION_TOKEN),
        )
    keys = {
        Place.AZURE: credentials.AZURE_API_KEY,
        Place.OPENAI: credentials.OPENAI_API_KEY,
        Place.ANTHROPIC: credentials.ANTHROPIC_API_KEY,
    }
    return APIKey(key=Secret(keys[place]))
