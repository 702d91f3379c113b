"""Which accounts are to be listed, and how: what discovery asks for before a compilation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from pilothouse_api.conditions import Problem
from pilothouse_api.names import ProviderKey
from pilothouse_api.resources import urls
from pilothouse_api.resources.durations import milliseconds
from pilothouse_api.resources.provider import LLMProviderSpec
from pilothouse_operator.compile import references
from pilothouse_operator.compile.identities import Account, AnthropicServer, ModelServer
from pilothouse_operator.compile.providers import anthropic, azure_openai, bedrock, openai
from pilothouse_operator.compile.reading import read
from pilothouse_operator.compile.world import Kind, World

_Server = TypeVar("_Server", AnthropicServer, ModelServer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """One provider's `discovery`: whose models, or why these cannot be listed."""

    account: Account | Problem
    interval_s: int


def accounts(world: World) -> Mapping[ProviderKey, Discovery]:
    """Every provider with `discovery` whose spec can be read."""
    found = {}
    for key, resource in world.resources.items():
        if key.kind is Kind.PROVIDER and "discovery" in resource.spec:
            found[key] = resource
    if not found:
        return {}
    readings = read(World(resources=found, namespaces={}), Kind.PROVIDER, LLMProviderSpec)
    return {
        ProviderKey(f"{key.namespace}/{key.name}"): Discovery(
            account=_account(reading.spec), interval_s=milliseconds(reading.spec.discovery.interval) // 1_000
        )
        for key, reading in readings.items()
        if reading.spec is not None and reading.spec.discovery is not None and references.fault(reading.spec) is None
    }


def _account(spec: LLMProviderSpec) -> Account | Problem:
    if spec.bedrock is not None:
        return bedrock.account(spec.bedrock)
    if spec.azure_openai is not None:
        return azure_openai.account(spec.azure_openai)
    if spec.openai is not None:
        return _reached(openai.account(spec.openai), spec)
    if spec.anthropic is not None:
        return _reached(anthropic.account(spec.anthropic), spec)
    raise AssertionError("the rules of LLMProviderSpec let no spec through without a kind")


def _reached(server: _Server, spec: LLMProviderSpec) -> _Server:
    """The way there is that of requests. Clouds are called as the operator calls them everywhere."""
    connection = spec.connection
    if connection is None:
        return server
    proxy = connection.proxy
    return replace(
        server,
        ca_bundle=(connection.tls.ca_bundle or "") if connection.tls is not None else "",
        proxy="" if proxy is None else urls.normalised(proxy.url),
        proxy_ca_bundle=(proxy.tls.ca_bundle or "") if proxy is not None and proxy.tls is not None else "",
    )
