"""Both simulated clouds as one configuration: a route for each way there."""

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, RouteKey, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey
from pilothouse_api.snapshot.endpoints.azure_openai import AzureOpenAIEndpoint
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from pilothouse_api.snapshot.facts import Facts
from pilothouse_api.snapshot.providers import Connection, Model, Native, Provider
from pilothouse_api.snapshot.routes import FailureClass, Route, Target, Timeouts
from pilothouse_api.snapshot.settings import Settings, Surface
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from tests.integration.proxy.configurations import IDENTITY, QUICK, route
from tests.simulators import credentials
from tests.simulators.fleet import Simulators

DATED = "2024-10-21"
CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
NOVA = "amazon.nova-pro-v1:0"
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OPUS = "us.anthropic.claude-opus-5-5"

BEDROCK, AZURE, AZURE_DATED, AZURE_OLD, PLAIN = (
    ProviderKey(f"clouds/{name}") for name in ("bedrock", "azure", "azure-dated", "azure-old", "plain")
)
OPEN = Native(paths=("/*",), access=None)
PATIENCE = Timeouts(first_token_ms=3_000, idle_ms=1_000, total_ms=10_000)


def configuration(simulators: Simulators, *, pool_size: int = 32) -> Snapshot:
    """A route for each of these models, and `chat`, which is on both.

    Bedrock: claude, whole, nova, sonnet, sonnet-converse, opus. Azure: gpt, gpt-dated, gpt-old, embed. OpenAI: plain-*.
    """
    connection = Connection(pool_size=pool_size)
    azure_key = APIKey(key=Secret(credentials.AZURE_API_KEY))
    deployments = {
        name: Model(upstream=UpstreamModel(name))
        for name in (
            "gpt-4o",
            "gpt-4o-async",
            "gpt-4o-ptu",
            "gpt-35-turbo-instruct",
            "o4-mini",
            "text-embedding-3-small",
        )
    }

    def to(*targets: Target, models: tuple[str, ...]) -> Route:
        return route(*targets, models=models, timeouts=PATIENCE, retry=QUICK, fallback_on=tuple(FailureClass))

    routes = {
        "claude": to(Target(provider=BEDROCK, model="claude"), models=("claude",)),
        "whole": to(Target(provider=BEDROCK, model="whole"), models=("whole",)),
        "nova": to(Target(provider=BEDROCK, model="nova"), models=("nova",)),
        "sonnet": to(Target(provider=BEDROCK, model="sonnet"), models=("sonnet",)),
        "sonnet-converse": to(Target(provider=BEDROCK, model="sonnet-converse"), models=("sonnet-converse",)),
        "opus": to(Target(provider=BEDROCK, model="opus"), models=("opus",)),
        "gpt": to(Target(provider=AZURE, model="gpt-4o"), models=("gpt",)),
        "dated": to(Target(provider=AZURE_DATED, model="gpt-4o"), models=("gpt-dated",)),
        "old": to(Target(provider=AZURE_OLD, model="gpt-4o"), models=("gpt-old",)),
        "async": to(Target(provider=AZURE, model="gpt-4o-async"), models=("gpt-async",)),
        "reasoning": to(Target(provider=AZURE, model="o4-mini"), models=("o4",)),
        "instruct": to(Target(provider=AZURE, model="gpt-35-turbo-instruct"), models=("instruct",)),
        "reserved": to(
            Target(provider=AZURE, model="gpt-4o-ptu", priority=0),
            Target(provider=AZURE, model="gpt-4o", priority=1),
            models=("reserved",),
        ),
        "plain": to(Target(provider=PLAIN), models=("gpt-4o-mini", "gpt-3.5-turbo-instruct", "gpt-nowhere")),
        "embed": to(Target(provider=AZURE, model="text-embedding-3-small"), models=("embed",)),
        "chat": to(
            Target(provider=BEDROCK, model="claude", priority=0),
            Target(provider=AZURE, model="gpt-4o", priority=1),
            models=("chat",),
        ),
    }
    return Snapshot(
        schema=SCHEMA,
        scope=GATEWAY_SCOPE,
        providers={
            BEDROCK: Provider(
                endpoint=BedrockEndpoint(url=simulators.bedrock_url, region="us-east-1"),
                models={
                    "claude": Model(upstream=UpstreamModel(CLAUDE)),
                    "whole": Model(upstream=UpstreamModel(CLAUDE), facts=Facts(streaming=False)),
                    "nova": Model(upstream=UpstreamModel(NOVA)),
                    "sonnet": Model(upstream=UpstreamModel(SONNET)),
                    "sonnet-converse": Model(
                        upstream=UpstreamModel(SONNET), settings=Settings(surface=Surface.CONVERSE)
                    ),
                    "opus": Model(upstream=UpstreamModel(OPUS)),
                },
                connection=connection,
                native=OPEN,
            ),
            AZURE: Provider(
                endpoint=AzureOpenAIEndpoint(url=simulators.azure_url),
                models=deployments,
                connection=connection,
                native=OPEN,
            ),
            AZURE_DATED: Provider(
                endpoint=AzureOpenAIEndpoint(url=simulators.azure_url, api_version=DATED), models=deployments
            ),
            AZURE_OLD: Provider(
                endpoint=AzureOpenAIEndpoint(url=simulators.azure_url, api_version="2024-06-01"), models=deployments
            ),
            PLAIN: Provider(endpoint=OpenAIEndpoint(url=simulators.openai_url), native=OPEN),
        },
        credentials={
            BEDROCK: AccessKey(
                access_key_id=credentials.SESSION_ACCESS_KEY_ID,
                secret_access_key=Secret(credentials.SESSION_SECRET_ACCESS_KEY),
                session_token=Secret(credentials.SESSION_TOKEN),
            ),
            AZURE: azure_key,
            AZURE_DATED: azure_key,
            AZURE_OLD: azure_key,
            PLAIN: APIKey(key=Secret(credentials.OPENAI_API_KEY)),
        },
        routes={RouteKey(f"apps/{name}"): made for name, made in routes.items()},
        identity=IDENTITY,
    )
