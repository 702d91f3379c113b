"""Which Secret keys each provider signs in with: what must be gathered before a compilation."""

from collections.abc import Mapping
from dataclasses import replace

from pilothouse_api.names import ProviderKey
from pilothouse_api.resources.provider import LLMProviderSpec
from pilothouse_api.resources.refs import SecretKeyRef
from pilothouse_operator.compile.providers import azure_openai, bedrock, openai
from pilothouse_operator.compile.reading import read
from pilothouse_operator.compile.world import Kind, Resource, SecretRef, SignIn, SignInKind, World


def sign_ins(world: World) -> Mapping[ProviderKey, SignIn]:
    """Every provider whose spec can be read; a Secret is always of the provider's own namespace."""
    readings = read(world, Kind.PROVIDER, LLMProviderSpec).values()
    return {
        ProviderKey(f"{reading.resource.key.namespace}/{reading.resource.key.name}"): _sign_in(
            reading.resource, reading.spec
        )
        for reading in readings
        if reading.spec is not None
    }


def needs_credential(spec: LLMProviderSpec) -> bool:
    """False where neither the server nor a proxy on the way asks for anything."""
    return spec.openai is None or spec.openai.auth is not None or bool(_proxy_keys(spec))


def _sign_in(resource: Resource, spec: LLMProviderSpec) -> SignIn:
    there = _sign_in_there(resource, spec)
    keys = _proxy_keys(spec)
    return replace(there, proxy=_references(resource, keys)) if keys else there


def _proxy_keys(spec: LLMProviderSpec) -> Mapping[str, SecretKeyRef]:
    proxy = spec.connection.proxy if spec.connection is not None else None
    if proxy is None or proxy.auth is None:
        return {}
    basic = proxy.auth.basic
    return {"username": basic.username.secret_key_ref, "password": basic.password.secret_key_ref}


def _sign_in_there(resource: Resource, spec: LLMProviderSpec) -> SignIn:
    if spec.bedrock is not None:
        return _named(resource, SignInKind.ACCESS_KEY, "spec.bedrock.auth.accessKey", bedrock.secrets(spec.bedrock))
    if spec.azure_openai is not None:
        return _named(
            resource, SignInKind.API_KEY, "spec.azureOpenAI.auth.apiKey", azure_openai.secrets(spec.azure_openai)
        )
    if spec.openai is not None and spec.openai.auth is not None:
        return _named(resource, SignInKind.API_KEY, "spec.openAI.auth.apiKey", openai.secrets(spec.openai))
    return SignIn(uid=resource.uid, kind=SignInKind.NONE)


def _named(resource: Resource, kind: SignInKind, path: str, keys: Mapping[str, SecretKeyRef]) -> SignIn:
    return SignIn(uid=resource.uid, kind=kind, path=path, values=_references(resource, keys))


def _references(resource: Resource, keys: Mapping[str, SecretKeyRef]) -> Mapping[str, SecretRef]:
    namespace = resource.key.namespace
    return {name: SecretRef(namespace=namespace, name=ref.name, key=ref.key) for name, ref in keys.items()}
