from typing import Any

import pytest

from pilothouse_operator.compile.sign_ins import sign_ins
from pilothouse_operator.compile.world import IdentityAccess, Kind, Resource, ResourceKey, SecretRef, SignInKind, World

ANYBODY = IdentityAccess()


def v(name: str, key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": name, "key": key}}


def world(spec: dict[str, Any]) -> World:
    key = ResourceKey(Kind.PROVIDER, "team-a", "p")
    found = Resource(key=key, uid="u1", resource_version="1", generation=1, created="", spec=spec)
    return World(resources={key: found}, namespaces={})


@pytest.mark.parametrize(
    ("spec", "kind", "path", "values"),
    [
        (
            {"azureOpenAI": {"endpoint": "https://x.openai.azure.com", "auth": {"apiKey": v("azure", "k1")}}},
            SignInKind.API_KEY,
            "spec.azureOpenAI.auth.apiKey",
            {"apiKey": ("azure", "k1")},
        ),
        (
            {"openAI": {"baseURL": "https://x/v1", "auth": {"apiKey": v("openai", "k2")}}},
            SignInKind.API_KEY,
            "spec.openAI.auth.apiKey",
            {"apiKey": ("openai", "k2")},
        ),
        (
            {
                "bedrock": {
                    "region": "us-east-1",
                    "auth": {
                        "accessKey": {
                            "accessKeyId": v("aws", "id"),
                            "secretAccessKey": v("aws", "secret"),
                            "sessionToken": v("session", "token"),
                        }
                    },
                }
            },
            SignInKind.ACCESS_KEY,
            "spec.bedrock.auth.accessKey",
            {"accessKeyId": ("aws", "id"), "secretAccessKey": ("aws", "secret"), "sessionToken": ("session", "token")},
        ),
        ({"openAI": {"baseURL": "http://vllm:8000/v1"}}, SignInKind.NONE, "", {}),
    ],
)
def test_a_sign_in_names_its_secrets_in_the_provider_s_own_namespace(
    spec: dict[str, Any], kind: SignInKind, path: str, values: dict[str, tuple[str, str]]
) -> None:
    [(key, found)] = sign_ins(world(spec), ANYBODY).items()
    assert (key, found.uid, found.kind, found.path) == ("team-a/p", "u1", kind, path)
    assert found.values == {name: SecretRef("team-a", secret, data) for name, (secret, data) in values.items()}


def test_a_provider_that_cannot_be_read_has_no_sign_in() -> None:
    assert sign_ins(world({"bedrock": {"region": "us-east-1"}}), ANYBODY) == {}


def test_what_a_forward_proxy_asks_for_is_named_beside_what_the_provider_does() -> None:
    basic = {"username": v("egress", "user"), "password": v("egress", "pass")}
    connection = {"proxy": {"url": "http://proxy:3128", "auth": {"basic": basic}}}
    spec = {"openAI": {"baseURL": "http://vllm:8000/v1"}, "connection": connection}
    [found] = sign_ins(world(spec), ANYBODY).values()
    assert (found.kind, found.values) == (SignInKind.NONE, {})
    assert found.proxy == {
        "username": SecretRef("team-a", "egress", "user"),
        "password": SecretRef("team-a", "egress", "pass"),
    }
    assert set(found.references) == set(found.proxy.values())


def test_a_forward_proxy_that_asks_for_nothing_needs_no_secret() -> None:
    connection = {"proxy": {"url": "http://proxy:3128"}}
    spec = {"openAI": {"baseURL": "http://vllm:8000/v1"}, "connection": connection}
    [found] = sign_ins(world(spec), ANYBODY).values()
    assert found.references == ()
