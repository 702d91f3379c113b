"""How long a whole compilation takes: `python -m tests.load.compile`.

Nothing is carried over from one round to the next: every spec is parsed, every snapshot made and encoded anew, for the
gateways and ten namespaces' sidecars. The last line is JSON; `compile_ms` is the median.
"""

import gc
import json
import statistics
import time
from typing import Any

from pilothouse_api.names import GATEWAY_SCOPE, sidecar_scope
from pilothouse_api.snapshot import canonical
from pilothouse_operator.compile.accounts import accounts
from pilothouse_operator.compile.compiler import compile_world
from pilothouse_operator.compile.sign_ins import sign_ins
from pilothouse_operator.compile.world import IdentityAccess, Inputs, Kind, Resource, ResourceKey
from pilothouse_operator.discovery import catalogue
from tests.worlds import gathered

PROVIDERS = 100
ROUTES = 1_000
QUOTAS = 50
NAMESPACES = 50
SIDECAR_SCOPES = 10
ROUNDS = 9

V = {"secretKeyRef": {"name": "credentials", "key": "key"}}


def provider_spec(number: int) -> dict[str, Any]:
    """Bedrock, Azure OpenAI and OpenAI-compatible in turn, each with eight models."""
    kinds: tuple[dict[str, Any], ...] = (
        {"bedrock": {"region": "eu-central-1", "auth": {"accessKey": {"accessKeyId": V, "secretAccessKey": V}}}},
        {"azureOpenAI": {"endpoint": f"https://resource-{number}.openai.azure.com/", "auth": {"apiKey": V}}},
        {"openAI": {"baseURL": f"http://vllm-{number}.models.svc:8000/v1"}},
    )
    models = [{"name": f"model-{index}", "upstreamModel": f"upstream-{index}", "family": "gpt"} for index in range(8)]
    access = {"namespaces": "Selector", "selector": {"matchLabels": {"llm": "allowed"}}}
    return kinds[number % 3] | {"models": models, "connection": {"connectTimeout": "2s"}, "access": access}


def route_spec(number: int) -> dict[str, Any]:
    """Three targets at two priorities, all policies; a fifth of the routes is open to all, a fifth by label."""
    targets = [
        {
            "providerRef": {
                "name": f"provider-{(number + step) % PROVIDERS}",
                "namespace": f"team-{(number + step) % PROVIDERS % NAMESPACES}",
            },
            "model": f"model-{step}",
            "weight": 10 - step,
            "priority": step // 2,
        }
        for step in range(3)
    ]
    spec: dict[str, Any] = {
        "models": [f"chat-{number}", f"family-{number}-*"],
        "targets": targets,
        "retry": {
            "attempts": 3,
            "onFailures": ["RateLimited", "Unavailable"],
            "backoff": {"base": "50ms", "max": "1s"},
        },
        "timeouts": {"firstToken": "30s", "total": "5m"},
    }
    if number % 5 == 0:
        spec["access"] = {"namespaces": "All"}
    elif number % 5 == 1:
        spec["access"] = {"namespaces": "Selector", "selector": {"matchLabels": {"tier": "gold"}}}
    return spec


def quota_spec(number: int) -> dict[str, Any]:
    """Two limits."""
    limits = [
        {"resource": "Requests", "amount": 600 + number, "window": "1m"},
        {"resource": "Tokens", "amount": 1_000_000, "window": "24h"},
    ]
    return {"per": "Subject", "limits": limits}


def resource(kind: Kind, name: str, number: int, spec: dict[str, Any]) -> Resource:
    """Spread over the namespaces."""
    key = ResourceKey(kind, f"team-{number % NAMESPACES}", f"{name}-{number}")
    created = f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z"
    return Resource(key=key, uid=str(key), resource_version="1", generation=1, created=created, spec=spec)


def world() -> Inputs:
    """The design's target, and quotas beside it."""
    resources = [
        *(resource(Kind.PROVIDER, "provider", number, provider_spec(number)) for number in range(PROVIDERS)),
        *(resource(Kind.ROUTE, "route", number, route_spec(number)) for number in range(ROUTES)),
        *(resource(Kind.QUOTA, "quota", number, quota_spec(number)) for number in range(QUOTAS)),
    ]
    namespaces = {
        f"team-{number}": {"llm": "allowed", "tier": "gold" if number % 2 else "silver"} for number in range(NAMESPACES)
    }
    scopes = [GATEWAY_SCOPE, *(sidecar_scope(f"team-{number}") for number in range(SIDECAR_SCOPES))]
    return gathered(resources, namespaces, scopes=scopes, catalogue=catalogue.facts)


def round_ms() -> tuple[float, int]:
    """One compilation with what must be known before it and what is done after it; ms and bytes."""
    given = world()
    gc.collect()
    began = time.perf_counter()
    sign_ins(given.world, IdentityAccess())
    accounts(given.world)
    compiled = compile_world(given)
    encoded = [canonical.encode(snapshot) for snapshot in compiled.snapshots.values()]
    versions = {canonical.version(snapshot) for snapshot in encoded}
    took = (time.perf_counter() - began) * 1_000
    refused = [str(key) for key, verdict in compiled.verdicts.items() if verdict.conditions[0].status != "True"]
    if refused or len(versions) != SIDECAR_SCOPES + 1:
        raise SystemExit(f"this is not the world that was meant: {len(versions)} snapshots, refused: {refused[:3]}")
    return took, sum(map(len, encoded))


def main() -> None:
    """Measures and prints."""
    rounds = [round_ms() for _ in range(ROUNDS)]
    times = sorted(took for took, _ in rounds)
    print(f"{ROUNDS} rounds: {', '.join(f'{took:.0f}' for took in times)} ms; {rounds[0][1]:,} bytes of snapshots")
    result = {"routes": ROUTES, "providers": PROVIDERS, "compile_ms": round(statistics.median(times), 1)}
    print(json.dumps(result))


main()
