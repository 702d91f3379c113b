"""The resources that the end-to-end tests apply: both simulated clouds behind one route."""

from typing import Any

from tests.cluster.fleet import Clouds
from tests.simulators import credentials

API_KEY = "a-callers-key-of-the-end-to-end-tests"
Document = dict[str, Any]


def secret(name: str, values: dict[str, str], labels: dict[str, str] | None = None) -> Document:
    """An Opaque Secret."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": labels or {}},
        "stringData": values,
    }


def resource(kind: str, name: str, spec: Document) -> Document:
    """One of ours."""
    return {"apiVersion": "pilothouse.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def key_ref(name: str, key: str) -> Document:
    """A reference to one key of a Secret."""
    return {"secretKeyRef": {"name": name, "key": key}}


def aws_secret() -> Document:
    """What opens the simulated Bedrock."""
    values = {"accessKeyId": credentials.ACCESS_KEY_ID, "secretAccessKey": credentials.SECRET_ACCESS_KEY}
    return secret("aws", values)


def azure_secret(key: str = credentials.AZURE_API_KEY) -> Document:
    """What opens the simulated Azure OpenAI."""
    return secret("azure", {"apiKey": key})


def caller_secret() -> Document:
    """An API key for the gateway."""
    labels = {"pilothouse.dev/type": "api-key", "pilothouse.dev/user": "tester", "pilothouse.dev/team": "deck"}
    return secret("tester-key", {"key": API_KEY}, labels)


def bedrock(clouds: Clouds) -> Document:
    """The simulated Bedrock, serving `claude`."""
    auth = {
        "accessKey": {
            "accessKeyId": key_ref("aws", "accessKeyId"),
            "secretAccessKey": key_ref("aws", "secretAccessKey"),
        }
    }
    spec = {
        "bedrock": {"region": "us-east-1", "endpoint": clouds.bedrock, "auth": auth},
        "models": [{"name": "claude", "upstreamModel": "anthropic.claude-opus-5-5", "maxOutputTokens": 4096}],
    }
    return resource("LLMProvider", "bedrock", spec)


def azure(clouds: Clouds) -> Document:
    """The simulated Azure OpenAI, serving `gpt` and `embed`."""
    spec = {
        "azureOpenAI": {"endpoint": clouds.azure, "auth": {"apiKey": key_ref("azure", "apiKey")}},
        "models": [
            {"name": "gpt", "upstreamModel": "gpt-4o"},
            {"name": "embed", "upstreamModel": "text-embedding-3-small"},
        ],
    }
    return resource("LLMProvider", "azure", spec)


def route(name: str, weights: dict[tuple[str, str], int], **more: Any) -> Document:
    """A route for the model of its own name; `weights` by (provider, model)."""
    targets = [
        {"providerRef": {"name": provider}, "model": model, "weight": weight}
        for (provider, model), weight in weights.items()
    ]
    return resource("ModelRoute", name, {"models": [name], "targets": targets, **more})


def both_clouds(clouds: Clouds) -> list[Document]:
    """Secrets, providers and the routes `chat`, `claude`, `gpt` and `embed`."""
    return [
        aws_secret(),
        azure_secret(),
        caller_secret(),
        bedrock(clouds),
        azure(clouds),
        route("chat", {("bedrock", "claude"): 50, ("azure", "gpt"): 50}),
        route("claude", {("bedrock", "claude"): 1}),
        route("gpt", {("azure", "gpt"): 1}),
        route("embed", {("azure", "embed"): 1}),
    ]


def weights_patch(claude: int, gpt: int) -> str:
    """A JSON patch of the route `chat`, for `kubectl patch --type=json`."""
    return (
        f'[{{"op": "replace", "path": "/spec/targets/0/weight", "value": {claude}}},'
        f' {{"op": "replace", "path": "/spec/targets/1/weight", "value": {gpt}}}]'
    )
