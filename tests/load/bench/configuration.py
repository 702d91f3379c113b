"""What the proxy is told under measurement, and in training."""

import hashlib

from pilothouse_api.names import GATEWAY_SCOPE, ModelName, ProviderKey, QuotaKey, RouteKey, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import credentials, identity, providers, quotas, routes, snapshot
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint

API_KEY = "bench-key-0123456789abcdef"


def configuration(upstream_port: int) -> snapshot.Snapshot:
    """Everything on: API keys, two providers, two routes, quotas on requests and tokens."""
    upstream = f"http://127.0.0.1:{upstream_port}"
    compatible, bedrock = ProviderKey("bench/compatible"), ProviderKey("bench/bedrock")
    return snapshot.Snapshot(
        schema=snapshot.SCHEMA,
        scope=GATEWAY_SCOPE,
        providers={
            compatible: providers.Provider(
                endpoint=OpenAIEndpoint(url=f"{upstream}/v1"),
                models={ModelName("gpt"): providers.Model(upstream=UpstreamModel("gpt-4o-mini"))},
            ),
            bedrock: providers.Provider(
                endpoint=BedrockEndpoint(url=upstream, region="us-east-1"),
                models={
                    ModelName("claude"): providers.Model(
                        upstream=UpstreamModel("anthropic.claude-3-haiku-20240307-v1:0"), max_output_tokens=4096
                    )
                },
            ),
        },
        credentials={
            compatible: credentials.APIKey(key=Secret("sk-upstream")),
            bedrock: credentials.AccessKey(access_key_id="AKIABENCH", secret_access_key=Secret("bench-secret")),
        },
        routes={
            RouteKey(f"bench/{model}"): routes.Route(
                models=(model,),
                created="2026-01-01T00:00:00Z",
                generation=1,
                targets=(routes.Target(provider=provider, model=model),),
            )
            for model, provider in (("gpt", compatible), ("claude", bedrock))
        },
        quotas={
            QuotaKey("bench/all"): quotas.Quota(
                namespace="bench",
                generation=1,
                per=quotas.Per.SUBJECT,
                limits=tuple(
                    quotas.Limit(resource=resource, amount=10**12, window="1m", window_s=60)
                    for resource in (quotas.Resource.REQUESTS, quotas.Resource.TOKENS)
                ),
            )
        },
        identity=identity.Identity(
            api_keys={
                hashlib.sha256(API_KEY.encode()).hexdigest(): identity.KeyHolder(
                    namespace="bench", user="load", team="bench", tier="gold"
                )
            }
        ),
    )
