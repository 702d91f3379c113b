"""The families of models, each by one model that the simulators have."""

import enum
from dataclasses import dataclass

from pilothouse_api.names import UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, Credential
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


class Kind(enum.Enum):
    """What a family is for."""

    CHAT = "chat"


@dataclass(frozen=True)
class Row:
    """One family at one provider. `name` is what clients ask for."""

    place: Place
    family: str
    upstream: str
    kind: Kind = Kind.CHAT
    surface: str = ""

    @property
    def name(self) -> str:
        return f"{self.place.name.lower()}-{self.family}".replace(" ", "-").lower()

    @property
    def model(self) -> Model:
        return Model(upstream=UpstreamModel(self.upstream))


_B, _A, _O = Place.BEDROCK, Place.AZURE, Place.OPENAI

ROWS = (
    Row(_B, "Claude 3", "anthropic.claude-3-haiku-20240307-v1:0"),
    Row(_B, "Claude 4.5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    Row(_B, "Claude 5.5", "global.anthropic.claude-opus-5-5"),
    Row(_B, "Nova", "amazon.nova-pro-v1:0"),
    Row(_B, "Nova Micro", "amazon.nova-micro-v1:0"),
    Row(_B, "Llama 3.3", "us.meta.llama3-3-70b-instruct-v1:0"),
    Row(_B, "Mistral 7B", "mistral.mistral-7b-instruct-v0:2"),
    Row(_B, "DeepSeek R1", "us.deepseek.r1-v1:0"),
    Row(_B, "gpt-oss", "openai.gpt-oss-120b-1:0"),
    Row(_A, "GPT-4o", "gpt-4o"),
    Row(_A, "o-series", "o4-mini"),
    Row(_O, "GPT-4o", "gpt-4o"),
    Row(_O, "o-series", "o4-mini"),
)


def endpoint(place: Place, simulators: Simulators | None) -> Endpoint:
    """Where it is; without simulators a place that is only spoken of."""
    if place is Place.BEDROCK:
        url = "https://bedrock-runtime.us-east-1.amazonaws.com" if simulators is None else simulators.bedrock_url
        return BedrockEndpoint(url=url, region="us-east-1")
    if place is Place.AZURE:
        return AzureOpenAIEndpoint(url="https://x.openai.azure.com" if simulators is None else simulators.azure_url)
    return OpenAIEndpoint(url="https://api.openai.com/v1" if simulators is None else simulators.openai_url)


def credential(place: Place) -> Credential:
    """What signs in to the simulator of it."""
    if place is Place.BEDROCK:
        return AccessKey(
            access_key_id=credentials.SESSION_ACCESS_KEY_ID,
            secret_access_key=Secret(credentials.SESSION_SECRET_ACCESS_KEY),
            session_token=Secret(credentials.SESSION_TOKEN),
        )
    key = credentials.AZURE_API_KEY if place is Place.AZURE else credentials.OPENAI_API_KEY
    return APIKey(key=Secret(key))
