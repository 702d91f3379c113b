"""How each provider is signed in to, and where its values are kept: what must be gathered before a compilation."""

from collections.abc import Mapping

from pilothouse_api.names import ProviderKey
from pilothouse_api.resources.provider import LLMProviderSpec
from pilothouse_api.resources.secret_values import SecretValue
from pilothouse_operator.compile import permissions, references
from pilothouse_operator.compile.identities import AWSSession, BedrockForm
from pilothouse_operator.compile.providers import anthropic, azure_openai, bedrock, openai
from pilothouse_operator.compile.reading import read
from pilothouse_operator.compile.references import Found
from pilothouse_operator.compile.ways import OwnUse, Shown, Way
from pilothouse_operator.compile.world import IdentityAccess, Kind, Resource, SignIn, SignInKind, World, value_path

_PROXY = "spec.connection.proxy"


def sign_ins(world: World, access: IdentityAccess) -> Mapping[ProviderKey, SignIn]:
    """Every provider whose spec can be read, and whose values can be found; Secrets are always of its own namespace.

    One that `access` does not permit has a problem, and neither values nor a grant: nothing is asked for it.
    """
    readings = read(world, Kind.PROVIDER, LLMProviderSpec).values()
    return {
        ProviderKey(f"{reading.resource.key.namespace}/{reading.resource.key.name}"): _sign_in(
            reading.resource, reading.spec, access
        )
        for reading in readings
        if reading.spec is not None and references.fault(reading.spec) is None
    }


def needs_credential(spec: LLMProviderSpec) -> bool:
    """False where neither the server nor a proxy on the way asks for anything."""
    return kind_of(spec) is not SignInKind.NONE or bool(_proxy_values(spec))


def kind_of(spec: LLMProviderSpec) -> SignInKind:
    """How the provider is signed in to."""
    return _way(spec).kind


def _sign_in(resource: Resource, spec: LLMProviderSpec, access: IdentityAccess) -> SignIn:
    namespace, way = resource.key.namespace, _way(spec)

    def follow(values: Mapping[str, SecretValue], path: str) -> dict[str, Found]:
        return {
            name: references.follow(value, value_path(path, name), spec=spec, namespace=namespace)
            for name, value in values.items()
        }

    values, proxy = follow(way.values, way.path), follow(_proxy_values(spec), f"{_PROXY}.auth.basic")
    uses = [way.own, _tapped(spec, way), *(found.own for found in (*values.values(), *proxy.values()))]
    problem = permissions.refusal([use for use in uses if use is not None], namespace=namespace, access=access)
    if problem is not None:
        return SignIn(uid=resource.uid, kind=way.kind, path=way.path, problem=problem)
    return SignIn(
        uid=resource.uid,
        kind=way.kind,
        path=way.path,
        values={name: found.reference for name, found in values.items()},
        proxy={name: found.reference for name, found in proxy.items()},
        grant=way.grant,
    )


def _tapped(spec: LLMProviderSpec, way: Way) -> OwnUse | None:
    """A forward proxy can end TLS itself where the manifest says whose certificates to trust: it reads what passes."""
    connection = spec.connection
    if way.own is None or connection is None or connection.tls is None or connection.proxy is None:
        return None
    if isinstance(way.grant, AWSSession) and way.grant.form is BedrockForm.SESSION:
        return None  # signatures are all that passes
    return OwnUse(field=way.own.field, shown=(Shown(url=connection.proxy.url, field=f"{_PROXY}.url"),))


def _way(spec: LLMProviderSpec) -> Way:
    if spec.bedrock is not None:
        return bedrock.way(spec.bedrock, spec.models, discovers=spec.discovery is not None)
    if spec.azure_openai is not None:
        return azure_openai.way(spec.azure_openai)
    if spec.openai is not None:
        return openai.way(spec.openai)
    if spec.anthropic is not None:
        return anthropic.way(spec.anthropic)
    raise AssertionError("the rules of LLMProviderSpec let no spec through without a kind")


def _proxy_values(spec: LLMProviderSpec) -> Mapping[str, SecretValue]:
    proxy = spec.connection.proxy if spec.connection is not None else None
    if proxy is None or proxy.auth is None:
        return {}
    return {"username": proxy.auth.basic.username, "password": proxy.auth.basic.password}
