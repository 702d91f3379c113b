"""An LLMProvider's spec → the provider of a snapshot, or what is wrong with it."""

from pilothouse_api.conditions import Problem
from pilothouse_api.resources import urls
from pilothouse_api.resources.connection import TLS, ConnectionSpec, ProxySpec
from pilothouse_api.resources.durations import milliseconds
from pilothouse_api.resources.provider import LLMProviderSpec
from pilothouse_api.snapshot.providers import Connection, Endpoint, Model, Provider, Proxy
from pilothouse_operator.compile import certificates, references, settings
from pilothouse_operator.compile.providers import anthropic, azure_openai, bedrock, openai


def lower(spec: LLMProviderSpec, models: dict[str, Model], *, listed: bool) -> Provider | Problem:
    """Everything of a provider that proxies need but its credential.

    `listed`: whether its account has been, where the manifest asks for that.
    """
    endpoint = _endpoint(spec)
    if isinstance(endpoint, Problem):
        return endpoint
    connection = _connection(spec.connection) if spec.connection is not None else Connection()
    if isinstance(connection, Problem):
        return connection
    fault = references.fault(spec)
    if fault is not None:
        return fault
    return Provider(
        endpoint=endpoint,
        models=models,
        unlisted=spec.discovery is not None and not listed,
        connection=connection,
        settings=settings.of_provider(spec),
    )


def _endpoint(spec: LLMProviderSpec) -> Endpoint | Problem:
    if spec.bedrock is not None:
        return bedrock.lower(spec.bedrock, spec.models)
    if spec.azure_openai is not None:
        return azure_openai.lower(spec.azure_openai)
    if spec.openai is not None:
        return openai.lower(spec.openai)
    if spec.anthropic is not None:
        return anthropic.lower(spec.anthropic)
    raise AssertionError("the rules of LLMProviderSpec let no spec through without a kind")


def _connection(spec: ConnectionSpec) -> Connection | Problem:
    bundle = _bundle(spec.tls, "spec.connection.tls.caBundle")
    if isinstance(bundle, Problem):
        return bundle
    proxy = _proxy(spec.proxy) if spec.proxy is not None else None
    if isinstance(proxy, Problem):
        return proxy
    return Connection(
        connect_timeout_ms=milliseconds(spec.connect_timeout), pool_size=spec.pool_size, ca_bundle=bundle, proxy=proxy
    )


def _proxy(spec: ProxySpec) -> Proxy | Problem:
    bundle = _bundle(spec.tls, "spec.connection.proxy.tls.caBundle")
    return bundle if isinstance(bundle, Problem) else Proxy(url=urls.normalised(spec.url), ca_bundle=bundle)


def _bundle(tls: TLS | None, field: str) -> str | Problem | None:
    return certificates.bundle(tls.ca_bundle, field) if tls is not None else None
